/** Registers the protocol's calls, from the table that the client uses, too. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import {
  CALLS,
  type CallName,
  EXPORT_PATH,
  exportQuery,
  RETAINED_EXPORT_PATH,
  type RequestSubject,
  retainedExportQuery,
  subjectOf,
} from '../../protocol/calls.js';
import { tenantId } from '../../protocol/common.js';
import { withFirstPart } from '../../protocol/first-part.js';
import type { DeletionStatus } from '../../protocol/participant.js';
import { Problem } from '../../protocol/problems.js';
import { assertTokenAllows, type ServiceTokenClaims, type TokenVerifier } from '../../protocol/tokens.js';
import type { CallHandler, Participant } from './participant.js';

declare module 'fastify' {
  interface FastifyRequest {
    serviceToken: ServiceTokenClaims | null;
  }
}

/** All calls that the participant answers, each behind a token that names it. */
export function registerCalls(app: FastifyInstance, participant: Participant, verifier: TokenVerifier): void {
  app.decorateRequest('serviceToken', null);
  // Before the body is read: who has no token learns nothing, not even what is wrong with the request.
  const authenticate = async (request: FastifyRequest) => {
    request.serviceToken = await verifier.verify(bearerOf(request));
  };

  for (const name of Object.keys(participant.calls) as CallName[]) {
    const handler = participant.calls[name] as CallHandler<CallName> | undefined;
    if (handler === undefined) continue;
    const { method, path, params, query, body, answer: form } = CALLS[name];
    app.route({
      method,
      url: path,
      // What does not fit the protocol is a fault of ours and is not sent.
      schema: { params, querystring: query, ...(body && { body }), response: { '2xx': form } },
      onRequest: authenticate,
      preHandler: async (request) => allow(request, subjectOf(name, request as never)),
      handler: async (request, reply) => {
        const answer = await handler({
          params: request.params,
          query: request.query,
          body: request.body ?? null,
          claims: claimsOf(request),
          signal: request.signal,
        } as Parameters<typeof handler>[0]);
        if (name === 'advance') {
          reply.code(
            (answer as DeletionStatus).state === subjectOf(name, request as never).action ? 200 : 202,
          );
        }
        return answer;
      },
    });
  }

  const { exportRows } = participant;
  if (exportRows) {
    app.route({
      method: 'GET',
      url: EXPORT_PATH,
      schema: { params: z.strictObject({ tenant_id: tenantId }), querystring: exportQuery },
      onRequest: authenticate,
      handler: async (request, reply) => {
        const { tenant_id } = request.params as { tenant_id: string };
        const { job_id = null } = request.query as { job_id?: string };
        allow(request, { action: 'export', tenantId: tenant_id, jobId: job_id, userId: null });
        return stream(reply, exportRows(tenant_id, job_id));
      },
    });
  }

  const { exportRetained } = participant;
  if (exportRetained) {
    app.route({
      method: 'GET',
      url: RETAINED_EXPORT_PATH,
      schema: { querystring: retainedExportQuery },
      onRequest: authenticate,
      handler: async (request, reply) => {
        const { tenant_id = null } = request.query as { tenant_id?: string };
        allow(request, { action: 'retained', tenantId: null, jobId: null, userId: null });
        return stream(reply, exportRetained(tenant_id));
      },
    });
  }
}

/** The first row is fetched before the answer begins, so that a fault by then is a problem and no cut stream. */
async function stream(reply: FastifyReply, lines: AsyncIterable<string>): Promise<FastifyReply> {
  const begun = await withFirstPart(lines);
  async function* all() {
    for await (const line of begun) yield line.endsWith('\n') ? line : `${line}\n`;
  }
  return reply.type('application/x-ndjson').send(Readable.from(all(), { objectMode: false }));
}

function bearerOf(request: FastifyRequest): string {
  const match = /^Bearer ([\w.~+/=-]+)$/i.exec(request.headers.authorization ?? '');
  if (!match?.[1]) throw new Problem('unauthenticated', 'The request has no bearer token.');
  return match[1];
}

function claimsOf(request: FastifyRequest): ServiceTokenClaims {
  if (request.serviceToken === null) throw new Problem('unauthenticated', 'The request has no bearer token.');
  return request.serviceToken;
}

function allow(request: FastifyRequest, subject: RequestSubject): void {
  assertTokenAllows(claimsOf(request), subject);
}
