/** What the services of a job have done, as far as they told. */
import { validate as isUuid } from 'uuid';
import { Problem } from '../protocol/problems.js';
import { SAGA, writeEvent } from './audit.js';
import type { Database } from './database.js';
import { Prisma } from './generated/client.js';
import { unknownJob } from './lookup.js';
import { jsonOf, lockService, updateService } from './sql.js';
import type { SqlClient } from './sql-client.js';
import type { Records, ServicePatch } from './types.js';

export function serviceRecords(database: Database): Pick<Records, 'updateService' | 'recordStageRequest'> {
  return {
    updateService: (jobId, patch) =>
      database.sqlTransaction(async (client) => {
        const { job, service } = await lockedService(client, jobId, patch.name);
        if (service === null) return;
        if (patch.epoch !== undefined && patch.epoch < service.epoch) return;
        const purged = patch.state === 'purged' && service.state !== 'purged';
        await updateService(client, jobId, patch.name, [
          ...assignmentsOf(patch),
          ...(purged ? [Prisma.sql`purged_at = ${service.now}`] : []),
          Prisma.sql`updated_at = ${service.now}`,
        ]);
        if (patch.state === undefined || patch.state === service.state) return;
        await writeEvent(client, {
          jobId,
          tenantId: job.tenantId,
          actor: SAGA,
          action: 'service changed state',
          details: { service: patch.name, from: service.state, to: patch.state },
        });
      }),

    // Under the lock of the job's row: it is either told before a decision, which then knows of it, or not at all.
    recordStageRequest: (jobId, name) =>
      database.sqlTransaction(async (client) => {
        const { job, service } = await lockedService(client, jobId, name);
        if (job.decision !== null || service === null) {
          throw new Problem(
            'state_conflict',
            `The job has been decided (${job.decision}); no service is asked to stage any more.`,
            { service: name, state: job.status, job_id: jobId },
          );
        }
        if (service.stageRequestedAt !== null) return;
        const { now } = service;
        await updateService(client, jobId, name, [
          Prisma.sql`stage_requested_at = ${now}, updated_at = ${now}`,
        ]);
        await writeEvent(client, {
          jobId,
          tenantId: job.tenantId,
          actor: SAGA,
          action: 'stage requested',
          details: { service: name },
        });
      }),
  };
}

/** Throws `job_unknown`. */
async function lockedService(client: SqlClient, jobId: string, name: string) {
  const locked = isUuid(jobId) ? await lockService(client, jobId, name) : null;
  if (locked === null) throw unknownJob(jobId);
  return locked;
}

function assignmentsOf(patch: ServicePatch): Prisma.Sql[] {
  const { role, reversible, fence, state, planHash, counts, rowsDone, rowsTotal, addAttempts, epoch } = patch;
  const { lastError, waitingFor, verifiedAt, horizon, digests, orphanUsers } = patch;
  return [
    role !== undefined && Prisma.sql`role = ${role}::lethe_records.service_role`,
    reversible !== undefined && Prisma.sql`reversible = ${reversible}`,
    fence !== undefined && Prisma.sql`fence = ${fence}`,
    state !== undefined && Prisma.sql`state = ${state}::lethe_records.ledger_state`,
    planHash !== undefined && Prisma.sql`plan_hash = ${planHash}`,
    counts !== undefined && Prisma.sql`counts = ${jsonOf(counts)}`,
    rowsDone !== undefined && Prisma.sql`rows_done = ${rowsDone}::bigint`,
    rowsTotal !== undefined && Prisma.sql`rows_total = ${rowsTotal}::bigint`,
    addAttempts !== undefined && Prisma.sql`attempts = attempts + ${addAttempts}::int`,
    lastError !== undefined && Prisma.sql`last_error = ${jsonOf(lastError)}`,
    waitingFor !== undefined && Prisma.sql`waiting_for = ${jsonOf(waitingFor)}`,
    verifiedAt !== undefined && Prisma.sql`verified_at = ${new Date(verifiedAt)}`,
    horizon !== undefined && Prisma.sql`horizon = ${horizon}`,
    digests !== undefined && Prisma.sql`digests = ${jsonOf(digests)}`,
    orphanUsers !== undefined && Prisma.sql`orphan_users = ${jsonOf(orphanUsers)}`,
    epoch !== undefined && Prisma.sql`epoch = ${epoch}::int`,
  ].filter((assignment) => assignment !== false);
}
