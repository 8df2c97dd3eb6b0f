/** Logs: structured, with request and job id, and without anything of a person or a secret. */
import type { FastifyInstance } from 'fastify';
import { type Logger, pino } from 'pino';
import { plainError } from '../protocol/request-log.js';

/** Errors are written by name, code and stack alone: what a database adds to its errors quotes rows. */
export function createApiLogger(level: string): Logger {
  return pino({
    level,
    base: { service: 'api' },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: plainError },
  });
}

const QUIET = new Set([
  '/healthz',
  '/readyz',
  '/metrics',
  '/.well-known/jwks.json',
  '/.well-known/certificate-keys.json',
  '/.well-known/records-keys.json',
]);

/** One line per answered request: the route's pattern, not the address, which may name a person. */
export function logRequests(app: FastifyInstance): void {
  app.addHook('onSend', async (request, reply) => void reply.header('x-request-id', request.id));
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url;
    const job = jobOf(request.params) ?? jobOf({ job_id: createdJob(reply.getHeader('location')) });
    request.log[route !== undefined && QUIET.has(route) ? 'debug' : 'info'](
      {
        method: request.method,
        route,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
        ...(job !== undefined && { job_id: job }),
      },
      'answered',
    );
  });
}

function jobOf(params: unknown): string | undefined {
  const id = (params as { job_id?: unknown } | null | undefined)?.job_id;
  return typeof id === 'string' && /^[0-9a-f-]{36}$/i.test(id) ? id : undefined;
}

function createdJob(location: unknown): string | undefined {
  return typeof location === 'string' ? location.split('/').at(-1) : undefined;
}
