/** Reading the audit trail: a page for a person, all of it for whoever checks it. */
import { z } from 'zod';
import type { AuditEntry } from '../proof/audit-chain.js';
import { Problem } from '../protocol/problems.js';
import { type EventRow, entryOf } from './audit.js';
import type { Database } from './database.js';
import type { Prisma } from './generated/client.js';
import type { AuditFilter, ProofRecords } from './proof-types.js';
import { userIdsOf } from './pseudonyms.js';

const ROWS_AT_ONCE = 500;

export function auditQueries(database: Database): Pick<ProofRecords, 'auditPage' | 'auditExport'> {
  return {
    auditPage: ({ limit, cursor, ...filter }) =>
      database.read(async (client) => {
        const after = cursor === undefined ? {} : { eventId: { gt: eventAfter(cursor) } };
        const rows = await client.auditEvent.findMany({
          where: { ...conditionOf(filter), ...after },
          orderBy: { eventId: 'asc' },
          take: limit + 1,
        });
        const page = rows.slice(0, limit);
        const last = page.at(-1);
        return {
          events: page.map(entryOf),
          people: await userIdsOf(client, page.flatMap(namedIn)),
          nextCursor: rows.length > page.length && last ? cursorOf(last) : null,
        };
      }),

    // Chain by chain: a chain grows at its end alone, so what is written meanwhile leaves no gap in what is read.
    async *auditExport(filter): AsyncGenerator<AuditEntry> {
      let after: Prisma.AuditEventWhereInput = {};
      for (;;) {
        const rows: EventRow[] = await database.read((client) =>
          client.auditEvent.findMany({
            where: { AND: [conditionOf(filter), after] },
            orderBy: [{ chain: 'asc' }, { position: 'asc' }],
            take: ROWS_AT_ONCE,
          }),
        );
        yield* rows.map(entryOf);
        const last = rows.at(-1);
        if (last === undefined || rows.length < ROWS_AT_ONCE) return;
        const { chain, position } = last;
        // The first condition lets the index begin where the page before ended.
        after = { chain: { gte: chain }, OR: [{ chain: { gt: chain } }, { position: { gt: position } }] };
      }
    },
  };
}

function conditionOf({ jobId, tenantId, from, to }: AuditFilter): Prisma.AuditEventWhereInput {
  return {
    ...(jobId !== undefined && { jobId }),
    ...(tenantId !== undefined && { tenantId }),
    at: {
      ...(from !== undefined && { gte: new Date(from) }),
      ...(to !== undefined && { lt: new Date(to) }),
    },
  };
}

/** Everything in an event that may be a pseudonym. */
function namedIn(row: EventRow): string[] {
  const { actor, details } = entryOf(row);
  return [actor.id, ...Object.values(details).filter((value) => typeof value === 'string')];
}

const place = z.string().regex(/^\d{1,18}$/);

function cursorOf({ eventId }: EventRow): string {
  return Buffer.from(String(eventId)).toString('base64url');
}

function eventAfter(cursor: string): bigint {
  const parsed = place.safeParse(Buffer.from(cursor, 'base64url').toString('utf8'));
  if (parsed.success) return BigInt(parsed.data);
  throw new Problem(
    'validation_failed',
    'The cursor is none that a list gave. Start again without a cursor.',
    { errors: [{ path: 'cursor', message: 'should be the next_cursor of the page before' }] },
  );
}
