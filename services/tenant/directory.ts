/** The calls of a tenant directory that change no membership: who a tenant is, and its suspension by a job. */
import type { DirectoryTenant, SuspensionState, TenantAdmins } from '../../protocol/directory.js';
import type { OrphanPolicy } from '../../protocol/participant.js';
import { Problem } from '../../protocol/problems.js';
import type { Tables, TenantDatabase } from './database.js';
import { lockTenants } from './sql.js';
import { checkTenantId, openSuspensions, refuseMissing } from './tenants.js';

/** As many as an answer may name. */
const MOST_ADMINS = 1_000;

export async function readTenant(tables: Tables, tenantId: string): Promise<DirectoryTenant> {
  checkTenantId(tenantId);
  const tenant = await tables.tenant.findUnique({ where: { id: tenantId } });
  if (tenant === null) return refuseMissing(tables, tenantId);
  const { admins } = await readAdmins(tables, tenantId);
  const owner = admins.find(({ role }) => role === 'owner');
  if (owner === undefined) {
    throw new Problem(
      'state_conflict',
      'The tenant has no owner, which no call of this service leaves behind. Make one of its members the owner.',
    );
  }
  const [suspensions, members, active] = await Promise.all([
    openSuspensions(tables, [tenantId]),
    tables.tenantMember.count({ where: { tenantId } }),
    tables.user.aggregate({
      where: { memberships: { some: { tenantId } } },
      _max: { lastLoginAt: true },
    }),
  ]);
  return {
    tenant_id: tenantId,
    name: tenant.name.slice(0, 500),
    status: suspensions.length > 0 ? 'suspended' : 'active',
    owner_user_id: owner.user_id,
    admin_user_ids: admins.filter(({ role }) => role === 'admin').map(({ user_id }) => user_id),
    created_at: tenant.createdAt.toISOString(),
    members,
    last_activity_at: active._max.lastLoginAt?.toISOString() ?? null,
  };
}

/** Owner first, then the admins who have been it longest. */
export async function readAdmins(tables: Tables, tenantId: string): Promise<TenantAdmins> {
  const members = await tables.tenantMember.findMany({
    where: { tenantId, role: { in: ['owner', 'admin'] } },
    orderBy: [{ role: 'asc' }, { since: 'asc' }, { userId: 'asc' }],
    take: MOST_ADMINS,
  });
  return {
    tenant_id: tenantId,
    admins: members.map(({ userId, role, since }) => ({
      user_id: userId,
      role: role === 'owner' ? ('owner' as const) : ('admin' as const),
      since: since.toISOString(),
    })),
  };
}

/**
 * Suspends for a job, or lifts what that job set and no other. That it was lifted is kept, also where it was never
 * set: a request that was delayed on its way must not suspend a tenant whose job has ended.
 */
export function setSuspension(
  database: TenantDatabase,
  tenantId: string,
  jobId: string,
  suspended: boolean,
  orphanPolicy: OrphanPolicy,
): Promise<SuspensionState> {
  checkTenantId(tenantId);
  return database.transaction(async (tables) => {
    const [existing] = await lockTenants(tables, [tenantId]);
    const key = { tenantId, jobId };
    const where = { tenantId_jobId: key };
    const found = await tables.tenantSuspension.findUnique({ where });
    if (suspended) {
      if (existing === undefined) await refuseMissing(tables, tenantId);
      if (found?.liftedAt) {
        const detail = 'This job has lifted its suspension of the tenant and cannot set it again.';
        throw new Problem('state_conflict', detail, { state: 'lifted', job_id: jobId });
      }
      if (found === null) await tables.tenantSuspension.create({ data: { ...key, orphanPolicy } });
    } else if (!found?.liftedAt) {
      const liftedAt = new Date();
      await tables.tenantSuspension.upsert({ where, create: { ...key, liftedAt }, update: { liftedAt } });
    }
    return { tenant_id: tenantId, job_id: jobId, suspended };
  });
}
