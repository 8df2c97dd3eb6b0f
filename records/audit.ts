/** Who did what, and when. Written in the transaction of what it tells, into a chain, and never changed. */
import { z } from 'zod';
import { type AuditEntry, entryHash } from '../proof/audit-chain.js';
import { insertEvent, lockChain, pseudonymOf } from './audit-sql.js';
import type { Database } from './database.js';
import type { Prisma } from './generated/client.js';
import { userIdsOf } from './pseudonyms.js';
import type { SqlClient } from './sql-client.js';
import type { Actor, AuditEvent, Records } from './types.js';

/** What the records themselves tell; others name what they tell in the same way. */
export type JobAction =
  | 'deletion requested'
  | 'deletion requested again'
  | 'run began'
  | 'step reached'
  | 'stage requested'
  | 'service changed state'
  | 'decided to abort'
  | 'decided to proceed'
  | 'rescheduled'
  | 'replay requested'
  | 'certificate issued'
  | 'job ended';

/** The saga itself, where nobody asked. */
export const SAGA: Actor = { kind: 'system', id: 'lethe', role: 'saga' };

/**
 * Writes one event, in the client's transaction. It locks the head of its chain, and nothing may be locked after that:
 * of several events, those of a job come before those of its tenant, and the platform's last.
 */
export async function writeEvent(client: SqlClient, event: AuditEvent): Promise<void> {
  const { actor, action, jobId, tenantId } = event;
  const actorId = actor.kind === 'user' ? await pseudonymOf(client, actor.id) : actor.id;
  const details: Record<string, string | number | boolean | null> = { ...event.details };
  for (const [name, userId] of Object.entries(event.people ?? {})) {
    details[name] = await pseudonymOf(client, userId);
  }
  const head = await lockChain(client, jobId, tenantId);
  const entry = {
    chain: head.chain,
    position: Number(head.length) + 1,
    at: head.now.toISOString(),
    action,
    actor: { kind: actor.kind, id: actorId, role: actor.role },
    request_id: actor.requestId ?? null,
    job_id: jobId,
    tenant_id: tenantId,
    details,
    previous_hash: head.hash,
  };
  await insertEvent(client, { ...entry, hash: entryHash(entry) });
}

const storedDetails = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));

export type EventRow = Prisma.AuditEventGetPayload<object>;

/** A row as it was hashed. */
export function entryOf(row: EventRow): AuditEntry {
  return {
    chain: row.chain,
    position: Number(row.position),
    at: row.at.toISOString(),
    action: row.action,
    actor: { kind: row.actorKind, id: row.actorId, role: row.actorRole },
    request_id: row.requestId,
    job_id: row.jobId,
    tenant_id: row.tenantId,
    details: storedDetails.parse(row.details),
    previous_hash: row.previousHash,
    hash: row.hash,
  };
}

export function auditRecords(database: Database): Pick<Records, 'audit' | 'auditOnce' | 'auditTrail'> {
  return {
    audit: (event) => database.sqlTransaction((client) => writeEvent(client, event)),

    auditOnce: (event) =>
      database.transaction(async (client) => {
        const { action, tenantId, details } = event;
        const written = await client.auditEvent.findFirst({
          where: { tenantId, action, details: { equals: { ...details } } },
          select: { eventId: true },
        });
        if (written === null) await writeEvent(client, event);
        return written === null;
      }),

    async auditTrail(jobId) {
      const { rows, people } = await database.read(async (client) => {
        const found = await client.auditEvent.findMany({ where: { jobId }, orderBy: { eventId: 'asc' } });
        return {
          rows: found,
          people: await userIdsOf(
            client,
            found.map(({ actorId }) => actorId),
          ),
        };
      });
      return rows.map((row) => ({
        at: row.at.toISOString(),
        jobId: row.jobId,
        tenantId: row.tenantId,
        actor: {
          kind: row.actorKind,
          id: people[row.actorId] ?? row.actorId,
          role: row.actorRole,
          ...(row.requestId === null ? {} : { requestId: row.requestId }),
        },
        action: row.action,
        details: storedDetails.parse(row.details),
      }));
    },
  };
}
