/** What is retained of erased tenants: how it is listed, and erased when it is due. */
import { z } from 'zod';
import { jobId, rowCount, serviceName, tableName, tenantId, timestamp } from './common.js';
import { ground, period } from './participant.js';

/** Query of the list of what is retained. */
export const retainedQuery = z.strictObject({
  tenant_id: tenantId.optional(),
  cursor: z.string().max(1000).optional().describe('`next_cursor` of the page before'),
});

/** Rows of one job that are retained on one ground; what stands in them is in the export alone. */
const retainedEntry = z.strictObject({
  tenant_id: tenantId,
  job_id: jobId,
  table: tableName,
  why: z
    .enum(['policy', 'referred_to'])
    .describe('The table is retained, or rows that are retained refer to these'),
  ground,
  period,
  rows: rowCount,
  first_due_at: timestamp.nullable().describe('When the first of them is due; null: never'),
  last_due_at: timestamp.nullable(),
  retained_at: timestamp,
});
export type RetainedEntry = z.infer<typeof retainedEntry>;

export const retainedPage = z.strictObject({
  service_name: serviceName,
  entries: z.array(retainedEntry).max(1000),
  next_cursor: z.string().max(1000).nullable(),
});
export type RetainedPage = z.infer<typeof retainedPage>;

export const eraseDueRequest = z.strictObject({
  run_id: z
    .uuid()
    .describe(
      'Names this run: the same again goes on, and is told all that it has erased, also by a lost answer',
    ),
  before: timestamp.describe('Erases rows that were due by then, and never such as are not due yet'),
  except_tenants: z.array(tenantId).max(10_000).default([]).describe('Tenants under a legal hold'),
  except_jobs: z.array(jobId).max(10_000).default([]).describe('Jobs whose retained rows stay, likewise'),
});
export type EraseDueRequest = z.input<typeof eraseDueRequest>;

export const erasedDue = z.strictObject({
  service_name: serviceName,
  erased: z
    .array(
      z.strictObject({
        tenant_id: tenantId,
        job_id: jobId,
        table: tableName,
        ground,
        rows: rowCount,
      }),
    )
    .max(100_000),
  held: rowCount.describe('Rows that were due and were left, since their tenant or job is excepted'),
  more: z.boolean().describe('Whether more is due: the same request again goes on'),
});
export type ErasedDue = z.infer<typeof erasedDue>;
