/** Trying failed jobs again: one, or every one that fits a filter. */
import type { FastifyInstance } from 'fastify';
import { type JobView, jobView, replayedJobs, replayFilter } from '../../protocol/jobs.js';
import { Problem } from '../../protocol/problems.js';
import { actorOf, callerOf } from '../auth.js';
import { demand, staffStandings } from '../rights.js';
import { jobParams, noBody, problems, type RouteParts, typed } from './parts.js';
import { accepted } from './tenant-deletions.js';

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
        body: replayFilter,
        response: { 200: replayedJobs, ...problems },
      },
    },
    async (request) => {
      demand('replay', staffStandings(callerOf(request)));
      const { dry_run: dryRun, tenant_id: tenantId, status, service, from, to } = request.body;
      const filter = {
        ...(tenantId && { tenantId }),
        ...(status && { status: [status] }),
        ...(service && { service }),
        ...(from && { from }),
        ...(to && { to }),
      };
      if (Object.keys(filter).length === 0) {
        throw new Problem('validation_failed', 'Name at least one of tenant_id, status, service, from, to.');
      }
      const found = await records.replayableJobs(filter);
      if (dryRun)
        return { jobs: found.map((job) => line(job, job.status === 'needs_attention' ? null : job.job_id)) };
      const jobs = [];
      for (const job of found) {
        const replayed = await replayOne(job);
        if (replayed) jobs.push(line(replayed, replayed.replay_of));
      }
      return { jobs };

      // One that cannot be replayed any more (somebody else was faster) does not stop the others.
      async function replayOne(job: JobView): Promise<JobView | null> {
        try {
          return await deletions.replay(job, actorOf(request));
        } catch (error) {
          if (!(error instanceof Problem) || error.retry !== 'terminal') throw error;
          request.log.warn({ job_id: job.job_id, code: error.code }, 'left out of a replay');
          return null;
        }
      }
    },
  );
}

function line(job: JobView, replayOf: string | null) {
  return { job_id: job.job_id, tenant_id: job.tenant_id, replay_of: replayOf };
}
