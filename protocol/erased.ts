/** Erased tenants as everybody sees them: the list, what came back, erasures again, and releases. */
import { z } from 'zod';
import { jobId, rowCount, serviceName, tableName, tenantId, timestamp } from './common.js';

/** A tenant who is gone. Where tenants are not known by UUID, a keyed hash stands for the key. */
export const erasedTenant = z.strictObject({
  tenant: z.string().min(1).max(200),
  key: z.enum(['uuid', 'hashed']),
  erased_at: timestamp,
  /** The job that erased the tenant first. */
  job_id: jobId,
});
export type ErasedTenant = z.infer<typeof erasedTenant>;

/** Rows of an erased tenant that a service says it has. */
export const returnedRows = z.strictObject({
  service: serviceName,
  rows: rowCount,
  tables: z.array(z.strictObject({ table: tableName, live_rows: rowCount, archived_rows: rowCount })),
  first_seen_at: timestamp,
  last_seen_at: timestamp,
  /** When a sweep found nothing any more; null while they are there. */
  cleared_at: timestamp.nullable(),
  /** The job that erases, or has erased, them again. */
  reapplied_by: jobId.nullable(),
});
export type ReturnedRows = z.infer<typeof returnedRows>;

/** One step of a release, by service. */
export const releaseView = z.strictObject({
  release_id: jobId,
  tenant_id: tenantId,
  status: z.enum(['requested', 'approved', 'completed', 'expired']),
  reason: z.string(),
  requested_by: z.string(),
  requested_at: timestamp,
  expires_at: timestamp,
  approved_by: z.string().nullable(),
  approved_at: timestamp.nullable(),
  completed_at: timestamp.nullable(),
  /** The mark that it lifts. */
  erased_at: timestamp,
  erased_by: jobId,
  /** Services that have answered, and how many tombstones each lifted; null where a service keeps none. */
  services: z.record(serviceName, z.int().nonnegative().nullable()),
});
export type ReleaseView = z.infer<typeof releaseView>;

/** `GET /erased-tenants/{tenant_id}`. */
export const erasedTenantView = erasedTenant.extend({
  /** The mark came with a list; the records of the job itself are lost. */
  imported_at: timestamp.nullable(),
  returned: z.array(returnedRows),
  /** Jobs that erased the tenant again, newest first. */
  reapplied_by: z.array(jobId),
  release: releaseView.nullable(),
});
export type ErasedTenantView = z.infer<typeof erasedTenantView>;

export const erasedPage = z.strictObject({
  tenants: z.array(erasedTenant.extend({ rows_returned: rowCount })),
  next_cursor: z.string().nullable(),
});

/** What services say of one erased tenant now. */
export const erasedCheck = z.strictObject({
  clean: z.boolean(),
  services: z.array(
    z.strictObject({
      name: serviceName,
      rows: rowCount.nullable(),
      tables: returnedRows.shape.tables,
      /** Why a service could not say. */
      error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
    }),
  ),
});
export type ErasedCheck = z.infer<typeof erasedCheck>;

/** The signed list, where JSON is asked for. */
export const erasedExport = z.strictObject({ list: z.string() });

export const erasedImport = z.strictObject({
  imported: z.int().nonnegative(),
  known: z.int().nonnegative(),
  /** Tenants with an open job, which is brought to its end first. */
  left_out: z.array(z.string()),
});
export type ErasedImport = z.infer<typeof erasedImport>;

export const reapplyRequest = z.strictObject({
  tenant_id: tenantId.optional(),
  dry_run: z.boolean().optional(),
  reason: z.string().min(1).max(1000).optional(),
  /** A page of the list at a time. */
  cursor: z.string().max(500).optional(),
});
export const reapplied = z.strictObject({
  checked: z.int().nonnegative(),
  tenants: z.array(
    z.strictObject({
      tenant: z.string(),
      rows: rowCount,
      /** Null in a dry run, and where it was left out. */
      job_id: jobId.nullable(),
      left_out: z.string().nullable().describe('The code of the reason why no job was made'),
    }),
  ),
  next_cursor: z.string().nullable(),
});
export type Reapplied = z.infer<typeof reapplied>;
