/** The arbiter: one field, set once, by whoever comes first; everybody else is told what stands. */
import type { AbortCause, Decision } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';
import { SAGA, writeEvent } from './audit.js';
import type { Client, Database } from './database.js';
import { Prisma } from './generated/client.js';
import { lockGateAndJob, readDecision } from './lookup.js';
import { type LockedJob, setDecision } from './sql.js';
import type { Actor, DecisionFound, Records } from './types.js';

export function decisionRecords(
  database: Database,
): Pick<Records, 'decideAbort' | 'decideProceed' | 'decisionOf'> {
  return {
    decideAbort: (jobId, cause, actor) =>
      database.transaction(async (client) => {
        const job = await lockGateAndJob(client, jobId);
        const standing = standingOf(job);
        if (standing) return standing;
        const found = await decide(client, jobId, job, 'abort', cause, actor);
        await client.deletionJob.update({
          where: { jobId },
          // What it waited for is of no matter any more. A refusal touched nothing, so nothing is brought back.
          data: { waitingFor: Prisma.DbNull, ...(cause !== 'refusal' && { status: 'compensating' }) },
          select: { jobId: true },
        });
        return found;
      }),

    decideProceed: (jobId) =>
      database.transaction(async (client) => {
        const job = await lockGateAndJob(client, jobId);
        const standing = standingOf(job);
        if (standing) return standing;
        // The pivot. Whatever has to hold at this very moment (legal hold, halt, cap, approval) is looked at here,
        // under the lock of the tenant's gate: who places a hold takes the same lock.
        return decide(client, jobId, job, 'proceed', null, SAGA);
      }),

    decisionOf: async (jobId) => standingOf(await database.read((client) => readDecision(client, jobId))),
  };
}

function standingOf(job: Pick<LockedJob, 'decision' | 'abortCause' | 'decidedAt'>): DecisionFound | null {
  if (job.decision === null || job.decidedAt === null) return null;
  return { decision: job.decision, cause: job.abortCause, at: job.decidedAt.toISOString() };
}

async function decide(
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
