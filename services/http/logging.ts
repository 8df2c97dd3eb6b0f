/** Logs: structured, with job and request id, and without anything of a person or a secret. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type DestinationStream, type Logger, pino } from 'pino';
import { plainError } from '../../protocol/request-log.js';

/**
 * A logger for one service. Errors are written by name, code and stack alone: what a database adds to its errors
 * (`detail`, `where`) quotes rows.
 */
export function createServiceLogger(options: {
  readonly service: string;
  readonly level: string;
  /** Standard output by default. */
  readonly destination?: DestinationStream;
}): Logger {
  const settings = {
    level: options.level,
    base: { service: options.service },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: plainError },
  };
  return options.destination ? pino(settings, options.destination) : pino(settings);
}

/** For the log: a text or an error in which the tenant of this request is not named. */
export function withoutTenant<T>(told: T, request: FastifyRequest): T {
  const { tenant_id: tenantId } = (request.params ?? {}) as { tenant_id?: unknown };
  if (typeof tenantId !== 'string' || tenantId === '') return told;
  // Databases write a UUID their own way; a short key is no part of a longer word or number.
  const named = new RegExp(`(?<!\\w)${tenantId.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')}(?!\\w)`, 'gi');
  const hide = (text: string) => text.replace(named, 'TENANT');
  if (typeof told === 'string') return hide(told) as T;
  if (!(told instanceof Error)) return told;
  const copy: Error = Object.create(told, {
    message: { value: hide(told.message) },
    stack: { value: hide(told.stack ?? '') },
    cause: { value: withoutTenant(told.cause, request) },
  });
  return copy as T;
}

/** One line per answered request: the route's pattern, not the address, which names the tenant. */
export function logRequests(app: FastifyInstance): void {
  app.addHook('onSend', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url;
    const job = request.serviceToken?.job_id;
    const quiet = route === '/healthz' || route === '/readyz' || route === '/metrics';
    request.log[quiet ? 'debug' : 'info'](
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
