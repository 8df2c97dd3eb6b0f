/** The job that takes the place of one whose approval no longer fits, and what the end of a job says of its approval. */
import { v7 as uuidv7 } from 'uuid';
import type { EndedStatus } from '../protocol/jobs.js';
import { SAGA, writeEvent } from './audit.js';
import type { Client } from './database.js';
import { Prisma } from './generated/client.js';
import { optionsOfSuccessor } from './options.js';
import type { LockedJob } from './sql.js';

/**
 * In the transaction of a job's end, when it is written already: the outcome where the gate has something to say.
 * What had been approved and changed after staging goes on as a job of its own, or it would be forgotten.
 */
export async function settleApproval(
  client: Client,
  jobId: string,
  job: LockedJob,
  status: EndedStatus,
): Promise<void> {
  if (!job.approvalRequired || status === 'completed' || status === 'cancelled') return;
  const rejection = await client.jobApproval.findFirst({
    where: { jobId, verdict: 'rejected' },
    select: { reason: true },
  });
  if (rejection !== null) {
    const rows = status === 'refused' ? 'Nothing was touched.' : 'Every row is back.';
    await write(client, jobId, { outcome: `Rejected: ${rejection.reason} ${rows}` });
    return;
  }
  if (status !== 'compensated') return;
  const old = await client.deletionJob.findUniqueOrThrow({ where: { jobId }, include: { readers: true } });
  if (old.approvalChange === null) return;
  const next = uuidv7();
  await client.deletionJob.create({
    data: {
      jobId: next,
      tenantId: old.tenantId,
      options: optionsOfSuccessor(old.options),
      reason: old.reason,
      restoreWindowMs: old.restoreWindowMs,
      requestedBy: old.requestedBy,
      requestedAt: job.now,
      dueAt: old.dueAt,
      replayOf: jobId,
      reapplies: old.reapplies,
      scope: old.scope,
      approvalRequired: true,
      approvalChange: old.approvalChange,
      readers: { createMany: { data: old.readers.map(({ userId }) => ({ userId })) } },
    },
    select: { jobId: true },
  });
  await client.tenantGate.update({ where: { tenantId: old.tenantId }, data: { latestJobId: next } });
  await writeEvent(client, {
    jobId: next,
    tenantId: old.tenantId,
    actor: SAGA,
    action: 'deletion requested',
    details: { replay_of: jobId, requested_by: old.requestedBy, change: old.approvalChange },
  });
  await write(client, jobId, {
    continuedBy: next,
    outcome: `What was approved has changed: ${old.approvalChange}. Every row is back; job ${next} waits for an approval of what there is by now.`,
  });
}

async function write(
  client: Client,
  jobId: string,
  data: { readonly outcome: string; readonly continuedBy?: string },
): Promise<void> {
  await client.deletionJob.update({
    where: { jobId },
    data: { ...data, waitingFor: Prisma.DbNull },
    select: { jobId: true },
  });
}
