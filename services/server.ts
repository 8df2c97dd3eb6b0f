/** The server that serves any participant over the deletion protocol. */
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { Registry } from 'prom-client';
import { requestIdOf } from '../protocol/request-log.js';
import type { TokenVerifier } from '../protocol/tokens.js';
import { logRequests } from './http/logging.js';
import { registerOperations } from './http/operations.js';
import type { Participant } from './http/participant.js';
import { answerWithProblems } from './http/problems.js';
import { registerCalls } from './http/routes.js';

export interface ServiceServerOptions {
  readonly participant: Participant;
  readonly verifier: TokenVerifier;
  readonly logger: FastifyBaseLogger;
  /** Where metrics are collected; a process with several services shares one. */
  readonly metrics?: Registry;
}

const LARGEST_BODY = 64 * 1024;
// A tenant's key has at most 200 characters, of up to three bytes in an address.
const LONGEST_PARAMETER = 2_000;
const REQUEST_TIMEOUT_MS = 30_000;
// Longer than any client keeps an idle connection, so that it is the client who closes.
const KEEP_ALIVE_MS = 72_000;

/** Builds the server; it does not listen. Closing it closes the participant, too. */
export function buildServiceServer(options: ServiceServerOptions): FastifyInstance {
  const { participant, verifier, logger, metrics = new Registry() } = options;
  const app: FastifyInstance = fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: requestIdOf,
    requestIdHeader: false,
    bodyLimit: LARGEST_BODY,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: LONGEST_PARAMETER },
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.removeAllContentTypeParsers();
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    // An empty body under this header is what many clients send with DELETE; where a body is needed, its schema says so.
    if (body === '') done(null, undefined);
    else parseJson(request, String(body), done);
  });

  closeAfterLastAnswers(app);
  answerWithProblems(app, participant.translate ?? ((error) => error));
  registerCalls(app, participant, verifier);
  logRequests(app);
  registerOperations(app, participant, metrics);
  app.addHook('onClose', () => participant.close());
  return app;
}

/** Connections that were busy when the stop began end with their answer; kept alive, they would hold the stop up. */
function closeAfterLastAnswers(app: FastifyInstance): void {
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
  });
  app.addHook('onSend', async (_, reply) => {
    if (closing) reply.header('connection', 'close');
  });
}
