/** What is to be approved, and what approvers said to it. */
import { v7 as uuidv7 } from 'uuid';
import { changeSince } from '../proof/approval-fit.js';
import { approvalHash } from '../proof/approval-hash.js';
import { hasEnded } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';
import { basisOf, validApproval } from './approved.js';
import { writeEvent } from './audit.js';
import type { Client, Database } from './database.js';
import { decideToAbort, isTouched } from './decided.js';
import type { GateRecords, GateRules } from './gate-types.js';
import { lockedJob, lockGateAndJob, readJob } from './lookup.js';
import { optionsToApprove } from './options.js';
import { isOlder } from './order.js';
import type { LockedJob } from './sql.js';
import type { Actor } from './types.js';

export function approvalRecords(
  database: Database,
  rules: GateRules,
): Pick<GateRecords, 'recordCheck' | 'approve' | 'reject'> {
  return {
    recordCheck: (jobId, order, { plans, previewHash }) =>
      database.transaction(async (client) => {
        const job = await lockedJob(client, jobId);
        if (job.endedAt !== null || isOlder(order, job)) return false;
        const before = basisOf(job);
        const change = before && changeSince(before, plans, rules.rowsTolerance);
        const same = before !== null && change === null;
        await client.deletionJob.update({
          where: { jobId },
          data: {
            epoch: order.epoch,
            writeNumber: order.number,
            rowsTotal: plans.reduce((sum, { rows }) => sum + rows, 0),
            ...(previewHash !== null && { previewHash }),
            ...(!same && {
              approvalHash: await hashOf(client, jobId, job, plans),
              approvalBasis: plans.map(({ service, planHash, rows }) => ({ service, planHash, rows })),
              approvalChange: change,
              capSlotAt: null,
            }),
          },
          select: { jobId: true },
        });
        return true;
      }),

    approve: (jobId, hash, reason, actor) =>
      database.transaction(async (client) => {
        const job = await toBeApproved(client, jobId, hash, actor);
        if ((await validApproval(client, jobId, hash, job.now)).valid) return readJob(client, jobId);
        const expiresAt = new Date(job.now.getTime() + rules.approvalTtlMs);
        await write(client, { jobId, job, hash, reason, actor, verdict: 'approved', expiresAt });
        await client.deletionJob.update({
          where: { jobId },
          data: { approvalChange: null },
          select: { jobId: true },
        });
        return readJob(client, jobId);
      }),

    reject: (jobId, hash, reason, actor) =>
      database.transaction(async (client) => {
        const job = await toBeApproved(client, jobId, hash, actor);
        await write(client, { jobId, job, hash, reason, actor, verdict: 'rejected', expiresAt: null });
        const cause = (await isTouched(client, jobId)) ? 'failure' : 'refusal';
        await decideToAbort(client, jobId, job, { cause, actor });
        return readJob(client, jobId);
      }),
  };
}

async function hashOf(
  client: Client,
  jobId: string,
  job: LockedJob,
  plans: Parameters<GateRecords['recordCheck']>[2]['plans'],
): Promise<string> {
  const { options, restoreWindowMs } = await client.deletionJob.findUniqueOrThrow({
    where: { jobId },
    select: { options: true, restoreWindowMs: true },
  });
  return approvalHash({
    jobId,
    tenantId: job.tenantId,
    plans,
    restoreWindowMs: Number(restoreWindowMs),
    options: optionsToApprove(options),
  });
}

/** The job, locked, where this person may say something to this hash now. */
async function toBeApproved(client: Client, jobId: string, hash: string, actor: Actor): Promise<LockedJob> {
  const job = await lockGateAndJob(client, jobId);
  const { requestedBy } = await client.deletionJob.findUniqueOrThrow({
    where: { jobId },
    select: { requestedBy: true },
  });
  const extras = { state: job.status, job_id: jobId };
  if (requestedBy === actor.id) {
    throw new Problem(
      'approver_is_requester',
      'Who asked for a deletion does not approve or reject it; somebody else has to.',
      extras,
    );
  }
  if (hasEnded(job.status)) throw new Problem('job_ended', `The job has ended ${job.status}.`, extras);
  if (job.decision === 'proceed') {
    throw new Problem('past_pivot', 'Every service has agreed and there is no way back any more.', extras);
  }
  if (job.decision === 'abort') {
    throw new Problem(
      'state_conflict',
      'The job has been decided: abort. There is nothing to approve.',
      extras,
    );
  }
  if (!job.approvalRequired) {
    throw new Problem('state_conflict', 'This job needs no approval; it can be cancelled.', extras);
  }
  if (job.approvalHash === null) {
    throw new Problem('state_conflict', 'The services have not been asked yet what they would do.', extras);
  }
  if (job.approvalHash !== hash) {
    throw new Problem(
      'approval_stale',
      `What would be deleted by now has the hash ${job.approvalHash}. Look at the job again.`,
      extras,
    );
  }
  return job;
}

async function write(
  client: Client,
  said: {
    readonly jobId: string;
    readonly job: LockedJob;
    readonly hash: string;
    readonly reason: string;
    readonly actor: Actor;
    readonly verdict: 'approved' | 'rejected';
    readonly expiresAt: Date | null;
  },
): Promise<void> {
  const { jobId, job, hash, reason, actor, verdict, expiresAt } = said;
  await client.jobApproval.create({
    data: {
      approvalId: uuidv7(),
      jobId,
      verdict,
      approvalHash: hash,
      reason,
      givenBy: actor.id,
      givenRole: actor.role,
      givenAt: job.now,
      expiresAt,
    },
    select: { approvalId: true },
  });
  await writeEvent(client, {
    jobId,
    tenantId: job.tenantId,
    actor,
    action: verdict === 'approved' ? 'deletion approved' : 'deletion rejected',
    details: { approval_hash: hash, expires_at: expiresAt?.toISOString() ?? null },
  });
}
