/** A tenant directory by the protocol, in memory: it suspends, and goes last. */
import { Problem } from '../../protocol/problems.js';
import type { Participant } from '../../services/http/participant.js';

export interface StagingDirectory extends Participant {
  readonly tenants: Set<string>;
  /** Null where there is no such tenant. */
  isSuspended(tenantId: string): boolean | null;
}

export function stagingDirectory(name: string): StagingDirectory {
  const table = `${name}.tenants`;
  const planHash = 'd'.repeat(64);
  const suspensions = new Map<string, Map<string, 'set' | 'lifted'>>();
  const purged = new Map<string, number>();
  const rowsOf = (tenantId: string) => (directory.tenants.has(tenantId) ? 1 : 0);

  const directory: StagingDirectory = {
    name,
    tenants: new Set(),
    isSuspended: (tenantId) =>
      directory.tenants.has(tenantId)
        ? [...(suspensions.get(tenantId)?.values() ?? [])].includes('set')
        : null,
    calls: {
      preview: async ({ params }) => ({
        tenant_id: params.tenant_id,
        service_name: name,
        plan_hash: planHash,
        reversible: false,
        total_rows: rowsOf(params.tenant_id),
        tables: [{ table, action: 'delete', rows: rowsOf(params.tenant_id), owned_by: 'id' }],
        findings: [],
      }),
      suspend: async ({ params, body }) => {
        const { tenant_id } = params;
        const { job_id, suspended } = body;
        if (!directory.tenants.has(tenant_id)) throw new Problem('tenant_unknown', 'No such tenant.');
        const ofTenant = suspensions.get(tenant_id) ?? new Map<string, 'set' | 'lifted'>();
        suspensions.set(tenant_id, ofTenant);
        // What a job has lifted it does not set again: its request to suspend was late.
        if (!suspended) ofTenant.set(job_id, 'lifted');
        else if (!ofTenant.has(job_id)) ofTenant.set(job_id, 'set');
        return { tenant_id, job_id, suspended: ofTenant.get(job_id) === 'set' };
      },
      advance: async ({ params, body }) => {
        const { tenant_id, job_id } = params;
        if (body.target !== 'purged') throw new Problem('target_unsupported', 'A directory cannot stage.');
        const key = `${tenant_id}/${job_id}`;
        const rows = (purged.get(key) ?? 0) + rowsOf(tenant_id);
        purged.set(key, rows);
        directory.tenants.delete(tenant_id);
        return {
          tenant_id,
          job_id,
          service_name: name,
          state: 'purged',
          plan_hash: planHash,
          tables: [{ table, rows }],
          rows_done: rows,
          rows_total: rows,
          waiting_for: null,
          staged_at: null,
          restored_at: null,
          purged_at: new Date().toISOString(),
          restorable: null,
          orphan_users: { policy: 'report', found: 2, deleted: 0 },
        };
      },
      verification: async ({ params, query }) => ({
        tenant_id: params.tenant_id,
        job_id: query.job_id ?? null,
        service_name: name,
        clean: rowsOf(params.tenant_id) === 0,
        rows_left: rowsOf(params.tenant_id),
        tables: [{ table, live_rows: rowsOf(params.tenant_id), archived_rows: 0 }],
        horizon: null,
        horizon_passed: true,
        waiting_for: null,
        verified_at: new Date().toISOString(),
      }),
    },
    ready: async () => undefined,
    close: async () => undefined,
  };
  return directory;
}
