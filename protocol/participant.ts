/** What a participant is asked and what it answers: the deletion protocol's bodies. */
import { z } from 'zod';
import { jobId, planHash, rowCount, serviceName, tableName, tenantId, timestamp } from './common.js';

/**
 * What the plan does with a table's rows: `delete` and `retain` leave the live tables, the latter for a place of their
 * own until a date; `anonymize` stays and no longer leads to the tenant; `keep` stays as it is.
 */
export const tableAction = z.enum(['delete', 'retain', 'anonymize', 'keep']);
export type TableAction = z.infer<typeof tableAction>;

export const ground = z.string().max(1000);
export const period = z.string().max(100).describe('As ISO 8601 writes durations, e.g. P10Y');

/** What a service says of a table that it retains; of others nothing. */
const retentionTerms = {
  ground: ground.optional().describe('Of retain: the legal ground'),
  period: period.optional(),
  starts: z.string().max(500).optional().describe('Of retain: what the period is counted from, in words'),
  retained_with: z
    .array(tableName)
    .max(5000)
    .optional()
    .describe('Tables whose retained rows may refer to rows of this one, which are then retained with them'),
};

/** What became of a table's rows, as far as it is known yet. Only who has such policies needs to say it. */
const tableOutcome = {
  deleted: rowCount.optional(),
  retained: rowCount.optional().describe('Moved to where they are kept until their date'),
  anonymized: rowCount.optional().describe("Still there, and no longer the tenant's"),
  kept: rowCount.optional().describe('Still there as they were, as the policy says'),
  ground: ground
    .optional()
    .describe('Of retained rows: the legal ground; several are separated by semicolons'),
  retain_until: timestamp
    .nullable()
    .optional()
    .describe('When the last of the retained rows is due; null: no date is known'),
};

/** What has become of one table's rows in a job. */
export const tableCount = z.strictObject({
  table: tableName,
  rows: rowCount.describe('Rows that have left the live table'),
  ...tableOutcome,
});
export type TableCount = z.infer<typeof tableCount>;

/** Something that the plan noticed. A `refusal` means that the deletion cannot run as things stand. */
export const finding = z.strictObject({
  code: z.string().min(1).max(80),
  severity: z.enum(['info', 'warning', 'refusal']),
  table: tableName.nullable(),
  privilege: z
    .string()
    .max(80)
    .nullable()
    .describe('The privilege that is missing, where that is what was found, e.g. DELETE'),
  message: z.string().max(2000),
  remedy: z.string().max(2000).describe('What a person does about it'),
});
export type Finding = z.infer<typeof finding>;

export const fenceKind = z.enum(['trigger', 'application', 'none']);
export type FenceKind = z.infer<typeof fenceKind>;

export const deletionPreview = z.strictObject({
  tenant_id: tenantId,
  service_name: serviceName,
  plan_hash: planHash,
  reversible: z.boolean().describe('Whether this service can bring the rows back until the pivot'),
  fence: fenceKind
    .optional()
    .describe('As in the manifest, which the check asks for where the preview does not say it'),
  total_rows: rowCount.describe(
    'Rows that would go: the sum over the tables with the actions delete and retain',
  ),
  tables: z
    .array(
      z.strictObject({
        table: tableName,
        action: tableAction,
        rows: rowCount,
        owned_by: z.string().max(1000).describe("Why the rows are the tenant's, in words"),
        ...retentionTerms,
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
  plan_hash: planHash.optional().describe('Needed at staged, where another hash is refused as drift'),
  time_budget_ms: z
    .int()
    .min(100)
    .max(60_000)
    .default(5_000)
    .describe('How long this slice may take before the service answers 202 with its progress'),
  digests: z
    .boolean()
    .optional()
    .describe(
      'At staged: digest the archive, also where it is staged already; asked again until the answer has `digests`. At purged it is digested before it is dropped, unless this is false',
    ),
});
export type DeletionRequest = z.input<typeof deletionRequest>;

/** What a slice waits for, named so that a person can end it. */
export const sliceWait = z.strictObject({
  kind: z.enum(['older_transaction', 'lock']),
  since: timestamp,
  reason: z
    .string()
    .max(1000)
    .describe("The store's own words, with table and SQLSTATE where there is one; no values of rows"),
  blockers: z
    .array(z.string().max(500))
    .max(50)
    .describe('Process id, user and, where the role may see it, age of what blocks'),
});
export type SliceWait = z.infer<typeof sliceWait>;

/**
 * What an archive held of one table: SHA-256 over each row, keyed with a secret of the job that stays in the service,
 * added up in four lanes of 64 bits. The order of rows does not matter, and equal rows do not cancel.
 */
export const tableDigest = z.strictObject({
  table: tableName,
  rows: rowCount.describe('Rows that the archive held'),
  digest: z.string().regex(/^[0-9a-f]{64}$/, 'four lanes of 64 bits in hex'),
  exported: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'four lanes of 64 bits in hex')
    .optional()
    .describe(
      'The same over the rows as the export writes them, without secret columns, keyed with the key that the export names; only where digests were asked for at staged',
    ),
});
export type TableDigest = z.infer<typeof tableDigest>;

/** What becomes of users whose only tenant goes: told alone, deleted, or left as they are. */
export const orphanPolicy = z.enum(['report', 'delete', 'keep']);
export type OrphanPolicy = z.infer<typeof orphanPolicy>;

export const orphanUsers = z.strictObject({
  policy: orphanPolicy,
  found: rowCount.describe('Members of this tenant who were in no other one'),
  deleted: rowCount,
});
export type OrphanUsers = z.infer<typeof orphanUsers>;

/** The ledger's row, as a service tells it. `absent` where the service knows nothing of the job. */
export const deletionStatus = z.strictObject({
  tenant_id: tenantId,
  job_id: jobId,
  service_name: serviceName,
  state: ledgerState,
  plan_hash: planHash.nullable(),
  tables: z.array(tableCount).max(5000),
  rows_done: rowCount.describe('Progress towards the target of the last request'),
  rows_total: rowCount.nullable(),
  waiting_for: sliceWait.nullable(),
  staged_at: timestamp.nullable(),
  restored_at: timestamp.nullable(),
  purged_at: timestamp.nullable(),
  restorable: z
    .strictObject({ possible: z.boolean(), reasons: z.array(z.string().max(1000)).max(100) })
    .nullable()
    .describe(
      'Whether a restore would work now, and why not. Null where there is nothing to restore, or nobody asked',
    ),
  digests: z
    .array(tableDigest)
    .max(5000)
    .optional()
    .describe('Of what was archived, once it has been digested; kept after the archive is dropped'),
  orphan_users: orphanUsers
    .optional()
    .describe('Of a tenant directory, once it has purged: users whose only tenant this was'),
});
export type DeletionStatus = z.infer<typeof deletionStatus>;

/** Result of the permanent deletion in one call. */
export const deletionResult = z.strictObject({
  tenant_id: tenantId,
  service_name: serviceName,
  success: z.boolean(),
  deleted_counts: z.record(tableName, rowCount).describe('Per table, in all calls of this job together'),
  errors: z.array(z.strictObject({ code: z.string().max(80), message: z.string().max(2000) })).max(100),
});
export type DeletionResult = z.infer<typeof deletionResult>;

export const verification = z.strictObject({
  tenant_id: tenantId,
  job_id: jobId.nullable(),
  service_name: serviceName,
  clean: z.boolean().describe('Nothing left, live or archived, outside of what the policy keeps'),
  rows_left: rowCount,
  tables: z
    .array(
      z.strictObject({
        table: tableName,
        live_rows: rowCount.describe('Rows of the tenant that should not be there'),
        archived_rows: rowCount,
        ...tableOutcome,
      }),
    )
    .max(5000),
  horizon: z
    .string()
    .max(40)
    .nullable()
    .describe(
      'What every writer from before the fence is older than, e.g. a transaction id; null where the store has none',
    ),
  horizon_passed: z
    .boolean()
    .describe('Whether every writer from before the fence is gone; asked again until it is true'),
  waiting_for: sliceWait.nullable(),
  verified_at: timestamp,
});
export type Verification = z.infer<typeof verification>;

export const tombstonesReleased = z.strictObject({
  tenant_id: tenantId,
  service_name: serviceName,
  released: rowCount.describe('Tombstones that were lifted now'),
});
export type TombstonesReleased = z.infer<typeof tombstonesReleased>;

export const manifest = z.strictObject({
  service_name: serviceName,
  protocol_version: z.string().max(20),
  reversible: z.boolean(),
  fence: fenceKind,
  plan_hash: planHash,
  tables: z
    .array(
      z.strictObject({
        table: tableName,
        action: tableAction,
        owned_by: z.string().max(1000),
        ...retentionTerms,
      }),
    )
    .max(5000),
  unaccepted_tables: z
    .array(tableName)
    .max(5000)
    .describe("Tables that hold tenants' rows and that nobody has accepted into the declaration"),
  findings: z.array(finding).max(5000),
  open_jobs: z
    .array(z.strictObject({ tenant_id: tenantId, job_id: jobId, state: ledgerState }))
    .max(10_000)
    .describe('Jobs whose ledger is neither restored nor purged'),
  break_glass: z
    .array(
      z.strictObject({
        tenant_id: tenantId,
        job_id: jobId,
        target: deletionTarget,
        reason: z.string().max(2000),
        by: z.string().max(200),
        at: timestamp,
      }),
    )
    .max(1000)
    .optional()
    .describe('Steps that somebody took at the service itself, without the platform; newest first'),
});
export type Manifest = z.infer<typeof manifest>;
