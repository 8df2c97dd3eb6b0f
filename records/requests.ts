/** What people ask of a job: to open one, to move its date, to try again. */
import { v7 as uuidv7 } from 'uuid';
import { hasEnded, type JobPhase, type JobView, waitingFor } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';
import { writeEvent } from './audit.js';
import type { Database } from './database.js';
import { refuseHeld } from './holds.js';
import { findOpenJobRow } from './job-row.js';
import { lockedJob, readJob } from './lookup.js';
import { isSameRequest, optionsOf } from './options.js';
import { findErasedGate, insertJob } from './requests-sql.js';
import { type LockedJob, lockGate } from './sql.js';
import type { SqlClient } from './sql-client.js';
import type { HashOf } from './stays-gone.js';
import type { OpenJobRequest, Records } from './types.js';
import { type JobRow, viewOf } from './view.js';

/** A job in one of these has not begun, or waits for its date. */
const BEFORE_THE_CHECK: readonly JobPhase[] = ['open', 'date'];

export function requestRecords(
  database: Database,
  hashOf: HashOf,
): Pick<Records, 'openJob' | 'reschedule' | 'requestReplay'> {
  return {
    openJob: (request) =>
      database.sqlTransaction(async (client) => {
        const { tenantId } = request;
        // From here on nobody opens, decides or completes another job of this tenant.
        const gate = await lockGate(client, tenantId);
        const hash = hashOf(tenantId);
        if (
          gate.erasedAt !== null ||
          (hash !== null && (await findErasedGate(client, tenantId, hash)) !== null)
        ) {
          throw new Problem('already_erased', 'This tenant has been erased; nothing is left to delete.');
        }
        await refuseHeld(client, tenantId);
        const open = await findOpenJobRow(client, tenantId);
        if (open === null) return { job: await openNew(client, request, gate.now), created: true };
        if (!isSameRequest(open.options, optionsOf(request))) throw otherOpen(open);
        await writeEvent(client, {
          jobId: open.jobId,
          tenantId,
          actor: request.actor,
          action: 'deletion requested again',
          details: {},
        });
        return { job: viewOf(open), created: false };
      }),

    reschedule: (jobId, startAt, actor) =>
      database.transaction(async (client) => {
        const job = await lockedJob(client, jobId);
        refuseUnlessItWaitsForItsDate(jobId, job);
        const { waitingFor: kept } = await client.deletionJob.findUniqueOrThrow({
          where: { jobId },
          select: { waitingFor: true },
        });
        const waits = kept === null ? null : waitingFor.parse(kept);
        const movedTo = new Date(startAt);
        await client.deletionJob.update({
          where: { jobId },
          data: {
            startAt: movedTo,
            // The run will say the same as soon as it has read it.
            ...(waits?.kind === 'date' && { waitingFor: { ...waits, until: movedTo.toISOString() } }),
          },
          select: { jobId: true },
        });
        await writeEvent(client, {
          jobId,
          tenantId: job.tenantId,
          actor,
          action: 'rescheduled',
          details: { from: job.startAt?.toISOString() ?? null, to: movedTo.toISOString() },
        });
        return readJob(client, jobId);
      }),

    requestReplay: (jobId, actor) =>
      database.transaction(async (client) => {
        const job = await lockedJob(client, jobId);
        if (job.status !== 'needs_attention') {
          const detail = `The job is ${job.status}; only one that needs attention is tried again as the same job.`;
          throw new Problem('not_replayable', detail, { state: job.status, job_id: jobId });
        }
        await client.deletionJob.update({
          where: { jobId },
          data: { replayRequestedAt: job.now },
          select: { jobId: true },
        });
        await writeEvent(client, {
          jobId,
          tenantId: job.tenantId,
          actor,
          action: 'replay requested',
          details: { phase: job.phase },
        });
        return readJob(client, jobId);
      }),
  };
}

async function openNew(client: SqlClient, request: OpenJobRequest, now: Date): Promise<JobView> {
  const { tenantId, actor, options, restoreWindowMs, readers, replayOf } = request;
  const { approvalRequired = options.require_approval ?? false } = request;
  const jobId = uuidv7();
  await insertJob(client, {
    jobId,
    tenantId,
    options: optionsOf(request),
    reason: options.reason ?? null,
    restoreWindowMs,
    previewHash: options.preview_hash ?? null,
    requestedBy: actor.id,
    requestedAt: now,
    startAt: options.start_at === undefined ? null : new Date(options.start_at),
    dueAt: options.due_at === undefined ? null : new Date(options.due_at),
    replayOf: replayOf ?? null,
    approvalRequired,
    readers,
  });
  await writeEvent(client, {
    jobId,
    tenantId,
    actor,
    action: 'deletion requested',
    details: { replay_of: replayOf ?? null, restore_window_ms: restoreWindowMs },
  });
  return readJob(client, jobId);
}

function otherOpen(open: JobRow): Problem {
  return new Problem(
    'job_open',
    `A deletion of this tenant with other options is open (${open.status}). Wait for its end, or cancel it first.`,
    { job_id: open.jobId, state: open.status },
  );
}

function refuseUnlessItWaitsForItsDate(jobId: string, job: LockedJob): void {
  const extras = { state: job.status, job_id: jobId };
  if (hasEnded(job.status)) throw new Problem('job_ended', `The job has ended ${job.status}.`, extras);
  if (job.decision !== null) {
    throw new Problem('state_conflict', `The job has been decided: ${job.decision}.`, extras);
  }
  // A run that finds its date come goes on; so a date that has come is not moved any more, or both would be right.
  const waits = job.startAt !== null && job.startAt > job.now && BEFORE_THE_CHECK.includes(job.phase);
  if (!waits) {
    const detail = `The job does not wait for a date (phase ${job.phase}); it can be cancelled, not moved.`;
    throw new Problem('state_conflict', detail, extras);
  }
}
