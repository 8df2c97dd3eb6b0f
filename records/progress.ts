/** What a run writes about its job, in order: what an older run, or an older write, still says is dropped. */
import { type EndedStatus, hasEnded, type JobView } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';
import { SAGA, writeEvent } from './audit.js';
import type { Client, Database } from './database.js';
import { allowedEnds } from './ends.js';
import { Prisma } from './generated/client.js';
import { lockedJob, lockGateAndJob, readJob } from './lookup.js';
import { isOlder } from './order.js';
import { jsonOf, type LockedJob, updateJob } from './sql.js';
import type { SqlClient } from './sql-client.js';
import { settleApproval } from './successor.js';
import type { JobPatch, Records, WriteOrder } from './types.js';

export function progressRecords(database: Database): Pick<Records, 'beginRun' | 'updateJob' | 'endJob'> {
  return {
    beginRun: (jobId, runId) =>
      database.transaction(async (client) => {
        const job = await lockedJob(client, jobId);
        const known = await client.runEpoch.findUnique({ where: { jobId_runId: { jobId, runId } } });
        if (known) return known.epoch;
        const epoch = job.epoch + 1;
        await client.runEpoch.create({ data: { jobId, runId, epoch } });
        // From now on what older runs write is dropped.
        await client.deletionJob.update({
          where: { jobId },
          data: { epoch, writeNumber: 0 },
          select: { jobId: true },
        });
        await writeEvent(client, {
          jobId,
          tenantId: job.tenantId,
          actor: SAGA,
          action: 'run began',
          details: { epoch, run_id: runId },
        });
        return epoch;
      }),

    updateJob: (jobId, order, patch) =>
      database.sqlTransaction(async (client) => {
        if (patch.status !== undefined && hasEnded(patch.status)) {
          throw new Error(`A job ends by endJob, not by an update to ${patch.status}.`);
        }
        const job = await lockedJob(client, jobId);
        if (job.endedAt !== null || isOlder(order, job)) return false;
        await updateJob(client, jobId, [
          Prisma.sql`epoch = ${order.epoch}::int, write_number = ${order.number}::bigint`,
          ...assignmentsOf(patch),
        ]);
        await tellStep(client, jobId, job, patch);
        return true;
      }),

    endJob: (jobId, order, status, outcome) =>
      database.transaction(async (client): Promise<JobView> => {
        const job = await lockGateAndJob(client, jobId);
        if (job.endedAt !== null || isOlder(order, job)) return readJob(client, jobId);
        await refuseContradiction(client, jobId, job, status);
        if (status === 'completed') {
          const detail = 'A job ends completed together with its certificate, and in no other way.';
          throw new Problem('state_conflict', detail, { state: job.status, job_id: jobId });
        }
        return finish(client, jobId, job, order, status, outcome);
      }),
  };
}

/** Writes the end, and what goes with it, under the locks of gate and job. */
export async function finish(
  client: Client,
  jobId: string,
  job: LockedJob,
  order: WriteOrder,
  status: EndedStatus,
  outcome: string,
): Promise<JobView> {
  await client.deletionJob.update({
    where: { jobId },
    data: {
      epoch: order.epoch,
      writeNumber: order.number,
      status,
      phase: 'ended',
      outcome,
      waitingFor: Prisma.DbNull,
      endedAt: job.now,
      // A slot of the cap was for a tenant who is gone.
      ...(status !== 'completed' && { capSlotAt: null }),
    },
    select: { jobId: true },
  });
  await settleApproval(client, jobId, job, status);
  if (status === 'completed') {
    const { reapplies } = await client.deletionJob.findUniqueOrThrow({
      where: { jobId },
      select: { reapplies: true },
    });
    // Erased again, the tenant has been gone since the first time.
    await client.tenantGate.updateMany({
      where: { tenantId: job.tenantId, erasedAt: null },
      data: { erasedAt: job.now, erasedBy: reapplies ?? jobId },
    });
  }
  await writeEvent(client, {
    jobId,
    tenantId: job.tenantId,
    actor: SAGA,
    action: 'job ended',
    details: { status },
  });
  return readJob(client, jobId);
}

function assignmentsOf(patch: JobPatch): Prisma.Sql[] {
  const { status, phase, waitingFor, outcome, previewHash, rowsTotal, stagedAt } = patch;
  return [
    status !== undefined && Prisma.sql`status = ${status}::lethe_records.job_status`,
    // It has left the place where a replay was asked for: that is taken up.
    status !== undefined && status !== 'needs_attention' && Prisma.sql`replay_requested_at = NULL`,
    phase !== undefined && Prisma.sql`phase = ${phase}::lethe_records.job_phase`,
    waitingFor !== undefined && Prisma.sql`waiting_for = ${jsonOf(waitingFor)}`,
    outcome !== undefined && Prisma.sql`outcome = ${outcome}`,
    previewHash !== undefined && Prisma.sql`preview_hash = ${previewHash}`,
    rowsTotal !== undefined && Prisma.sql`rows_total = ${rowsTotal}::bigint`,
    stagedAt !== undefined && Prisma.sql`staged_at = ${new Date(stagedAt)}`,
  ].filter((assignment) => assignment !== false);
}

async function tellStep(client: SqlClient, jobId: string, job: LockedJob, patch: JobPatch): Promise<void> {
  const { phase = job.phase, status = job.status } = patch;
  if (phase === job.phase && status === job.status) return;
  await writeEvent(client, {
    jobId,
    tenantId: job.tenantId,
    actor: SAGA,
    action: 'step reached',
    details: { phase, status, waiting_for: patch.waitingFor?.kind ?? null },
  });
}

async function refuseContradiction(
  client: Client,
  jobId: string,
  job: LockedJob,
  status: JobView['status'],
): Promise<void> {
  const asked = await client.jobService.count({ where: { jobId, stageRequestedAt: { not: null } } });
  const allowed: readonly string[] = allowedEnds(job.decision, job.abortCause, asked > 0);
  if (allowed.includes(status)) return;
  const stands = job.decision === null ? 'has not been decided' : `was decided: ${job.decision}`;
  const cause = job.abortCause === null ? '' : ` (${job.abortCause})`;
  throw new Problem(
    'state_conflict',
    `The job ${stands}${cause}, ${asked} services were asked to stage; it cannot end ${status}${allowed.length > 0 ? `, only ${allowed.join(' or ')}` : ''}.`,
    { state: job.status, job_id: jobId },
  );
}
