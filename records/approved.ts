/** Which approval of a job counts, and what the job was approved for. */
import { z } from 'zod';
import { changeSince } from '../proof/approval-fit.js';
import type { Client } from './database.js';
import type { LockedJob } from './sql.js';

/** The valid approval of exactly this hash; else when the last one expired, where there was one. */
export async function validApproval(
  client: Client,
  jobId: string,
  hash: string | null,
  now: Date,
): Promise<{ readonly valid: boolean; readonly expiredAt: Date | null }> {
  if (hash === null) return { valid: false, expiredAt: null };
  const last = await client.jobApproval.findFirst({
    where: { jobId, approvalHash: hash, verdict: 'approved' },
    orderBy: { expiresAt: 'desc' },
    select: { expiresAt: true },
  });
  if (!last?.expiresAt) return { valid: false, expiredAt: null };
  const valid = last.expiresAt > now;
  return { valid, expiredAt: valid ? null : last.expiresAt };
}

const basis = z.array(z.strictObject({ service: z.string(), planHash: z.string(), rows: z.number() }));
export type ApprovalBasis = z.infer<typeof basis>;

/** What the job's hash was made of; null before the first check. */
export function basisOf(job: Pick<LockedJob, 'approvalBasis'>): ApprovalBasis | null {
  return job.approvalBasis === null ? null : basis.parse(job.approvalBasis);
}

/** What was archived against what was approved: says what no longer fits. The job's row is locked. */
export async function changeOfStaged(
  client: Client,
  jobId: string,
  job: LockedJob,
  tolerance: number,
): Promise<string | null> {
  const approved = basisOf(job);
  if (!job.approvalRequired || approved === null) return null;
  const services = await client.jobService.findMany({
    where: { jobId },
    select: { name: true, planHash: true, state: true, rowsDone: true },
  });
  // One that could not be asked, and was waived, stands in the job without a plan.
  const known = services.filter(
    ({ name, planHash }) => planHash !== null || approved.some(({ service }) => service === name),
  );
  return changeSince(
    approved,
    known.map(({ name, planHash, state, rowsDone }) => ({
      service: name,
      planHash,
      rows: state === 'staged' ? Number(rowsDone) : null,
    })),
    tolerance,
  );
}
