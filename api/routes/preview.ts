/** What a deletion would remove. */
import type { FastifyInstance } from 'fastify';
import type { DirectoryTenant } from '../../protocol/directory.js';
import { type TenantPreview, tenantPreview } from '../../protocol/jobs.js';
import { callerOf } from '../auth.js';
import { erased } from '../directory.js';
import { nowhere, previewTenant } from '../tenant-preview.js';
import { problems, type RouteParts, tenantParams, typed } from './parts.js';

export function previewRoutes(app: FastifyInstance, parts: RouteParts): void {
  const { directory, records } = parts;
  typed(app).get(
    '/tenants/:tenant_id/deletion-preview',
    {
      schema: {
        summary: "Every service's preview, in parallel; changes nothing",
        tags: ['deletion'],
        params: tenantParams,
        response: { 200: tenantPreview, ...problems },
      },
    },
    async (request) => {
      const { tenant_id: tenantId } = request.params;
      await directory.demandFor('read', callerOf(request), tenantId);
      const tenant = await directory.tenant(tenantId, request.id);
      const preview = { ...(await previewTenant(parts, tenantId, request.id)), tenant: recognised(tenant) };
      const empty = preview.total_rows === 0 && preview.preview_hash !== null;
      // While a job is open the rows may rest in its archive.
      if (tenant === null && empty && !(await records.openJobOf(tenantId))) {
        throw (await records.isErased(tenantId)) ? erased() : nowhere();
      }
      return preview;
    },
  );
}

/** By what a person would recognise the tenant. */
function recognised(tenant: DirectoryTenant | null): TenantPreview['tenant'] {
  if (tenant === null) return null;
  const { name, status, created_at, members = null, last_activity_at = null } = tenant;
  return { name, status, created_at, members, last_activity_at };
}
