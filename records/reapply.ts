/** Erasing again what came back: a job of its own, which the records open for a tenant who is gone. */
import { v7 as uuidv7 } from 'uuid';
import type { JobView } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';
import { writeEvent } from './audit.js';
import type { Client, Database } from './database.js';
import { notErased } from './erased.js';
import { refuseHeld } from './holds.js';
import { findOpenJobRow } from './job-row.js';
import { readJob } from './lookup.js';
import { findErasedGate } from './requests-sql.js';
import { noteReapplied } from './returned-rows.js';
import { lockGate } from './sql.js';
import type { HashOf } from './stays-gone.js';
import type { Actor } from './types.js';
import { viewOf } from './view.js';

export interface ReapplyRequest {
  readonly tenantId: string;
  readonly actor: Actor;
  /** Where rows came back. */
  readonly services: readonly string[];
  readonly reason: string | null;
  /** Of a mark that was imported: no job of these records has ever been approved. */
  readonly approveImported: boolean;
}

export interface ReapplyRecords {
  /**
   * Writes the job, or returns the one that is open already. Refuses with `not_erased`, `legal_hold`, `release_open`,
   * and `job_open` where a job of another kind is open.
   */
  openReapply(request: ReapplyRequest): Promise<{ job: JobView; created: boolean }>;
}

export function reapplyRecords(database: Database, hashOf: HashOf): ReapplyRecords {
  return {
    openReapply: (request) =>
      database.transaction(async (client) => {
        const { tenantId, actor, services } = request;
        const { now } = await lockGate(client, tenantId);
        const gate = await findErasedGate(client, tenantId, hashOf(tenantId));
        if (gate?.erasedAt == null || gate.erasedBy === null) throw notErased();
        await refuseHeld(client, tenantId);
        await refuseRelease(client, tenantId);
        const open = await findOpenJobRow(client, tenantId);
        if (open !== null) {
          if (open.reapplies !== null) return { job: viewOf(open), created: false };
          throw new Problem('job_open', 'A deletion of this tenant is open. Wait for its end.', {
            job_id: open.jobId,
            state: open.status,
          });
        }
        const jobId = uuidv7();
        const imported = gate.importedAt !== null;
        const scope = [...new Set(services)].sort();
        await client.deletionJob.create({
          data: {
            jobId,
            tenantId,
            options: { reapplies: gate.erasedBy, scope: scope.join(',') },
            reason: request.reason,
            restoreWindowMs: 0,
            requestedBy: actor.id,
            requestedAt: now,
            reapplies: gate.erasedBy,
            scope,
            approvalRequired: imported && request.approveImported,
            readers: { createMany: { data: await readersOf(client, gate.erasedBy) } },
          },
          select: { jobId: true },
        });
        await client.tenantGate.update({ where: { tenantId }, data: { latestJobId: jobId } });
        await noteReapplied(client, tenantId, scope, jobId);
        await writeEvent(client, {
          jobId,
          tenantId,
          actor,
          action: 'erasure again requested',
          details: { reapplies: gate.erasedBy, services: scope.join(', '), imported },
        });
        return { job: await readJob(client, jobId), created: true };
      }),
  };
}

async function refuseRelease(client: Client, tenantId: string): Promise<void> {
  const where = { tenantId, closedAt: null, approvedAt: { not: null } };
  if ((await client.tombstoneRelease.count({ where })) === 0) return;
  throw new Problem('release_open', "The tenant's key is being released; it may be somebody else's by now.");
}

/** Who could read the first job can read this one. */
async function readersOf(client: Client, jobId: string): Promise<{ userId: string }[]> {
  return client.jobReader.findMany({ where: { jobId }, select: { userId: true } });
}
