/** What people say to a deletion before its pivot: approvals, legal holds, and the halt of everything. */
import { z } from 'zod';
import { jobId, planHash, tenantId, timestamp } from './common.js';

export const approvalVerdict = z.enum(['approved', 'rejected']);

/** What somebody other than the requester said to exactly one hash of a job. */
export const approval = z.strictObject({
  verdict: approvalVerdict,
  approval_hash: planHash,
  reason: z.string(),
  by: z.string(),
  role: z.string(),
  at: timestamp,
  /** Null for a rejection. */
  expires_at: timestamp.nullable(),
});
export type Approval = z.infer<typeof approval>;

export const legalHold = z.strictObject({
  hold_id: z.uuid(),
  tenant_id: tenantId,
  reason: z.string(),
  placed_by: z.string(),
  placed_at: timestamp,
  lifted_by: z.string().nullable(),
  lifted_at: timestamp.nullable(),
  lift_reason: z.string().nullable(),
});
export type LegalHold = z.infer<typeof legalHold>;
export const legalHolds = z.strictObject({ holds: z.array(legalHold) });

export const haltState = z.strictObject({
  halted: z.boolean(),
  reason: z.string().nullable(),
  by: z.string().nullable(),
  since: timestamp.nullable(),
});
export type HaltState = z.infer<typeof haltState>;

/** `restoring`: the jobs that go back because it was asked for. */
export const haltAnswer = haltState.extend({ restoring: z.array(jobId) });
