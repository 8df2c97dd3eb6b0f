/** The audit trail: a page, all of it for whoever checks it, and the signed heads. */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { type AuditExportHead, auditEntry } from '../../proof/audit-chain.js';
import { withFirstPart } from '../../protocol/first-part.js';
import { HEADS_A_PAGE } from '../../records/audit-heads.js';
import type { AuditFilter } from '../../records/proof-types.js';
import { callerOf } from '../auth.js';
import { jobId, tenantId, timestamp } from '../identifiers.js';
import { demand, staffStandings } from '../rights.js';
import { problems, type RouteParts, typed } from './parts.js';

const filterQuery = z.strictObject({
  job_id: jobId.optional(),
  tenant_id: tenantId.optional(),
  from: timestamp.optional(),
  to: timestamp.optional(),
});
const pageQuery = filterQuery.extend({
  cursor: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});
const page = z.strictObject({
  events: z.array(auditEntry),
  people: z.record(z.string(), z.string()).describe('Users behind the pseudonyms, as far as they are known'),
  next_cursor: z.string().nullable(),
});
const heads = z.strictObject({
  heads: z.array(z.strictObject({ sequence: z.int(), signed_at: z.string(), jws: z.string() })),
  next_after: z.int().nullable().describe('`after` of the next page; null on the last'),
});

export function auditRoutes(app: FastifyInstance, { records }: RouteParts): void {
  typed(app).get(
    '/audit',
    {
      schema: {
        summary: 'Who did what, and when, oldest first; users by pseudonym, with those that are known',
        tags: ['audit'],
        querystring: pageQuery,
        response: { 200: page, ...problems },
      },
    },
    async (request) => {
      demand('audit', staffStandings(callerOf(request)));
      const { cursor, limit, ...filter } = request.query;
      const found = await records.auditPage({ ...filterOf(filter), limit, ...(cursor && { cursor }) });
      return { events: [...found.events], people: { ...found.people }, next_cursor: found.nextCursor };
    },
  );

  typed(app).get(
    '/audit/export',
    {
      schema: {
        summary: 'Every event that fits, as NDJSON, chain by chain: for `lethe audit verify`',
        tags: ['audit'],
        querystring: filterQuery,
        response: {
          200: z.unknown().describe('NDJSON: a line that says what it is, then an event a line'),
          ...problems,
        },
      },
    },
    async (request, reply) => {
      demand('audit', staffStandings(callerOf(request)));
      const { job_id = null, tenant_id = null, from = null, to = null } = request.query;
      const head: AuditExportHead = {
        format: 'lethe-audit-export',
        version: 1,
        exported_at: new Date().toISOString(),
        filter: { job_id, tenant_id, from, to },
      };
      const events = await withFirstPart(records.auditExport(filterOf(request.query)));
      async function* lines() {
        yield `${JSON.stringify(head)}\n`;
        for await (const event of events) yield `${JSON.stringify(event)}\n`;
      }
      return reply
        .type('application/x-ndjson')
        .header('content-disposition', 'attachment; filename="lethe-audit.ndjson"')
        .send(Readable.from(lines()));
    },
  );

  typed(app).get(
    '/audit/heads',
    {
      schema: {
        summary: 'Signed heads over all chains, oldest first; kept elsewhere, they show a cut tail',
        tags: ['audit'],
        querystring: z.strictObject({ after: z.coerce.number().int().min(0).default(0) }),
        response: { 200: heads, ...problems },
      },
    },
    async (request) => {
      demand('audit', staffStandings(callerOf(request)));
      const found = await records.auditHeads(request.query.after);
      const last = found.at(-1);
      return {
        heads: found,
        next_after: last !== undefined && found.length === HEADS_A_PAGE ? last.sequence : null,
      };
    },
  );
}

function filterOf({ job_id, tenant_id, from, to }: z.output<typeof filterQuery>): AuditFilter {
  return {
    ...(job_id !== undefined && { jobId: job_id }),
    ...(tenant_id !== undefined && { tenantId: tenant_id }),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
  };
}
