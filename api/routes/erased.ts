/** Tenants who are gone: who they are, whether they still are, and erasing again what came back. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { serviceName } from '../../protocol/common.js';
import {
  erasedCheck,
  erasedExport,
  erasedImport,
  erasedPage,
  erasedTenantView,
  reapplied,
  reapplyRequest,
} from '../../protocol/erased.js';
import { housekeepingView } from '../../protocol/housekeeping.js';
import { publishedMark } from '../../records/erased.js';
import { actorOf, callerOf } from '../auth.js';
import { tenantId, text } from '../identifiers.js';
import { demand, staffStandings } from '../rights.js';
import { noBody, problems, type RouteParts, tenantParams, typed } from './parts.js';

/** A list of some hundred thousand tenants. */
const LONGEST_LIST = 64 * 1024 * 1024;
const DEFAULT_PAGE = 50;
const LARGEST_PAGE = 500;
const tags = ['erased tenants'];

export function erasedRoutes(app: FastifyInstance, { records, erased, publicKeyOf }: RouteParts): void {
  typed(app).get(
    '/erased-tenants',
    {
      schema: {
        summary: 'Tenants who are gone, oldest first, and how many of their rows a sweep has found again',
        tags,
        querystring: z.strictObject({
          cursor: z.string().max(500).optional(),
          limit: z.coerce.number().int().min(1).max(LARGEST_PAGE).default(DEFAULT_PAGE),
        }),
        response: { 200: erasedPage, ...problems },
      },
    },
    async (request) => {
      demand('see_erased', staffStandings(callerOf(request)));
      const { tenants, nextCursor } = await records.erasedTenants(request.query);
      return {
        tenants: tenants.map((mark) => ({
          ...publishedMark(mark, publicKeyOf),
          rows_returned: mark.rowsReturned,
        })),
        next_cursor: nextCursor,
      };
    },
  );

  typed(app).get(
    '/erased-tenants/export',
    {
      schema: {
        summary: 'The whole list as a signed document (JWS), to be kept where no database is lost with it',
        tags,
        produces: ['application/jose'],
        response: { 200: z.union([z.string(), erasedExport]), ...problems },
      },
    },
    async (request, reply) => {
      demand('see_erased', staffStandings(callerOf(request)));
      const jws = await erased.exportList();
      if (request.headers.accept?.includes('application/json')) return { list: jws };
      void reply.header('content-disposition', 'attachment; filename="erased-tenants.jws"');
      return reply.type('application/jose').serializer(String).send(jws);
    },
  );

  typed(app).post(
    '/erased-tenants/import',
    {
      bodyLimit: LONGEST_LIST,
      schema: {
        summary:
          'Marks the tenants of an exported list as erased, where the records that knew them were lost',
        tags,
        body: z.strictObject({ list: z.string().min(1) }),
        response: { 200: erasedImport, ...problems },
      },
    },
    async (request) => {
      demand('import_erased', staffStandings(callerOf(request)));
      return erased.importList(request.body.list, actorOf(request));
    },
  );

  typed(app).get(
    '/erased-tenants/:tenant_id',
    {
      schema: {
        summary: 'One of them: rows that came back, jobs that erased them again, the release of the key',
        tags,
        params: tenantParams,
        response: { 200: erasedTenantView, ...problems },
      },
    },
    async (request) => {
      demand('see_erased', staffStandings(callerOf(request)));
      return erased.view(request.params.tenant_id);
    },
  );

  typed(app).post(
    '/erased-tenants/:tenant_id/check',
    {
      schema: {
        summary: 'Asks every service now whether the tenant is still gone',
        tags,
        params: tenantParams,
        body: noBody,
        response: { 200: erasedCheck, ...problems },
      },
    },
    async (request) => {
      demand('see_erased', staffStandings(callerOf(request)));
      return erased.check(request.params.tenant_id, actorOf(request));
    },
  );

  typed(app).post(
    '/services/:name/reapply',
    {
      schema: {
        summary:
          'Erases again what a service has of erased tenants, a page of them at a time; `dry_run` lists them',
        tags,
        params: z.strictObject({ name: serviceName }),
        body: reapplyRequest
          .extend({ tenant_id: tenantId.optional(), reason: text(1_000).optional() })
          .nullish(),
        response: { 200: reapplied, ...problems },
      },
    },
    async (request) => {
      demand('reapply', staffStandings(callerOf(request)));
      const { tenant_id, dry_run = false, reason = null, cursor } = request.body ?? {};
      return erased.reapply(
        request.params.name,
        { tenantId: tenant_id, dryRun: dry_run, reason, cursor },
        actorOf(request),
      );
    },
  );

  typed(app).get(
    '/housekeeping',
    {
      schema: {
        summary: 'When each scheduled step ran last, and what came of it',
        tags: ['platform'],
        response: { 200: housekeepingView, ...problems },
      },
    },
    async (request) => {
      demand('see_services', staffStandings(callerOf(request)));
      return records.housekeeping();
    },
  );
}
