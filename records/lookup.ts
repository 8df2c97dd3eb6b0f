/** Finding one job, or saying that there is none. */
import { validate as isUuid } from 'uuid';
import type { JobView } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';
import type { Client } from './database.js';
import { findJobRow } from './job-row.js';
import { findDecision, type LockedJob, lockGate, lockJob } from './sql.js';
import type { SqlClient } from './sql-client.js';
import { viewOf } from './view.js';

/** Throws `job_unknown`. */
export async function readJob(client: SqlClient, jobId: string): Promise<JobView> {
  const row = isUuid(jobId) ? await findJobRow(client, jobId) : null;
  if (row === null) throw unknownJob(jobId);
  return viewOf(row);
}

/** The decision alone, which is asked for at every call of a service. Throws `job_unknown`. */
export async function readDecision(client: SqlClient, jobId: string) {
  const row = isUuid(jobId) ? await findDecision(client, jobId) : null;
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
export async function lockedJob(client: SqlClient, jobId: string): Promise<LockedJob> {
  const job = isUuid(jobId) ? await lockJob(client, jobId) : null;
  if (job === null) throw unknownJob(jobId);
  return job;
}

export function unknownJob(jobId: string): Problem {
  const detail = 'There is no such deletion job. Check the id.';
  return new Problem('job_unknown', detail, isUuid(jobId) ? { job_id: jobId } : {});
}
