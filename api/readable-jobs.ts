/** Jobs as their callers may see them: one that the caller may not read does not exist for the caller. */
import type { FastifyRequest } from 'fastify';
import type { JobView } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';
import { callerOf } from './auth.js';
import type { ApiDependencies } from './dependencies.js';
import type { Directory } from './directory.js';
import { isStaff } from './rights.js';

export type ReadableJob = (request: FastifyRequest, jobId: string) => Promise<JobView>;

export function createReadableJob({
  records,
  directory,
}: Pick<ApiDependencies, 'records'> & { readonly directory: Directory }): ReadableJob {
  return async (request, jobId) => {
    const user = callerOf(request);
    const job = await records.getJob(jobId);
    if (isStaff(user) || (await records.mayRead(jobId, user.id))) return job;
    await directory.demandFor('read', user, job.tenant_id).catch((error: unknown) => {
      if (!(error instanceof Problem) || error.code !== 'forbidden') throw error;
      throw new Problem('job_unknown', 'There is no such job, or not one that you may read.');
    });
    return job;
  };
}
