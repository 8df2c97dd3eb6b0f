/** Asking for the deletion of a tenant. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { deletionOptions, type JobView, jobView } from '../../protocol/jobs.js';
import { actorOf, callerOf } from '../auth.js';
import { problems, type RouteParts, tenantParams, typed } from './parts.js';

export function tenantDeletionRoutes(app: FastifyInstance, { directory, deletions }: RouteParts): void {
  typed(app).post(
    '/tenants/:tenant_id/deletion-jobs',
    {
      schema: {
        summary: 'Starts the deletion of a tenant',
        tags: ['deletion'],
        params: tenantParams,
        body: deletionOptions.nullish(),
        response: { 202: jobView, ...problems },
      },
    },
    async (request, reply) => {
      const { tenant_id: tenantId } = request.params;
      await directory.demandFor('delete', callerOf(request), tenantId);
      return accepted(reply, await deletions.request(tenantId, request.body ?? {}, actorOf(request)));
    },
  );

  typed(app).delete(
    '/tenants/:tenant_id',
    {
      schema: {
        summary: 'Starts the deletion of a tenant with the configured defaults; takes no body',
        tags: ['deletion'],
        params: tenantParams,
        response: { 202: jobView, ...problems },
      },
    },
    async (request, reply) => {
      const { tenant_id: tenantId } = request.params;
      await directory.demandFor('delete', callerOf(request), tenantId);
      return accepted(reply, await deletions.request(tenantId, {}, actorOf(request)));
    },
  );
}

/** 202 with the address of the job. */
export function accepted(reply: FastifyReply, job: JobView): JobView {
  void reply.status(202).header('location', `/api/v1/deletion-jobs/${job.job_id}`);
  return job;
}
