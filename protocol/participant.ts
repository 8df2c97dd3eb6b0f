/** What a participant is asked and what it answers: the deletion protocol's bodies. */
import { z } from 'zod';
import { jobId, planHash, rowCount, serviceName, tableName, tenantId, timestamp } from './common.js';

/** What the plan does with a table's rows. */
export const tableAction = z.enum(['delete', 'keep']);

/** Something that the plan noticed. A `refusal` means that the deletion cannot run as things stand. */
export const finding = z.strictObject({
  code: z.string().min(1).max(80),
  severity: z.enum(['info', 'warning', 'refusal']),
  table: tableName.nullable(),
  /** The privilege that is missing, where that is what was found, e.g. `DELETE`. */
  privilege: z.string().max(80).nullable(),
  message: z.string().max(2000),
  /** What a person does about it. */
  remedy: z.string().max(2000),
});
export type Finding = z.infer<typeof finding>;

export const deletionPreview = z.strictObject({
  tenant_id: tenantId,
  service_name: serviceName,
  plan_hash: planHash,
  /** Whether this service can bring the rows back until the pivot. */
  reversible: z.boolean(),
  total_rows: rowCount,
  tables: z
    .array(
      z.strictObject({
        table: tableName,
        action: tableAction,
        rows: rowCount,
        owned_by: z.string().max(1000),
      }),
    )
    .max(5000),
  findings: z.array(finding).max(5000),
});
export type DeletionPreview = z.infer<typeof deletionPreview>;

export const deletionTarget = z.enum(['staged', 'restored', 'purged']);
export type DeletionTarget = z.infer<typeof deletionTarget>;

export const ledgerState = z.enum([
  'absent',
  'staging',
  'staged',
  'restoring',
  'restored',
  'purging',
  'purged',
]);
export type LedgerState = z.infer<typeof ledgerState>;

export const deletionRequest = z.strictObject({
  target: deletionTarget,
  /** Asked for at `staged`, where another hash is refused as drift. */
  plan_hash: planHash.optional(),
  /** How long this slice may take before the service answers 202 with its progress. */
  time_budget_ms: z.int().min(100).max(60_000).default(5_000),
});
export type DeletionRequest = z.input<typeof deletionRequest>;

/** What a slice waits for, named so that a person can end it. */
export const sliceWait = z.strictObject({
  kind: z.enum(['older_transaction', 'lock']),
  since: timestamp,
  /** PostgreSQL's own words, with table and SQLSTATE where there is one; no values of rows. */
  reason: z.string().max(1000),
  /** Process id, user and, where the role may see it, age of what blocks. */
  blockers: z.array(z.string().max(500)).max(50),
});
export type SliceWait = z.infer<typeof sliceWait>;

/** The ledger's row, as a service tells it. `absent` where the service knows nothing of the job. */
export const deletionStatus = z.strictObject({
  tenant_id: tenantId,
  job_id: jobId,
  service_name: serviceName,
  state: ledgerState,
  plan_hash: planHash.nullable(),
  tables: z.array(z.strictObject({ table: tableName, rows: rowCount })).max(5000),
  rows_done: rowCount,
  rows_total: rowCount.nullable(),
  waiting_for: sliceWait.nullable(),
  staged_at: timestamp.nullable(),
  restored_at: timestamp.nullable(),
  purged_at: timestamp.nullable(),
  /** Whether a restore would work now, and why not. Null where there is nothing to restore. */
  restorable: z
    .strictObject({ possible: z.boolean(), reasons: z.array(z.string().max(1000)).max(100) })
    .nullable(),
});
export type DeletionStatus = z.infer<typeof deletionStatus>;

/** Result of the permanent deletion in one call. */
export const deletionResult = z.strictObject({
  tenant_id: tenantId,
  service_name: serviceName,
  success: z.boolean(),
  deleted_counts: z.record(tableName, rowCount),
  errors: z.array(z.strictObject({ code: z.string().max(80), message: z.string().max(2000) })).max(100),
});
export type DeletionResult = z.infer<typeof deletionResult>;

export const verification = z.strictObject({
  tenant_id: tenantId,
  job_id: jobId.nullable(),
  service_name: serviceName,
  /** Nothing left, live or archived, outside of what the policy keeps. */
  clean: z.boolean(),
  rows_left: rowCount,
  tables: z
    .array(z.strictObject({ table: tableName, live_rows: rowCount, archived_rows: rowCount }))
    .max(5000),
  /** The transaction id behind which no writer from before the fence can be; null where the store has none. */
  horizon: z.string().max(40).nullable(),
  horizon_passed: z.boolean(),
  waiting_for: sliceWait.nullable(),
  verified_at: timestamp,
});
export type Verification = z.infer<typeof verification>;

export const fenceKind = z.enum(['trigger', 'application', 'none']);

export const manifest = z.strictObject({
  service_name: serviceName,
  protocol_version: z.string().max(20),
  reversible: z.boolean(),
  fence: fenceKind,
  plan_hash: planHash,
  tables: z
    .array(z.strictObject({ table: tableName, action: tableAction, owned_by: z.string().max(1000) }))
    .max(5000),
  /** Tables that hold tenants' rows and that nobody has accepted into the declaration. */
  unaccepted_tables: z.array(tableName).max(5000),
  findings: z.array(finding).max(5000),
  open_jobs: z.array(z.strictObject({ tenant_id: tenantId, job_id: jobId, state: ledgerState })).max(10_000),
});
export type Manifest = z.infer<typeof manifest>;
