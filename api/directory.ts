/** The tenant directory as the API uses it: who a caller is to a tenant, and whether the tenant exists. */
import type { CallAnswer, CallName } from '../protocol/calls.js';
import type { CallParts } from '../protocol/client.js';
import type { DirectoryTenant } from '../protocol/directory.js';
import { hasEnded } from '../protocol/jobs.js';
import { Problem, type ProblemCode } from '../protocol/problems.js';
import type { ApiDependencies, Caller } from './dependencies.js';
import { allows, demand, type Right, type Standing, staffStandings } from './rights.js';

export interface Directory {
  /** Null where the company has no tenant directory. Throws `tenant_unknown`, or `already_erased`. */
  tenant(tenantId: string, requestId: string): Promise<DirectoryTenant | null>;
  /**
   * Throws where the caller lacks the right; asks the directory only where the token alone does not decide. Gives what
   * the caller was found to be.
   */
  demandFor(right: Right, caller: Caller, tenantId: string): Promise<readonly Standing[]>;
  /** Calls the directory. Throws `option_unavailable` where there is none. */
  call<N extends CallName>(name: N, parts: CallParts<N>, requestId: string): Promise<CallAnswer<N>>;
}

/** What the directory says about a request. Everything else it may answer is the platform's trouble with it. */
const ABOUT_THE_REQUEST: readonly ProblemCode[] = [
  'validation_failed',
  'tenant_unknown',
  'already_erased',
  'user_unknown',
  'not_a_member',
  'sole_owner',
  'deletion_open',
];

export function createDirectory({
  services,
  records,
}: Pick<ApiDependencies, 'services' | 'records'>): Directory {
  const service = services.find((client) => client.service.role === 'tenant_directory');

  async function call<N extends CallName>(
    name: N,
    parts: CallParts<N>,
    requestId: string,
  ): Promise<CallAnswer<N>> {
    if (!service) {
      throw new Problem(
        'option_unavailable',
        'No tenant directory is registered, so there is no ownership to look at or change.',
      );
    }
    try {
      return await service.call(name, parts, { requestId });
    } catch (error) {
      if (!(error instanceof Problem) || ABOUT_THE_REQUEST.includes(error.code)) throw error;
      // Passed on as it is, a 401 of the directory would tell the caller to mend a token that is good.
      const about = error.detail.includes(service.service.name) ? '' : `${service.service.name}: `;
      throw new Problem(
        error.code === 'service_invalid_answer' ? error.code : 'service_unavailable',
        `${about}${error.detail}`,
        { service: service.service.name },
        error.retryAfterSeconds,
      );
    }
  }

  async function tenant(tenantId: string, requestId: string): Promise<DirectoryTenant | null> {
    if (!service) return null;
    try {
      return await call('tenant', { params: { tenant_id: tenantId } }, requestId);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'tenant_unknown') throw error;
      if (await records.isErased(tenantId)) throw erased();
      throw error;
    }
  }

  async function standings(caller: Caller, tenantId: string): Promise<Standing[]> {
    const found = await tenant(tenantId, caller.requestId);
    const own = found === null ? ownByToken(caller, tenantId) : standingIn(found, caller);
    return [...staffStandings(caller), ...(own ? [own] : [])];
  }

  /** Memberships go with the tenant; then the readers of its jobs are told, and nobody else. */
  async function demandOfFormer(right: Right, caller: Caller, tenantId: string, gone: Problem) {
    const filter = { tenantId, readableBy: caller.id, limit: 1 };
    const job = (await records.listJobs(filter)).jobs[0];
    if (job === undefined) return demand(right, staffStandings(caller));
    if (right === 'read') return;
    // The directory knows of the end before the job has ended.
    if (!hasEnded(job.status)) {
      throw new Problem('past_pivot', 'The tenant is being erased and there is no way back any more.', {
        state: job.status,
        job_id: job.job_id,
      });
    }
    if (gone.code === 'already_erased') throw gone;
    demand(right, staffStandings(caller));
  }

  return {
    tenant,
    call,
    async demandFor(right, caller, tenantId) {
      const staff = staffStandings(caller);
      if (allows(right, staff)) return staff;
      try {
        const found = await standings(caller, tenantId);
        demand(right, found);
        return found;
      } catch (error) {
        // Whether a tenant exists is nothing that a stranger is told.
        const gone = error instanceof Problem && ['tenant_unknown', 'already_erased'].includes(error.code);
        if (!gone) throw error;
        await demandOfFormer(right, caller, tenantId, error);
        return staff;
      }
    },
  };
}

/** The refusal of everything that would need the tenant to exist. */
export function erased(): Problem {
  return new Problem('already_erased', 'This tenant has been erased; nothing is left of it.');
}

function standingIn(tenant: DirectoryTenant, caller: Caller): Standing | undefined {
  if (tenant.owner_user_id === caller.id) return 'owner';
  return tenant.admin_user_ids.includes(caller.id) ? 'admin' : undefined;
}

function ownByToken(caller: Caller, tenantId: string): Standing | undefined {
  return Object.hasOwn(caller.tenants, tenantId) ? caller.tenants[tenantId] : undefined;
}
