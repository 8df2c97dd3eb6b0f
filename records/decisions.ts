/** The arbiter: one field, set once, by whoever comes first; everybody else is told what stands. */
import { changeOfStaged } from './approved.js';
import { SAGA } from './audit.js';
import type { Client, Database } from './database.js';
import { decide, decideToAbort, standingOf } from './decided.js';
import { obstacleOf } from './gate.js';
import type { GateRules } from './gate-types.js';
import { lockGateAndJob, readDecision } from './lookup.js';
import { sharedReads } from './shared-reads.js';
import type { LockedJob } from './sql.js';
import type { Records } from './types.js';

export function decisionRecords(
  database: Database,
  rules: GateRules,
): Pick<Records, 'decideAbort' | 'decideProceed' | 'decisionOf' | 'abortIfChanged'> {
  return {
    decideAbort: (jobId, cause, actor) =>
      database.transaction(async (client) => {
        const job = await lockGateAndJob(client, jobId);
        const standing = standingOf(job);
        if (standing) return standing;
        const change = cause === 'failure' ? await drift(client, jobId, job) : null;
        return decideToAbort(client, jobId, job, { cause, actor, change });
      }),

    decideProceed: (jobId) =>
      database.transaction(async (client) => {
        const job = await lockGateAndJob(client, jobId);
        const standing = standingOf(job);
        if (standing) return standing;
        // The pivot. Whatever has to hold at this very moment (legal hold, halt, cap, approval) is looked at here,
        // under the lock of the tenant's gate: who places a hold takes the same lock.
        const waitingFor = await obstacleOf(client, jobId, job, 'pivot', rules);
        if (waitingFor !== null) return { decision: null, cause: null, at: null, waitingFor };
        const change = await changeOfStaged(client, jobId, job, rules.rowsTolerance);
        if (change !== null)
          return decideToAbort(client, jobId, job, { cause: 'failure', actor: SAGA, change });
        return decide(client, jobId, job, 'proceed', null, SAGA);
      }),

    abortIfChanged: (jobId) =>
      database.transaction(async (client) => {
        const job = await lockGateAndJob(client, jobId);
        const standing = standingOf(job);
        if (standing) return standing;
        const change = await changeOfStaged(client, jobId, job, rules.rowsTolerance);
        if (change === null) return null;
        return decideToAbort(client, jobId, job, { cause: 'failure', actor: SAGA, change });
      }),

    decisionOf: sharedReads(async (jobId) =>
      standingOf(await database.sqlRead((client) => readDecision(client, jobId))),
    ),
  };
}

/** A service refused to stage since its plan is another one than approved: says so, where approval was asked for. */
async function drift(client: Client, jobId: string, job: LockedJob): Promise<string | null> {
  if (!job.approvalRequired) return null;
  const drifted = await client.jobService.findMany({
    where: { jobId, lastError: { path: ['code'], equals: 'plan_drift' } },
    select: { name: true },
    orderBy: { name: 'asc' },
  });
  return drifted.length === 0 ? null : drifted.map(({ name }) => `${name} has another plan`).join('; ');
}
