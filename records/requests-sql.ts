/** The SQL of a request for a deletion: what stands in its way, and the job that it becomes. */
import type { StoredOptions } from './options.js';
import { only } from './sql.js';
import type { SqlClient } from './sql-client.js';

/** The mark of an erased tenant, as it stands with the tenant's gate. */
export interface ErasedGate {
  readonly tenantId: string;
  readonly keyHashed: boolean;
  readonly erasedAt: Date;
  readonly erasedBy: string;
  readonly importedAt: Date | null;
}

/** The gate that says that this tenant is gone, by key or by hash; null where none does. */
export async function findErasedGate(
  client: SqlClient,
  tenantId: string,
  publicKey: string | null,
): Promise<ErasedGate | null> {
  const gates = await client.$queryRaw<ErasedGate[]>`
    SELECT tenant_id AS "tenantId", key_hashed AS "keyHashed", erased_at AS "erasedAt", erased_by AS "erasedBy",
      imported_at AS "importedAt"
    FROM lethe_records.tenant_gates
    WHERE erased_at IS NOT NULL
      AND (tenant_id = ${tenantId} AND NOT key_hashed OR tenant_id = ${publicKey} AND key_hashed)
    ORDER BY key_hashed LIMIT 1`;
  return gates[0] ?? null;
}

/** How many legal holds keep a tenant. */
export async function countHolds(client: SqlClient, tenantId: string): Promise<number> {
  const rows = await client.$queryRaw<{ holds: number }[]>`
    SELECT count(*)::int AS holds FROM lethe_records.legal_holds
    WHERE tenant_id = ${tenantId} AND lifted_at IS NULL`;
  return only(rows).holds;
}

export interface NewJob {
  readonly jobId: string;
  readonly tenantId: string;
  readonly options: StoredOptions;
  readonly reason: string | null;
  readonly restoreWindowMs: number;
  readonly previewHash: string | null;
  readonly requestedBy: string;
  readonly requestedAt: Date;
  readonly startAt: Date | null;
  readonly dueAt: Date | null;
  readonly replayOf: string | null;
  readonly approvalRequired: boolean;
  readonly readers: readonly string[];
}

/** The job, who may read it, and that it is the tenant's latest; under the lock of the tenant's gate. */
export async function insertJob(client: SqlClient, job: NewJob): Promise<void> {
  await client.$executeRaw`
    WITH job AS (
      INSERT INTO lethe_records.deletion_jobs (job_id, tenant_id, options, reason, restore_window_ms, preview_hash,
        requested_by, requested_at, start_at, due_at, replay_of, approval_required)
      VALUES (${job.jobId}::uuid, ${job.tenantId}, ${JSON.stringify(job.options)}::jsonb, ${job.reason},
        ${job.restoreWindowMs}::bigint, ${job.previewHash}, ${job.requestedBy}, ${job.requestedAt},
        ${job.startAt}, ${job.dueAt}, ${job.replayOf}::uuid, ${job.approvalRequired})
      RETURNING job_id, tenant_id
    ), readers AS (
      INSERT INTO lethe_records.deletion_job_readers (job_id, user_id)
      SELECT job.job_id, reader FROM job CROSS JOIN unnest(${[...new Set(job.readers)]}::text[]) AS reader
    )
    UPDATE lethe_records.tenant_gates g SET latest_job_id = job.job_id FROM job WHERE g.tenant_id = job.tenant_id`;
}
