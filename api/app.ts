/** The API as a Fastify app: tests inject into it, the server listens with it. */
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import underPressure from '@fastify/under-pressure';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { asProblem } from '../protocol/problem-document.js';
import { Problem } from '../protocol/problems.js';
import { requestIdOf } from '../protocol/request-log.js';
import { demandToken } from './auth.js';
import { createDeletions } from './deletions.js';
import type { ApiDependencies } from './dependencies.js';
import { createDirectory } from './directory.js';
import { createErased } from './erased.js';
import { logRequests } from './logging.js';
import { measureRequests } from './metrics.js';
import { answerProblems, sendProblem } from './problem-handler.js';
import { auditRoutes } from './routes/audit.js';
import { certificateRoutes } from './routes/certificates.js';
import { deletionJobRoutes } from './routes/deletion-jobs.js';
import { erasedRoutes } from './routes/erased.js';
import { exportRoutes } from './routes/exports.js';
import { gateRoutes } from './routes/gate.js';
import { healthRoutes } from './routes/health.js';
import { membershipRoutes } from './routes/memberships.js';
import { noticeRoutes } from './routes/notices.js';
import { peopleRoutes } from './routes/people.js';
import { previewRoutes } from './routes/preview.js';
import { replayRoutes } from './routes/replay.js';
import { retainedRoutes } from './routes/retained.js';
import { serviceRoutes } from './routes/services.js';
import { tenantDeletionRoutes } from './routes/tenant-deletions.js';
import { tombstoneReleaseRoutes } from './routes/tombstone-release.js';
import { waiverRoutes } from './routes/waivers.js';

/** Largest body in bytes; the largest real one is some hundred. */
const BODY_LIMIT = 64 * 1024;
// A tenant's key has at most 200 characters, of up to nine in an address.
const LONGEST_PARAMETER = 2_000;
/** Time to receive a request. */
const REQUEST_TIMEOUT_MS = 30_000;
// Longer than proxies keep an idle connection, so that it is they who close.
const KEEP_ALIVE_MS = 72_000;

export async function buildApp(dependencies: ApiDependencies): Promise<FastifyInstance> {
  const app: FastifyInstance = Fastify({
    loggerInstance: dependencies.logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: requestIdOf,
    requestIdHeader: false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: LONGEST_PARAMETER },
    // An address that cannot be decoded comes to no route, and so to no error handler.
    frameworkErrors: (error, request, reply) => void sendProblem(reply, request, asProblem(error)),
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  readJsonOnly(app);
  logRequests(app);
  await protect(app, dependencies.settings);
  await describe(app, dependencies.version);
  answerProblems(app, dependencies.records);
  measureRequests(app);

  const directory = createDirectory(dependencies);
  const erased = createErased(dependencies);
  const deletions = createDeletions(dependencies, directory, erased);
  const parts = { ...dependencies, directory, deletions, erased };

  app.get('/openapi.json', { schema: { hide: true }, config: { rateLimit: false } }, () => app.swagger());
  await app.register(async (open) => healthRoutes(open, parts));
  await app.register(
    async (guarded) => {
      demandToken(guarded, dependencies.verifyUser);
      for (const routes of [
        tenantDeletionRoutes,
        previewRoutes,
        deletionJobRoutes,
        replayRoutes,
        gateRoutes,
        membershipRoutes,
        serviceRoutes,
        certificateRoutes,
        auditRoutes,
        peopleRoutes,
        exportRoutes,
        waiverRoutes,
        noticeRoutes,
        erasedRoutes,
        tombstoneReleaseRoutes,
        retainedRoutes,
      ]) {
        await guarded.register(async (scope) => routes(scope, parts));
      }
    },
    { prefix: '/api/v1' },
  );
  return app;
}

function readJsonOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    // An empty body under this header is what many clients send with DELETE; where a body is needed, its schema says so.
    if (body === '') done(null, undefined);
    else parseJson(request, String(body), done);
  });
}

async function protect(
  app: FastifyInstance,
  { rateLimitPerMinute, overloadedAfterMs }: ApiDependencies['settings'],
): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
  });
  await app.register(rateLimit, {
    max: rateLimitPerMinute,
    timeWindow: '1 minute',
    errorResponseBuilder: (_request, context) =>
      new Problem('rate_limited', 'Too many requests; wait a little.', {}, Math.ceil(context.ttl / 1_000)),
  });
  await app.register(underPressure, {
    maxEventLoopDelay: overloadedAfterMs,
    retryAfter: 2,
    exposeStatusRoute: false,
  });
}

async function describe(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Lethe',
        version,
        description: 'Deletes one tenant from every service, reversibly until all agree.',
      },
      components: { securitySchemes: { user: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
      security: [{ user: [] }],
    },
    transform: jsonSchemaTransform,
  });
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: true });
}
