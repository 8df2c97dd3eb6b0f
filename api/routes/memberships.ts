/** Ownership and memberships, which the tenant directory keeps; the API checks rights and forwards. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { removedMemberships, tenantAdmins } from '../../protocol/directory.js';
import { hasEnded, JOB_STATUSES } from '../../protocol/jobs.js';
import { Problem } from '../../protocol/problems.js';
import { actorOf, callerOf } from '../auth.js';
import { userId } from '../identifiers.js';
import { demand, staffStandings } from '../rights.js';
import { problems, type RouteParts, tenantParams, typed, userParams } from './parts.js';

const transferBody = z.strictObject({ new_owner_user_id: userId });
const removalQuery = z.strictObject({ transfer_ownership_to: userId.optional() });
const OPEN_STATUSES = JOB_STATUSES.filter((status) => !hasEnded(status));

export function membershipRoutes(app: FastifyInstance, { records, directory }: RouteParts): void {
  typed(app).get(
    '/tenants/:tenant_id/admins',
    {
      schema: {
        summary: 'Who may act for a tenant',
        tags: ['tenants'],
        params: tenantParams,
        response: { 200: tenantAdmins, ...problems },
      },
    },
    async (request) => {
      await directory.demandFor('read', callerOf(request), request.params.tenant_id);
      return directory.call('admins', { params: request.params }, request.id);
    },
  );

  typed(app).post(
    '/tenants/:tenant_id/transfer-ownership',
    {
      schema: {
        summary: 'Hands a tenant to another member, in one transaction; 409 while a deletion is open',
        tags: ['tenants'],
        params: tenantParams,
        body: transferBody,
        response: { 200: tenantAdmins, ...problems },
      },
    },
    async (request) => {
      const { tenant_id: tenantId } = request.params;
      const standings = await directory.demandFor('transfer_ownership', callerOf(request), tenantId);
      const open = await records.openJobOf(tenantId);
      if (open) {
        throw new Problem('deletion_open', 'Owners cannot change while a deletion of the tenant is open.', {
          job_id: open.job_id,
          tenant_ids: [tenantId],
        });
      }
      const { params, body } = request;
      const admins = await directory.call('transferOwnership', { params, body }, request.id);
      await records.audit({
        jobId: null,
        tenantId,
        actor: actorOf(request, standings),
        action: 'ownership transferred',
        details: {},
        people: { new_owner: body.new_owner_user_id },
      });
      return admins;
    },
  );

  typed(app).delete(
    '/tenants/user/:user_id/memberships',
    {
      schema: {
        summary: 'Removes a user from every tenant; 409 where the user is the only owner',
        tags: ['tenants'],
        params: userParams,
        querystring: removalQuery,
        response: { 200: removedMemberships, ...problems },
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const { params, query } = request;
      if (caller.id !== params.user_id) demand('remove_memberships', staffStandings(caller));
      await demandNoOpenDeletion(params.user_id, request.id);
      const removed = await directory.call('removeMemberships', { params, query }, request.id);
      await records.audit({
        jobId: null,
        tenantId: null,
        actor: actorOf(request),
        action: 'memberships removed',
        people: { user: params.user_id },
        details: {
          removed: removed.removed.length,
          transferred: removed.transferred.length,
        },
      });
      return removed;
    },
  );

  // A job's readers are the owner and the admins of its tenant, who do not change while it is open, and its requester.
  async function demandNoOpenDeletion(user: string, requestId: string): Promise<void> {
    const { jobs } = await records.listJobs({ readableBy: user, status: OPEN_STATUSES, limit: 200 });
    const tenants = await Promise.all(
      [...new Set(jobs.map((job) => job.tenant_id))].map(async (tenantId) => {
        const found = await directory.tenant(tenantId, requestId).catch(ignoreUnknown);
        const acts = found?.owner_user_id === user || found?.admin_user_ids.includes(user);
        return acts ? [tenantId] : [];
      }),
    );
    const deleting = tenants.flat();
    if (deleting.length === 0) return;
    throw new Problem(
      'deletion_open',
      'The user is owner or admin of a tenant of which a deletion is open; they can leave when it has ended.',
      { tenant_ids: deleting },
    );
  }
}

function ignoreUnknown(error: unknown): null {
  if (error instanceof Problem && ['tenant_unknown', 'already_erased'].includes(error.code)) return null;
  throw error;
}
