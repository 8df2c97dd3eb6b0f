/** What a deletion would remove. */
import type { FastifyInstance } from 'fastify';
import { tenantPreview } from '../../protocol/jobs.js';
import { Problem } from '../../protocol/problems.js';
import { callerOf } from '../auth.js';
import { previewTenant } from '../tenant-preview.js';
import { problems, type RouteParts, tenantParams, typed } from './parts.js';

export function previewRoutes(app: FastifyInstance, parts: RouteParts): void {
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
      await parts.directory.demandFor('read', callerOf(request), tenantId);
      const tenant = await parts.directory.tenant(tenantId);
      const preview = await previewTenant(parts, tenantId);
      if (tenant === null && preview.total_rows === 0 && preview.preview_hash !== null) {
        throw new Problem('tenant_unknown', 'No service has a row of this tenant. Check the id.');
      }
      return preview;
    },
  );
}
