/**
 * Whether a job may go on: no halt, no hold, approved where that is asked for, and below the cap. Each is looked at by a
 * statement of its own, after the lock that whoever would change it takes, too; see docs/decisions/gate.md.
 */
import { validate as isUuid } from 'uuid';
import type { WaitingFor } from '../protocol/jobs.js';
import { validApproval } from './approved.js';
import { capOf, giveSlotBack } from './cap.js';
import type { Client, Database } from './database.js';
import { standingOf } from './decided.js';
import type { GateRecords, GateRules, GateStep } from './gate-types.js';
import { waitsForApproval, waitsForHolds, waitsForResume } from './gate-waits.js';
import { lockGateAndJob, unknownJob } from './lookup.js';
import { countHolds } from './requests-sql.js';
import { sharedReads } from './shared-reads.js';
import { holdHalt, type LockedJob, readHeldBack } from './sql.js';

export function gateRecords(
  database: Database,
  rules: GateRules,
): Pick<GateRecords, 'passGate' | 'heldBack'> {
  return {
    passGate: (jobId, step) =>
      database.transaction(async (client) => {
        const job = await lockGateAndJob(client, jobId);
        const decision = standingOf(job);
        if (decision) return { decision, waitingFor: null };
        const waitingFor = await obstacleOf(client, jobId, job, step, rules);
        if (waitingFor !== null && step === 'suspend' && job.capSlotAt) await giveSlotBack(client, jobId);
        return { decision: null, waitingFor };
      }),

    heldBack: sharedReads(async (jobId) => {
      const found = isUuid(jobId) ? await database.sqlRead((client) => readHeldBack(client, jobId)) : null;
      if (found === null) throw unknownJob(jobId);
      const moment = { now: found.now, kept: found.waitingFor };
      const waitingFor = found.haltedAt
        ? waitsForResume(moment, found.haltedAt)
        : found.holds > 0
          ? waitsForHolds(moment, found.holds)
          : null;
      return { decision: standingOf(found), waitingFor };
    }),
  };
}

/** What the job waits for, or null. The locks of gate and job are held; those of halt and cap are taken here, in this order. */
export async function obstacleOf(
  client: Client,
  jobId: string,
  job: LockedJob,
  step: GateStep,
  rules: GateRules,
): Promise<WaitingFor | null> {
  const { haltedAt, now } = await holdHalt(client);
  const moment = { now, kept: job.waitingFor };
  if (haltedAt) return waitsForResume(moment, haltedAt);
  const holds = await countHolds(client, job.tenantId);
  if (holds > 0) return waitsForHolds(moment, holds);
  if (step === 'stage') return null;
  if (job.approvalRequired) {
    const found = await validApproval(client, jobId, job.approvalHash, now);
    if (!found.valid) {
      const { approvalChange: change } = await client.deletionJob.findUniqueOrThrow({
        where: { jobId },
        select: { approvalChange: true },
      });
      return waitsForApproval(moment, { hash: job.approvalHash, expiredAt: found.expiredAt, change });
    }
  }
  return capOf(client, jobId, job, step, rules);
}
