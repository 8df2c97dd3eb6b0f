/** Finding one job, or saying that there is none. */
import { validate as isUuid } from 'uuid';
import type { JobView } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';
import type { Client } from './database.js';
import { holdJob, type LockedJob, lockGate, lockJob } from './sql.js';
import { viewOf, withServices } from './view.js';

/** Throws `job_unknown`. */
export async function readJob(client: Client, jobId: string): Promise<JobView> {
  const row = isUuid(jobId)
    ? await client.deletionJob.findUnique({ where: { jobId }, include: withServices })
    : null;
  if (row === null) throw unknownJob(jobId);
  return viewOf(row);
}

/** The decision alone, which is asked for at every call of a service. Throws `job_unknown`. */
export async function readDecision(client: Client, jobId: string) {
  const select = { decision: true, abortCause: true, decidedAt: true } as const;
  const row = isUuid(jobId) ? await client.deletionJob.findUnique({ where: { jobId }, select }) : null;
  if (row === null) throw unknownJob(jobId);
  return row;
}

/** Locks the tenant's gate, then the job: for what decides or ends it. Throws `job_unknown`. */
export async function lockGateAndJob(client: Client, jobId: string): Promise<LockedJob> {
  const job = isUuid(jobId)
    ? await client.deletionJob.findUnique({ where: { jobId }, select: { tenantId: true } })
    : null;
  if (job === null) throw unknownJob(jobId);
  await lockGate(client, job.tenantId);
  return lockedJob(client, jobId);
}

/** Locks the job alone. Throws `job_unknown`. */
export async function lockedJob(client: Client, jobId: string): Promise<LockedJob> {
  const job = isUuid(jobId) ? await lockJob(client, jobId) : null;
  if (job === null) throw unknownJob(jobId);
  return job;
}

/** Holds the job as it is, beside others who do. Throws `job_unknown`. */
export async function heldJob(client: Client, jobId: string): Promise<LockedJob> {
  const job = isUuid(jobId) ? await holdJob(client, jobId) : null;
  if (job === null) throw unknownJob(jobId);
  return job;
}

export function unknownJob(jobId: string): Problem {
  const detail = 'There is no such deletion job. Check the id.';
  return new Problem('job_unknown', detail, isUuid(jobId) ? { job_id: jobId } : {});
}
