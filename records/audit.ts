/** Who did what, and when. Written in the transaction of what it tells, and never changed. */
import { z } from 'zod';
import type { Client, Database } from './database.js';
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
  | 'job ended';

/** The saga itself, where nobody asked. */
export const SAGA: Actor = { kind: 'system', id: 'lethe', role: 'saga' };

/** Writes one event, in the client's transaction. */
export async function writeEvent(client: Client, event: AuditEvent): Promise<void> {
  const { actor, action, jobId, tenantId, details } = event;
  await client.auditEvent.create({
    data: {
      action,
      actorKind: actor.kind,
      actorId: actor.id,
      actorRole: actor.role,
      requestId: actor.requestId ?? null,
      jobId,
      tenantId,
      details: { ...details },
    },
    select: { eventId: true },
  });
}

const storedDetails = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));

export function auditRecords(database: Database): Pick<Records, 'audit' | 'auditOnce' | 'auditTrail'> {
  return {
    audit: (event) => database.read((client) => writeEvent(client, event)),

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
      const rows = await database.read((client) =>
        client.auditEvent.findMany({ where: { jobId }, orderBy: { eventId: 'asc' } }),
      );
      return rows.map((row) => ({
        at: row.at.toISOString(),
        jobId: row.jobId,
        tenantId: row.tenantId,
        actor: {
          kind: row.actorKind,
          id: row.actorId,
          role: row.actorRole,
          ...(row.requestId === null ? {} : { requestId: row.requestId }),
        },
        action: row.action,
        details: storedDetails.parse(row.details),
      }));
    },
  };
}
