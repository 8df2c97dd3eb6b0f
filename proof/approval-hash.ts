/** The hash of what a job would do: whoever approves it says with it what they looked at. */
import { byCodeUnits, canonicalHash } from './canonical.js';

/** One service's part in what is approved. */
export interface ApprovedPlan {
  readonly service: string;
  readonly planHash: string;
  readonly rows: number;
  /** Null where there are too many to remember; the rows in all count then. */
  readonly tables: readonly { readonly table: string; readonly rows: number }[] | null;
}

/** Everything that an approval is about. */
export interface ToApprove {
  /** Another job's approval is worth nothing here, however alike the two are. */
  readonly jobId: string;
  readonly tenantId: string;
  readonly plans: readonly ApprovedPlan[];
  readonly restoreWindowMs: number;
  /** Those that change what is done; why and when it was asked for is not among them. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
}

/** SHA-256 in hex over the canonical JSON, whatever order services and tables come in. */
export function approvalHash({ jobId, tenantId, plans, restoreWindowMs, options }: ToApprove): string {
  const services = plans
    .map(({ service, planHash, rows, tables }) => ({
      service,
      plan_hash: planHash,
      rows,
      tables: tables === null ? null : sorted(tables),
    }))
    .sort((one, other) => byCodeUnits(one.service, other.service));
  return canonicalHash({
    job_id: jobId,
    tenant_id: tenantId,
    services,
    restore_window_ms: restoreWindowMs,
    options,
  });
}

function sorted(tables: NonNullable<ApprovedPlan['tables']>): { table: string; rows: number }[] {
  return tables
    .map(({ table, rows }) => ({ table, rows }))
    .sort((one, other) => byCodeUnits(one.table, other.table));
}
