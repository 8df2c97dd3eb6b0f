/** Reading a tenant: whether there is one, and whether a deletion has suspended it. */
import { z } from 'zod';
import { Problem } from '../../protocol/problems.js';
import type { Tables } from './database.js';

/** Tenants are known by UUID here; throws `validation_failed` for any other key. */
export function checkTenantId(tenantId: string): void {
  if (z.guid().safeParse(tenantId).success) return;
  throw new Problem('validation_failed', 'Tenants of this directory are known by UUID.', {
    errors: [{ path: 'params.tenant_id', message: 'should be a UUID' }],
  });
}

/** Throws `already_erased` or `tenant_unknown`, for a tenant that has no row. */
export async function refuseMissing(tables: Tables, tenantId: string): Promise<never> {
  const tombstone = await tables.tenantTombstone.findUnique({ where: { tenantId } });
  if (tombstone !== null) {
    throw new Problem('already_erased', 'This tenant has been erased; nothing is left of it.');
  }
  throw new Problem('tenant_unknown', 'The directory has no such tenant. Check the id.');
}

/** The suspensions of these tenants that no job has lifted. */
export function openSuspensions(
  tables: Tables,
  tenantIds: readonly string[],
): Promise<{ tenantId: string; jobId: string }[]> {
  return tables.tenantSuspension.findMany({
    where: { tenantId: { in: [...tenantIds] }, liftedAt: null },
    select: { tenantId: true, jobId: true },
    orderBy: { tenantId: 'asc' },
  });
}

/** Throws `deletion_open` where a job has suspended one of them: what may be restored must not change meanwhile. */
export async function refuseSuspended(tables: Tables, tenantIds: readonly string[]): Promise<void> {
  const suspensions = await openSuspensions(tables, tenantIds);
  const [first] = suspensions;
  if (first === undefined) return;
  const detail =
    'A deletion has suspended the tenant, so its owner and members cannot change. Cancel it, or wait for its end.';
  throw new Problem('deletion_open', detail, {
    job_id: first.jobId,
    tenant_ids: suspensions.slice(0, 1_000).map(({ tenantId }) => tenantId),
  });
}
