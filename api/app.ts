/** The API as a Fastify app: tests inject into it, the server listens with it. */
import { randomUUID } from 'node:crypto';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import underPressure from '@fastify/under-pressure';
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { Problem } from '../protocol/problems.js';
import { demandToken } from './auth.js';
import { createDeletions } from './deletions.js';
import type { ApiDependencies } from './dependencies.js';
import { createDirectory } from './directory.js';
import { measureRequests } from './metrics.js';
import { answerProblems } from './problem-handler.js';
import { deletionJobRoutes } from './routes/deletion-jobs.js';
import { healthRoutes } from './routes/health.js';
import { membershipRoutes } from './routes/memberships.js';
import { previewRoutes } from './routes/preview.js';
import { replayRoutes } from './routes/replay.js';
import { serviceRoutes } from './routes/services.js';
import { tenantDeletionRoutes } from './routes/tenant-deletions.js';

/** Largest body in bytes; the largest real one is some hundred. */
const BODY_LIMIT = 64 * 1024;

export async function buildApp(dependencies: ApiDependencies): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: dependencies.logger as FastifyBaseLogger,
    genReqId: () => randomUUID(),
    requestIdLogLabel: 'request_id',
    bodyLimit: BODY_LIMIT,
    requestTimeout: 30_000,
    keepAliveTimeout: 65_000,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 250 },
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.addHook('onSend', async (request, reply) => void reply.header('x-request-id', request.id));

  await app.register(helmet, { contentSecurityPolicy: false });
  await app.register(rateLimit, {
    max: dependencies.settings.rateLimitPerMinute,
    timeWindow: '1 minute',
    errorResponseBuilder: (_request, context) =>
      new Problem('rate_limited', 'Too many requests; wait a little.', {}, Math.ceil(context.ttl / 1_000)),
  });
  await app.register(underPressure, { maxEventLoopDelay: 2_000, retryAfter: 2, exposeStatusRoute: false });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Lethe',
        version: '1',
        description: 'Deletes one tenant from every service, reversibly until all agree.',
      },
      components: { securitySchemes: { user: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
      security: [{ user: [] }],
    },
    transform: jsonSchemaTransform,
  });
  await app.register(swaggerUi, { routePrefix: '/docs' });
  answerProblems(app, dependencies.records);
  measureRequests(app);

  const directory = createDirectory(dependencies);
  const deletions = createDeletions(dependencies, directory);
  const parts = { ...dependencies, directory, deletions };

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
        membershipRoutes,
        serviceRoutes,
      ]) {
        await guarded.register(async (scope) => routes(scope, parts));
      }
    },
    { prefix: '/api/v1' },
  );
  return app;
}
