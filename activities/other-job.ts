/** An open job in a service's ledger that is not the one at work, as a backup brings it back. */

import type { ServiceClient } from '../protocol/client.js';
import { hasEnded, type JobView } from '../protocol/jobs.js';
import type { DeletionStatus, DeletionTarget, LedgerState } from '../protocol/participant.js';
import { Problem } from '../protocol/problems.js';
import type { Records } from '../records/types.js';
import type { Parts } from './dependencies.js';
import type { ServiceTry } from './service-call.js';

/** The other job driven to its own decision, or that the records do not know it. */
export async function settleOtherJob(
  parts: Parts,
  job: JobView,
  service: string,
  attempt: ServiceTry,
  otherJobId: string,
): Promise<'settled' | 'unknown'> {
  const target = await recordedTarget(parts.records, otherJobId, job.tenant_id);
  if (target === 'unknown') return 'unknown';
  for (;;) {
    const status: DeletionStatus = await attempt.call(
      'advance',
      {
        params: { tenant_id: job.tenant_id, job_id: otherJobId },
        body: { target, time_budget_ms: parts.settings.sliceMs },
      },
      { timeoutMs: parts.settings.sliceMs + parts.settings.longestTransactionMs },
    );
    if (status.state === target) break;
    attempt.patience.saw(status, status.waiting_for);
    if (attempt.patience.leftMs <= 0) await attempt.giveUp(status.waiting_for, false);
    await attempt.pause(250);
  }
  await parts.step(job, 'other job settled', { service, other_job_id: otherJobId, target });
  return 'settled';
}

async function recordedTarget(
  records: Records,
  jobId: string,
  tenantId: string,
): Promise<DeletionTarget | 'unknown'> {
  let other: JobView;
  try {
    other = await records.getJob(jobId);
  } catch (error) {
    if (error instanceof Problem && error.code === 'job_unknown') return 'unknown';
    throw error;
  }
  // Two tenants never share a job: such an id was not given by this platform.
  if (other.tenant_id !== tenantId) return 'unknown';
  if (other.decision !== null) return other.decision === 'proceed' ? 'purged' : 'restored';
  throw new Problem('other_job_open', `Job ${jobId} is still open and undecided.`, { job_id: jobId });
}

/**
 * One slice for a job that a service's ledger holds open although the record knows its end; true where it is settled.
 * For the reconciler, which comes again.
 */
export async function settleEndedJob(
  records: Records,
  client: ServiceClient,
  open: { readonly tenantId: string; readonly jobId: string; readonly state: LedgerState },
  limits: { readonly sliceMs: number; readonly longestTransactionMs: number },
): Promise<boolean> {
  const job = await records.getJob(open.jobId);
  if (!hasEnded(job.status) || job.tenant_id !== open.tenantId || job.decision === null) return false;
  const target = job.decision === 'proceed' ? 'purged' : 'restored';
  // What a backup brought back is evidence now, too.
  const held = target === 'purged' && (await records.holdsOf(open.tenantId)).some((hold) => !hold.lifted_at);
  if (held) return false;
  const status = await client.call(
    'advance',
    {
      params: { tenant_id: open.tenantId, job_id: open.jobId },
      body: { target, time_budget_ms: limits.sliceMs },
    },
    { timeoutMs: limits.sliceMs + limits.longestTransactionMs },
  );
  return status.state === target;
}
