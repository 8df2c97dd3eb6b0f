/** What the services of a job have done, as far as they told. */
import { Problem } from '../protocol/problems.js';
import { SAGA, writeEvent } from './audit.js';
import type { Database } from './database.js';
import { Prisma } from './generated/client.js';
import { heldJob } from './lookup.js';
import { lockService } from './sql.js';
import type { Records, ServicePatch } from './types.js';

export function serviceRecords(database: Database): Pick<Records, 'updateService' | 'recordStageRequest'> {
  return {
    updateService: (jobId, patch) =>
      database.transaction(async (client) => {
        const job = await heldJob(client, jobId);
        if (job.endedAt !== null) return;
        const service = await lockService(client, jobId, patch.name);
        if (patch.epoch !== undefined && patch.epoch < service.epoch) return;
        await client.jobService.update({
          where: { jobId_name: { jobId, name: patch.name } },
          data: {
            ...columnsOf(patch),
            ...(patch.state === 'purged' && service.state !== 'purged' && { purgedAt: service.now }),
            updatedAt: service.now,
          },
          select: { jobId: true },
        });
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
      database.transaction(async (client) => {
        const job = await heldJob(client, jobId);
        if (job.decision !== null) {
          throw new Problem(
            'state_conflict',
            `The job has been decided (${job.decision}); no service is asked to stage any more.`,
            { service: name, state: job.status, job_id: jobId },
          );
        }
        const service = await lockService(client, jobId, name);
        if (service.stageRequestedAt !== null) return;
        await client.jobService.update({
          where: { jobId_name: { jobId, name } },
          data: { stageRequestedAt: service.now, updatedAt: service.now },
          select: { jobId: true },
        });
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

function columnsOf(patch: ServicePatch): Prisma.JobServiceUpdateInput {
  const { role, reversible, fence, state, planHash, counts, rowsDone, rowsTotal, addAttempts, epoch } = patch;
  const { lastError, waitingFor, verifiedAt, horizon, digests, orphanUsers } = patch;
  return {
    ...(role !== undefined && { role }),
    ...(reversible !== undefined && { reversible }),
    ...(fence !== undefined && { fence }),
    ...(state !== undefined && { state }),
    ...(planHash !== undefined && { planHash }),
    ...(counts !== undefined && { counts: counts.map((count) => ({ ...count })) }),
    ...(rowsDone !== undefined && { rowsDone }),
    ...(rowsTotal !== undefined && { rowsTotal }),
    ...(addAttempts !== undefined && { attempts: { increment: addAttempts } }),
    ...(lastError !== undefined && { lastError: lastError ?? Prisma.DbNull }),
    ...(waitingFor !== undefined && { waitingFor: waitingFor ?? Prisma.DbNull }),
    ...(verifiedAt !== undefined && { verifiedAt: new Date(verifiedAt) }),
    ...(horizon !== undefined && { horizon }),
    ...(digests !== undefined && { digests: digests.map((digest) => ({ ...digest })) }),
    ...(orphanUsers !== undefined && { orphanUsers: { ...orphanUsers } }),
    ...(epoch !== undefined && { epoch }),
  };
}
