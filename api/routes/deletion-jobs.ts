/** Looking at deletion jobs, ending them, moving their date. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { serviceName } from '../../protocol/common.js';
import { hasEnded, jobPage, jobStatus, jobView } from '../../protocol/jobs.js';
import { Problem } from '../../protocol/problems.js';
import { actorOf, callerOf } from '../auth.js';
import { ended } from '../deletions.js';
import type { Caller } from '../dependencies.js';
import { tenantId, timestamp } from '../identifiers.js';
import { createReadableJob } from '../readable-job.js';
import { isStaff, type Right } from '../rights.js';
import { jobParams, noBody, problems, type RouteParts, typed } from './parts.js';

const listQuery = z.strictObject({
  status: z
    .union(
      [jobStatus, z.array(jobStatus).max(20)],
      `should be one or more of ${jobStatus.options.join(', ')}`,
    )
    .optional(),
  tenant_id: tenantId.optional(),
  service: serviceName.optional(),
  from: timestamp.optional(),
  to: timestamp.optional(),
  overdue: z.enum(['true', 'false']).optional(),
  cursor: z.string().max(500).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

export function deletionJobRoutes(app: FastifyInstance, { records, directory, deletions }: RouteParts): void {
  const readable = createReadableJob({ records }, directory);

  async function changeable(request: FastifyRequest, jobId: string, right: Right) {
    const job = await readable(request, jobId);
    const standings = await directory
      .demandFor(right, callerOf(request), job.tenant_id)
      .catch((error: unknown) => {
        const erased = error instanceof Problem && error.code === 'already_erased';
        throw erased && hasEnded(job.status) ? ended(job) : error;
      });
    return { job, actor: actorOf(request, standings) };
  }

  // Whoever acts for a tenant by now sees all its jobs; others see those that were opened with them as a reader.
  async function readers(caller: Caller, tenant: string | undefined): Promise<{ readableBy?: string }> {
    if (isStaff(caller)) return {};
    if (tenant !== undefined) {
      const allowed = await directory.demandFor('read', caller, tenant).then(
        () => true,
        (error: unknown) => {
          if (error instanceof Problem && error.status < 500) return false;
          throw error;
        },
      );
      if (allowed) return {};
    }
    return { readableBy: caller.id };
  }

  typed(app).get(
    '/deletion-jobs',
    {
      schema: {
        summary: 'Deletion jobs, newest first',
        tags: ['jobs'],
        querystring: listQuery,
        response: { 200: jobPage, ...problems },
      },
    },
    async (request) => {
      const { tenant_id, status, service, from, to, overdue, cursor, limit } = request.query;
      const { jobs, nextCursor } = await records.listJobs({
        limit,
        ...(status && { status: [status].flat() }),
        ...(tenant_id && { tenantId: tenant_id }),
        ...(service && { service }),
        ...(from && { from }),
        ...(to && { to }),
        ...(overdue && { overdue: overdue === 'true' }),
        ...(cursor && { cursor }),
        ...(await readers(callerOf(request), tenant_id)),
      });
      return { jobs, next_cursor: nextCursor };
    },
  );

  typed(app).get(
    '/deletion-jobs/:job_id',
    {
      schema: {
        summary: 'One job',
        tags: ['jobs'],
        params: jobParams,
        response: { 200: jobView, ...problems },
      },
    },
    (request) => readable(request, request.params.job_id),
  );

  typed(app).post(
    '/deletion-jobs/:job_id/cancel',
    {
      schema: {
        summary: 'Brings everything back; 409 once there is no way back',
        tags: ['jobs'],
        params: jobParams,
        body: noBody,
        response: { 200: jobView, ...problems },
      },
    },
    async (request) => {
      const { job, actor } = await changeable(request, request.params.job_id, 'cancel');
      return deletions.cancel(job, actor);
    },
  );

  typed(app).post(
    '/deletion-jobs/:job_id/reschedule',
    {
      schema: {
        summary: 'Moves the date before which a job does not start',
        tags: ['jobs'],
        params: jobParams,
        body: z.strictObject({ start_at: timestamp }),
        response: { 200: jobView, ...problems },
      },
    },
    async (request) => {
      const { job, actor } = await changeable(request, request.params.job_id, 'reschedule');
      return deletions.reschedule(job, request.body.start_at, actor);
    },
  );
}
