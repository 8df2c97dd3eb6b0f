/** What services retain of tenants who are gone: counts for those who look after it, rows for an auditor. */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ServiceClient } from '../../protocol/client.js';
import { serviceName } from '../../protocol/common.js';
import { withFirstPart } from '../../protocol/first-part.js';
import { Problem } from '../../protocol/problems.js';
import { retainedPage } from '../../protocol/retained.js';
import { actorOf, callerOf } from '../auth.js';
import { tenantId } from '../identifiers.js';
import { demand, staffStandings } from '../rights.js';
import { problems, type RouteParts, typed } from './parts.js';

const PATIENCE_MS = 10_000;

const listQuery = z
  .strictObject({
    service: serviceName.optional(),
    tenant_id: tenantId.optional(),
    cursor: z.string().max(1000).optional().describe('`next_cursor` of a page of the same service'),
  })
  .refine(({ service, cursor }) => cursor === undefined || service !== undefined, {
    path: ['cursor'],
    message: 'belongs to one service: name it, too',
  });
const list = z.strictObject({
  services: z.array(
    z.strictObject({
      name: serviceName,
      retained: retainedPage.omit({ service_name: true }).nullable(),
      error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
    }),
  ),
});
const exportQuery = z.strictObject({ service: serviceName, tenant_id: tenantId.optional() });

export function retainedRoutes(app: FastifyInstance, { services, records }: RouteParts): void {
  const participants = services.filter(({ service }) => service.role === 'participant');
  const named = (name: string): ServiceClient => {
    const found = participants.find(({ service }) => service.name === name);
    if (found === undefined)
      throw new Problem('validation_failed', `The registry has no participant ${name}.`, {
        errors: [{ path: 'query.service', message: 'is no participant of the registry' }],
      });
    return found;
  };

  typed(app).get(
    '/retained',
    {
      schema: {
        summary:
          'What is retained of erased tenants, by table, on which ground and until when; no row is shown',
        tags: ['platform'],
        querystring: listQuery,
        response: { 200: list, ...problems },
      },
    },
    async (request) => {
      demand('see_retained', staffStandings(callerOf(request)));
      const { service, ...query } = request.query;
      const asked = service === undefined ? participants : [named(service)];
      return { services: await Promise.all(asked.map((client) => ask(client, query, request.id))) };
    },
  );

  typed(app).get(
    '/retained/export',
    {
      schema: {
        summary: "One service's retained rows as NDJSON, of one tenant or of all",
        tags: ['platform'],
        querystring: exportQuery,
        response: { 200: z.unknown().describe('NDJSON: a row a line, with its terms'), ...problems },
      },
    },
    async (request, reply) => {
      demand('see_retained', staffStandings(callerOf(request)));
      const { service, tenant_id = null } = request.query;
      const rows = await withFirstPart(named(service).exportRetained(tenant_id, { requestId: request.id }));
      await records.audit({
        jobId: null,
        tenantId: tenant_id,
        actor: actorOf(request),
        action: 'retained rows exported',
        details: { service },
      });
      return reply
        .header('cache-control', 'no-store')
        .type('application/x-ndjson')
        .serializer(String)
        .send(Readable.from(rows));
    },
  );
}

/** A service that retains nothing, or does not know of retaining, has nothing; one that does not answer is named. */
async function ask(
  client: ServiceClient,
  query: { readonly tenant_id?: string | undefined; readonly cursor?: string | undefined },
  requestId: string,
): Promise<z.infer<typeof list>['services'][number]> {
  const { name } = client.service;
  try {
    const { service_name: _, ...retained } = await client.call(
      'retained',
      { params: {}, query },
      { timeoutMs: PATIENCE_MS, requestId },
    );
    return { name, retained, error: null };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.code === 'route_unknown')
      return { name, retained: { entries: [], next_cursor: null }, error: null };
    return { name, retained: null, error: { code: error.code, message: error.detail } };
  }
}
