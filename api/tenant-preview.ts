/** The preview of a whole tenant: every service asked at once, none left out. */
import type { ServiceClient } from '../protocol/client.js';
import type { TenantPreview } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';
import type { ApiDependencies } from './dependencies.js';

type PreviewedService = TenantPreview['services'][number];

export async function previewTenant(
  { services, previewHash, settings }: Pick<ApiDependencies, 'services' | 'previewHash' | 'settings'>,
  tenantId: string,
): Promise<TenantPreview> {
  const asked = await Promise.all(
    services.map((service) => ask(service, tenantId, settings.previewTimeoutMs)),
  );
  const previews = asked.flatMap(({ name, preview }) => (preview ? [{ name, preview }] : []));
  const complete = previews.length === services.length;
  return {
    tenant_id: tenantId,
    preview_hash: complete
      ? previewHash(
          tenantId,
          previews.map(({ name, preview }) => ({
            service: name,
            planHash: preview.plan_hash,
            tables: preview.tables,
          })),
        )
      : null,
    total_rows: previews.reduce((sum, { preview }) => sum + preview.total_rows, 0),
    reversible: previews.every(({ name, preview }) => preview.reversible || isDirectory(services, name)),
    services: asked,
  };
}

async function ask(client: ServiceClient, tenantId: string, timeoutMs: number): Promise<PreviewedService> {
  const { name, role } = client.service;
  try {
    const preview = await client.call('preview', { params: { tenant_id: tenantId } }, { timeoutMs });
    return { name, role, preview, error: null };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { name, role, preview: null, error: { code: error.code, message: error.detail } };
  }
}

// Its part goes last, after everything else is gone for good; until then the tenant is only suspended.
function isDirectory(services: readonly ServiceClient[], name: string): boolean {
  return services.some(({ service }) => service.name === name && service.role === 'tenant_directory');
}
