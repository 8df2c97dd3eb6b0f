/** Trying failed jobs again: one, or every one that fits a filter. */
import type { FastifyInstance } from 'fastify';
import { hasEnded, type JobView, jobView, replayedJobs, replayFilter } from '../../protocol/jobs.js';
import { Problem } from '../../protocol/problems.js';
import { actorOf, callerOf } from '../auth.js';
import { tenantId, timestamp } from '../identifiers.js';
import { demand, staffStandings } from '../rights.js';
import { jobParams, noBody, problems, type RouteParts, typed } from './parts.js';
import { accepted } from './tenant-deletions.js';

const filterBody = replayFilter.extend({
  tenant_id: tenantId.optional(),
  from: timestamp.optional(),
  to: timestamp.optional(),
});
/** How many jobs are replayed at once. */
const AT_ONCE = 8;

export function replayRoutes(app: FastifyInstance, { records, deletions }: RouteParts): void {
  typed(app).post(
    '/deletion-jobs/:job_id/replay',
    {
      schema: {
        summary: 'Tries again at once (200, the same job), or runs an ended job again as a new one (202)',
        tags: ['jobs'],
        params: jobParams,
        body: noBody,
        response: { 200: jobView, 202: jobView, ...problems },
      },
    },
    async (request, reply) => {
      demand('replay', staffStandings(callerOf(request)));
      const job = await records.getJob(request.params.job_id);
      const replayed = await deletions.replay(job, actorOf(request));
      return replayed.job_id === job.job_id ? replayed : accepted(reply, replayed);
    },
  );

  typed(app).post(
    '/deletion-jobs/replay',
    {
      schema: {
        summary: 'Replays every job that fits a filter, the latest of each tenant; `dry_run` only lists them',
        tags: ['jobs'],
        body: filterBody,
        response: { 200: replayedJobs, ...problems },
      },
    },
    async (request) => {
      demand('replay', staffStandings(callerOf(request)));
      const { dry_run: dryRun, tenant_id, status, service, from, to } = request.body;
      const filter = {
        ...(tenant_id && { tenantId: tenant_id }),
        ...(status && { status: [status] }),
        ...(service && { failedService: service }),
        ...(from && { from }),
        ...(to && { to }),
      };
      if (Object.keys(filter).length === 0) {
        const message = 'names none of tenant_id, status, service, from, to';
        throw new Problem('validation_failed', 'A filter is needed: a replay of everything is not offered.', {
          errors: [{ path: 'body', message }],
        });
      }
      const found = await records.replayableJobs(filter);
      if (dryRun) return { jobs: found.map((job) => line(job, hasEnded(job.status) ? job.job_id : null)) };
      const jobs = [];
      for (let next = 0; next < found.length; next += AT_ONCE) {
        jobs.push(...(await Promise.all(found.slice(next, next + AT_ONCE).map(replayOne))));
      }
      return { jobs: jobs.filter((job) => job !== null) };

      // One that cannot be replayed any more (somebody else was faster) does not stop the others.
      async function replayOne(job: JobView) {
        try {
          const replayed = await deletions.replay(job, actorOf(request));
          return line(replayed, replayed.job_id === job.job_id ? null : job.job_id);
        } catch (error) {
          if (!(error instanceof Problem) || error.code === 'records_unavailable') throw error;
          request.log.warn({ job_id: job.job_id, code: error.code }, 'left out of a replay');
          return null;
        }
      }
    },
  );
}

/** In a dry run `job_id` is the job that would be replayed; `replay_of` says that it would be by a new one. */
function line(job: JobView, replayOf: string | null) {
  return { job_id: job.job_id, tenant_id: job.tenant_id, replay_of: replayOf };
}
