/** Who owns a tenant, and who leaves: each call one transaction, after which every tenant has one owner, as before. */
import type { RemovedMemberships, TenantAdmins } from '../../protocol/directory.js';
import { Problem } from '../../protocol/problems.js';
import type { Tables, TenantDatabase } from './database.js';
import { readAdmins } from './directory.js';
import { lockTenants } from './sql.js';
import { checkTenantId, refuseMissing, refuseSuspended } from './tenants.js';

/** The old owner stays as an admin. Asked again, it changes nothing more. */
export function transferOwnership(
  database: TenantDatabase,
  tenantId: string,
  newOwnerId: string,
): Promise<TenantAdmins> {
  checkTenantId(tenantId);
  return database.transaction(async (tables) => {
    const [existing] = await lockTenants(tables, [tenantId]);
    if (existing === undefined) await refuseMissing(tables, tenantId);
    await refuseSuspended(tables, [tenantId]);
    await makeOwner(tables, [tenantId], newOwnerId);
    return readAdmins(tables, tenantId);
  });
}

/** All or nothing: a user who owns tenants leaves only where another member takes all of them. */
export function removeMemberships(
  database: TenantDatabase,
  userId: string,
  newOwnerId: string | null,
): Promise<RemovedMemberships> {
  if (newOwnerId?.toLowerCase() === userId.toLowerCase()) {
    throw new Problem('validation_failed', 'The user who leaves cannot take the tenants over.', {
      errors: [{ path: 'querystring.transfer_ownership_to', message: 'should be another user' }],
    });
  }
  return database.transaction(async (tables) => {
    await refuseUnknownUser(tables, userId);
    const before = await membershipsOf(tables, userId);
    // Read again under the locks: roles may have changed while they were waited for.
    const locked = await lockTenants(
      tables,
      before.map(({ tenantId }) => tenantId),
    );
    const memberships = await membershipsOf(tables, userId, locked);
    await refuseSuspended(tables, locked);
    const owned = memberships.filter(({ role }) => role === 'owner').map(({ tenantId }) => tenantId);
    if (owned.length > 0) {
      if (newOwnerId === null) {
        const detail = `The user owns ${owned.length} tenants. Transfer them first, or name who takes them.`;
        throw new Problem('sole_owner', detail, { tenant_ids: owned.slice(0, 1_000) });
      }
      await makeOwner(tables, owned, newOwnerId);
    }
    await tables.tenantMember.deleteMany({ where: { userId, tenantId: { in: locked } } });
    return {
      user_id: userId,
      removed: memberships.map(({ tenantId, role }) => ({ tenant_id: tenantId, role })),
      transferred:
        newOwnerId === null
          ? []
          : owned.map((tenantId) => ({ tenant_id: tenantId, new_owner_user_id: newOwnerId })),
    };
  });
}

function membershipsOf(tables: Tables, userId: string, tenantIds?: readonly string[]) {
  return tables.tenantMember.findMany({
    where: { userId, ...(tenantIds && { tenantId: { in: [...tenantIds] } }) },
    select: { tenantId: true, role: true },
    orderBy: { tenantId: 'asc' },
  });
}

async function refuseUnknownUser(tables: Tables, userId: string): Promise<void> {
  const user = await tables.user.findUnique({ where: { id: userId }, select: { id: true } });
  if (user === null) throw new Problem('user_unknown', 'The directory has no such user. Check the id.');
}

/** Of tenants that are locked. The old owner goes first, since an index allows one at most at any moment. */
async function makeOwner(tables: Tables, tenantIds: readonly string[], userId: string): Promise<void> {
  await refuseUnknownUser(tables, userId);
  const member = await membershipsOf(tables, userId, tenantIds);
  const memberOf = new Set(member.map(({ tenantId }) => tenantId));
  const strange = tenantIds.filter((tenantId) => !memberOf.has(tenantId));
  if (strange.length > 0) {
    throw new Problem(
      'not_a_member',
      'Only a member can become the owner. Add the user to the tenant first.',
      {
        tenant_ids: strange.slice(0, 1_000),
      },
    );
  }
  const tenantId = { in: [...tenantIds] };
  await tables.tenantMember.updateMany({
    where: { tenantId, role: 'owner', userId: { not: userId } },
    data: { role: 'admin' },
  });
  await tables.tenantMember.updateMany({
    where: { tenantId, userId, role: { not: 'owner' } },
    data: { role: 'owner' },
  });
}
