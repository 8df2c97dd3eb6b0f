/** The preview of a whole tenant: every service asked at once, none left out. */
import type { ServiceClient } from '../protocol/client.js';
import type { TenantPreview } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';
import type { ApiDependencies } from './dependencies.js';

type PreviewedService = TenantPreview['services'][number];
type Parts = Pick<ApiDependencies, 'services' | 'previewHash' | 'settings'>;

export async function previewTenant(
  { services, previewHash, settings }: Parts,
  tenantId: string,
  requestId: string,
): Promise<TenantPreview> {
  const asked = await Promise.all(
    services.map((service) => ask(service, tenantId, requestId, settings.previewTimeoutMs)),
  );
  const malformed = asked.find((service) => service.error?.code === 'validation_failed');
  if (malformed?.error) {
    const { message } = malformed.error;
    throw new Problem('validation_failed', `${malformed.name} does not take this tenant id: ${message}`, {
      service: malformed.name,
      errors: [{ path: 'params.tenant_id', message }],
    });
  }
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

/** What has to be so before a deletion is opened. */
export interface RowsWanted {
  readonly tenantId: string;
  readonly requestId: string;
  /** Whether the directory knows the tenant; otherwise a row somewhere has to. */
  readonly known: boolean;
  readonly previewHash: string | undefined;
}

/** Throws `tenant_unknown`, `preview_changed`, or `service_unavailable` where a silent service leaves it open. */
export async function demandRows(parts: Parts, wanted: RowsWanted): Promise<void> {
  const preview = await previewTenant(parts, wanted.tenantId, wanted.requestId);
  const silent = preview.services.find((service) => service.error !== null);
  const answered = wanted.previewHash === undefined && preview.total_rows > 0;
  if (silent?.error && !answered) {
    throw new Problem('service_unavailable', `${silent.name} gave no preview: ${silent.error.message}`, {
      service: silent.name,
    });
  }
  if (!wanted.known && preview.total_rows === 0) throw nowhere();
  if (wanted.previewHash !== undefined && wanted.previewHash !== preview.preview_hash) {
    throw new Problem(
      'preview_changed',
      `The preview's hash is ${preview.preview_hash} by now. Look at it again.`,
    );
  }
}

/** Where there is no directory, a tenant without a row is taken for a wrong id. */
export function nowhere(): Problem {
  return new Problem('tenant_unknown', 'No service has a row of this tenant. Check the id.');
}

async function ask(
  client: ServiceClient,
  tenantId: string,
  requestId: string,
  timeoutMs: number,
): Promise<PreviewedService> {
  const { name, role } = client.service;
  try {
    const parts = { params: { tenant_id: tenantId } };
    const preview = await client.call('preview', parts, { timeoutMs, requestId });
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
