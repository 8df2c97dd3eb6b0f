/** Ownership and memberships, which the tenant directory keeps; the API checks rights and forwards. */
import type { FastifyInstance } from 'fastify';
import {
  removedMemberships,
  removeMembershipsQuery,
  tenantAdmins,
  transferOwnershipRequest,
} from '../../protocol/directory.js';
import { Problem } from '../../protocol/problems.js';
import { actorOf, callerOf } from '../auth.js';
import { demand, staffStandings } from '../rights.js';
import { problems, type RouteParts, tenantParams, typed, userParams } from './parts.js';

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
      return directory.service().call('admins', { params: request.params });
    },
  );

  typed(app).post(
    '/tenants/:tenant_id/transfer-ownership',
    {
      schema: {
        summary: 'Hands a tenant to another member, in one transaction; 409 while a deletion is open',
        tags: ['tenants'],
        params: tenantParams,
        body: transferOwnershipRequest,
        response: { 200: tenantAdmins, ...problems },
      },
    },
    async (request) => {
      const { tenant_id: tenantId } = request.params;
      await directory.demandFor('transfer_ownership', callerOf(request), tenantId);
      const open = await records.openJobOf(tenantId);
      if (open) {
        throw new Problem('deletion_open', 'Owners cannot change while a deletion of the tenant is open.', {
          job_id: open.job_id,
        });
      }
      const admins = await directory
        .service()
        .call('transferOwnership', { params: request.params, body: request.body });
      await records.audit({
        jobId: null,
        tenantId,
        actor: actorOf(request),
        action: 'ownership transferred',
        details: { new_owner_user_id: request.body.new_owner_user_id },
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
        querystring: removeMembershipsQuery,
        response: { 200: removedMemberships, ...problems },
      },
    },
    async (request) => {
      const user = callerOf(request);
      const { user_id: userId } = request.params;
      if (user.id !== userId) demand('remove_memberships', staffStandings(user));
      const removed = await directory
        .service()
        .call('removeMemberships', { params: request.params, query: request.query });
      await records.audit({
        jobId: null,
        tenantId: null,
        actor: actorOf(request),
        action: 'memberships removed',
        details: {
          user_id: userId,
          removed: removed.removed.length,
          transferred: removed.transferred.length,
        },
      });
      return removed;
    },
  );
}
