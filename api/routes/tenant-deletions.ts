/** Asking for the deletion of a tenant. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { deletionOptions, type JobView, jobView } from '../../protocol/jobs.js';
import { actorOf, callerOf } from '../auth.js';
import { text, timestamp } from '../identifiers.js';
import { noBody, problems, type RouteParts, tenantParams, typed } from './parts.js';

const requestBody = deletionOptions.extend({
  reason: text(1_000).optional(),
  confirm_name: text(500).optional(),
  start_at: timestamp.optional(),
  due_at: timestamp.optional(),
});

export function tenantDeletionRoutes(app: FastifyInstance, { directory, deletions }: RouteParts): void {
  typed(app).post(
    '/tenants/:tenant_id/deletion-jobs',
    {
      schema: {
        summary: 'Starts the deletion of a tenant; the open job, where one with the same options is open',
        tags: ['deletion'],
        params: tenantParams,
        body: requestBody.nullish(),
        response: { 202: jobView, ...problems },
      },
    },
    async (request, reply) => {
      const { tenant_id: tenantId } = request.params;
      const standings = await directory.demandFor('delete', callerOf(request), tenantId);
      const asker = actorOf(request, standings);
      return accepted(reply, await deletions.request(tenantId, request.body ?? {}, asker));
    },
  );

  typed(app).delete(
    '/tenants/:tenant_id',
    {
      schema: {
        summary: 'Starts the deletion of a tenant with the configured defaults; takes no body',
        tags: ['deletion'],
        params: tenantParams,
        body: noBody,
        response: { 202: jobView, ...problems },
      },
    },
    async (request, reply) => {
      const { tenant_id: tenantId } = request.params;
      const standings = await directory.demandFor('delete', callerOf(request), tenantId);
      return accepted(reply, await deletions.request(tenantId, {}, actorOf(request, standings)));
    },
  );
}

/** 202 with the address of the job. */
export function accepted(reply: FastifyReply, job: JobView): JobView {
  void reply.status(202).header('location', `/api/v1/deletion-jobs/${job.job_id}`);
  return job;
}
