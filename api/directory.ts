/** The tenant directory as the API uses it: who a caller is to a tenant, and whether the tenant exists. */
import type { ServiceClient } from '../protocol/client.js';
import type { DirectoryTenant } from '../protocol/directory.js';
import { Problem } from '../protocol/problems.js';
import type { ApiDependencies, User } from './dependencies.js';
import { allows, demand, type Right, type Standing, staffStandings } from './rights.js';

export interface Directory {
  /** Null where the company has no tenant directory. Throws `tenant_unknown`, or `already_erased`. */
  tenant(tenantId: string): Promise<DirectoryTenant | null>;
  /** What the caller is to this tenant, by the directory or, without one, by the token. */
  standings(user: User, tenantId: string): Promise<Standing[]>;
  /** Throws `forbidden`; asks the directory only where the token alone does not decide. */
  demandFor(right: Right, user: User, tenantId: string): Promise<void>;
  /** Throws `option_unavailable` where there is none. */
  service(): ServiceClient;
}

export function createDirectory({
  services,
  records,
}: Pick<ApiDependencies, 'services' | 'records'>): Directory {
  const service = services.find((client) => client.service.role === 'tenant_directory');

  async function tenant(tenantId: string): Promise<DirectoryTenant | null> {
    if (!service) return null;
    try {
      return await service.call('tenant', { params: { tenant_id: tenantId } });
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'tenant_unknown') throw error;
      if (await records.isErased(tenantId)) {
        throw new Problem('already_erased', 'This tenant has been erased; nothing is left to delete.');
      }
      throw error;
    }
  }

  async function standings(user: User, tenantId: string): Promise<Standing[]> {
    const found = await tenant(tenantId);
    const own = found === null ? user.tenants[tenantId] : standingIn(found, user);
    return [...staffStandings(user), ...(own ? [own] : [])];
  }

  return {
    tenant,
    standings,
    async demandFor(right, user, tenantId) {
      if (allows(right, staffStandings(user))) return;
      demand(right, await standings(user, tenantId).catch(hideUnknown));
    },
    service() {
      if (service) return service;
      throw new Problem(
        'option_unavailable',
        'No tenant directory is registered, so there is no ownership to change.',
      );
    },
  };
}

function standingIn(tenant: DirectoryTenant, user: User): Standing | undefined {
  if (tenant.owner_user_id === user.id) return 'owner';
  return tenant.admin_user_ids.includes(user.id) ? 'admin' : undefined;
}

// Whether a tenant exists is nothing that a stranger is told.
function hideUnknown(error: unknown): Standing[] {
  if (error instanceof Problem && (error.code === 'tenant_unknown' || error.code === 'already_erased'))
    return [];
  throw error;
}
