/** What people say to a deletion before its pivot: approval, rejection, legal holds, and the halt of everything. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { planHash } from '../../protocol/common.js';
import { haltAnswer, haltState, legalHold, legalHolds } from '../../protocol/gate.js';
import { jobView } from '../../protocol/jobs.js';
import { actorOf, callerOf } from '../auth.js';
import { createGate } from '../gate.js';
import { text } from '../identifiers.js';
import { demand, staffStandings } from '../rights.js';
import { jobParams, problems, type RouteParts, tenantParams, typed } from './parts.js';

const reason = text(1_000);
const verdictBody = z.strictObject({ approval_hash: planHash, reason });
const holdBody = z.strictObject({
  reason,
  /** Also where the tenant is erased already: for what had to be kept. */
  retained_rows: z.boolean().optional(),
});
const holdParams = z.strictObject({ hold_id: z.uuid() });
const reasonQuery = z.strictObject({ reason });
const haltBody = z.strictObject({ reason, and_restore: z.boolean().optional() });
const resumeBody = z.strictObject({ reason });

export function gateRoutes(app: FastifyInstance, parts: RouteParts): void {
  approvalRoutes(app, parts);
  holdRoutes(app, parts);
  haltRoutes(app, parts);
}

function approvalRoutes(app: FastifyInstance, parts: RouteParts): void {
  const gate = createGate(parts);
  for (const verdict of ['approve', 'reject'] as const) {
    typed(app).post(
      `/deletion-jobs/:job_id/${verdict}`,
      {
        schema: {
          summary:
            verdict === 'approve'
              ? 'Approves exactly what the hash stands for; never by who asked for it'
              : 'Ends the job, with nothing deleted; never by who asked for it',
          tags: ['gate'],
          params: jobParams,
          body: verdictBody,
          response: { 200: jobView, ...problems },
        },
      },
      async (request) => {
        demand('approve', staffStandings(callerOf(request)));
        const { approval_hash: hash, reason: why } = request.body;
        return gate[verdict](request.params.job_id, hash, why, actorOf(request));
      },
    );
  }
}

function holdRoutes(app: FastifyInstance, parts: RouteParts): void {
  const gate = createGate(parts);
  typed(app).post(
    '/tenants/:tenant_id/legal-holds',
    {
      schema: {
        summary: 'Places a legal hold; 409 past_pivot where it comes too late',
        tags: ['gate'],
        params: tenantParams,
        body: holdBody,
        response: { 201: legalHold, ...problems },
      },
    },
    async (request, reply) => {
      demand('hold', staffStandings(callerOf(request)));
      const { reason: why, retained_rows: retainedRows = false } = request.body;
      const { tenant_id: tenantId } = request.params;
      const hold = await gate.placeHold(tenantId, why, actorOf(request), retainedRows);
      void reply.status(201).header('location', `/api/v1/legal-holds/${hold.hold_id}`);
      return hold;
    },
  );

  typed(app).get(
    '/tenants/:tenant_id/legal-holds',
    {
      schema: {
        summary: 'All legal holds of a tenant, newest first, lifted ones too',
        tags: ['gate'],
        params: tenantParams,
        response: { 200: legalHolds, ...problems },
      },
    },
    async (request) => {
      demand('see_holds', staffStandings(callerOf(request)));
      return { holds: await parts.records.holdsOf(request.params.tenant_id) };
    },
  );

  typed(app).delete(
    '/legal-holds/:hold_id',
    {
      schema: {
        summary: 'Lifts a legal hold; the reason is in the query, since bodies of DELETE get lost',
        tags: ['gate'],
        params: holdParams,
        querystring: reasonQuery,
        response: { 200: legalHold, ...problems },
      },
    },
    async (request) => {
      demand('hold', staffStandings(callerOf(request)));
      return gate.liftHold(request.params.hold_id, request.query.reason, actorOf(request));
    },
  );
}

function haltRoutes(app: FastifyInstance, parts: RouteParts): void {
  const gate = createGate(parts);
  typed(app).get(
    '/deletion-jobs/halt',
    {
      schema: {
        summary: 'Whether everything before its pivot stands still',
        tags: ['gate'],
        response: { 200: haltState, ...problems },
      },
    },
    async (request) => {
      demand('halt', staffStandings(callerOf(request)));
      return parts.records.haltState();
    },
  );

  typed(app).post(
    '/deletion-jobs/halt',
    {
      schema: {
        summary: 'Freezes every job before its pivot where it stands; `and_restore` brings them all back',
        tags: ['gate'],
        body: haltBody,
        response: { 200: haltAnswer, ...problems },
      },
    },
    async (request) => {
      demand('halt', staffStandings(callerOf(request)));
      const { reason: why, and_restore: andRestore = false } = request.body;
      return gate.halt(why, andRestore, actorOf(request));
    },
  );

  typed(app).post(
    '/deletion-jobs/resume',
    {
      schema: {
        summary: 'Lets halted jobs go on',
        tags: ['gate'],
        body: resumeBody,
        response: { 200: haltState, ...problems },
      },
    },
    async (request) => {
      demand('halt', staffStandings(callerOf(request)));
      return gate.resume(request.body.reason, actorOf(request));
    },
  );
}
