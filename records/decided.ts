/** Setting the one decision of a job, and telling which one stands. */
import type { AbortCause, Decision } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';
import { writeEvent } from './audit.js';
import type { Client } from './database.js';
import { Prisma } from './generated/client.js';
import { type LockedJob, setDecision } from './sql.js';
import type { Actor, DecisionFound } from './types.js';

export function standingOf(
  job: Pick<LockedJob, 'decision' | 'abortCause' | 'decidedAt'>,
): DecisionFound | null {
  if (job.decision === null || job.decidedAt === null) return null;
  return { decision: job.decision, cause: job.abortCause, at: job.decidedAt.toISOString() };
}

/** The compare-and-set, with its event. The locks of gate and job are held, and no decision stands. */
export async function decide(
  client: Client,
  jobId: string,
  job: LockedJob,
  decision: Decision,
  cause: AbortCause | null,
  actor: Actor,
): Promise<DecisionFound> {
  const decidedAt = await setDecision(client, jobId, decision, cause);
  if (decidedAt === null) {
    // No decision stands, so it has ended without one, which the table's checks exclude.
    throw new Problem('job_ended', `The job has ended ${job.status}.`, { state: job.status, job_id: jobId });
  }
  await writeEvent(client, {
    jobId,
    tenantId: job.tenantId,
    actor,
    action: decision === 'abort' ? 'decided to abort' : 'decided to proceed',
    details: { cause, phase: job.phase },
  });
  return { decision, cause, at: decidedAt.toISOString() };
}

/** Decides to abort; `change`: since it no longer is what was approved, which the end will act on. */
export async function decideToAbort(
  client: Client,
  jobId: string,
  job: LockedJob,
  about: { readonly cause: AbortCause; readonly actor: Actor; readonly change?: string | null },
): Promise<DecisionFound> {
  const { cause, actor, change = null } = about;
  const found = await decide(client, jobId, job, 'abort', cause, actor);
  await client.deletionJob.update({
    where: { jobId },
    // What it waited for is of no matter any more. A refusal touched nothing, so nothing is brought back.
    data: {
      waitingFor: Prisma.DbNull,
      ...(cause !== 'refusal' && { status: 'compensating' }),
      ...(change !== null && { approvalChange: change }),
    },
    select: { jobId: true },
  });
  return found;
}

/** Whether any service was asked to stage, or to suspend. */
export async function isTouched(client: Client, jobId: string): Promise<boolean> {
  return (await client.jobService.count({ where: { jobId, stageRequestedAt: { not: null } } })) > 0;
}
