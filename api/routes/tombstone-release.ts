/** Giving a tenant's key to somebody new: asked for by one person, approved by another. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { releaseView } from '../../protocol/erased.js';
import { actorOf, callerOf } from '../auth.js';
import { text } from '../identifiers.js';
import { demand, staffStandings } from '../rights.js';
import { noBody, problems, type RouteParts, tenantParams, typed } from './parts.js';

const tags = ['erased tenants'];

export function tombstoneReleaseRoutes(app: FastifyInstance, { records, erased }: RouteParts): void {
  typed(app).post(
    '/tenants/:tenant_id/tombstone-release',
    {
      schema: {
        summary: 'Asks that the mark and the tombstones of an erased tenant be lifted',
        tags,
        params: tenantParams,
        body: z.strictObject({ reason: text(1_000) }),
        response: { 201: releaseView, ...problems },
      },
    },
    async (request, reply) => {
      demand('release_tombstone', staffStandings(callerOf(request)));
      const { tenant_id: tenantId } = request.params;
      const release = await records.requestRelease(tenantId, request.body.reason, actorOf(request));
      return reply.status(201).send(release);
    },
  );

  typed(app).post(
    '/tenants/:tenant_id/tombstone-release/approve',
    {
      schema: {
        summary: 'Approves it; never the one who asked. The services are told, and the mark goes last',
        tags,
        params: tenantParams,
        body: noBody,
        response: { 202: releaseView, ...problems },
      },
    },
    async (request, reply) => {
      demand('release_tombstone', staffStandings(callerOf(request)));
      const release = await erased.approveRelease(request.params.tenant_id, actorOf(request));
      return reply.status(202).send(release);
    },
  );
}
