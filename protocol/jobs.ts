/** A deletion job as everybody sees it: its states, what it waits for, and the record that the API shows. */
import { z } from 'zod';
import { jobId, planHash, rowCount, serviceName, tenantId, timestamp } from './common.js';
import { approval } from './gate.js';
import {
  deletionPreview,
  fenceKind,
  ledgerState,
  orphanUsers,
  sliceWait,
  tableCount,
} from './participant.js';
import { jobExport, waiverUse } from './portability.js';

export const JOB_STATUSES = [
  'pending',
  'in_progress',
  'waiting',
  'needs_attention',
  'compensating',
  'completed',
  'compensated',
  'cancelled',
  'refused',
] as const;
export const jobStatus = z.enum(JOB_STATUSES);
export type JobStatus = z.infer<typeof jobStatus>;

export const ENDED_STATUSES = [
  'completed',
  'compensated',
  'cancelled',
  'refused',
] as const satisfies JobStatus[];
export type EndedStatus = (typeof ENDED_STATUSES)[number];
export function hasEnded(status: JobStatus): status is EndedStatus {
  return (ENDED_STATUSES as readonly JobStatus[]).includes(status);
}

/** The steps of the saga, in their order. */
export const JOB_PHASES = [
  'open',
  'date',
  'check',
  'approval',
  'suspend',
  'stage',
  'export',
  'window',
  'pivot',
  'purge',
  'directory',
  'verify',
  'certificate',
  'restore',
  'ended',
] as const;
export const jobPhase = z.enum(JOB_PHASES);
export type JobPhase = z.infer<typeof jobPhase>;

/** The job record's one irrevocable field. */
export const decision = z.enum(['abort', 'proceed']);
export type Decision = z.infer<typeof decision>;
/** Why a job was aborted; it fixes how the job ends. */
export const abortCause = z.enum(['cancel', 'failure', 'refusal']);
export type AbortCause = z.infer<typeof abortCause>;

export const waitingFor = z.strictObject({
  kind: z.enum([
    'date',
    'approval',
    'window',
    'hold',
    'cap',
    'halt',
    'older_transaction',
    'service',
    'receiver',
    'certificate',
    'restore_conflict',
  ]),
  since: timestamp,
  until: timestamp.nullable(),
  who_can_act: z.string(),
  next_action: z.string(),
});
export type WaitingFor = z.infer<typeof waitingFor>;

/** An error as it is kept with a service of a job. */
export const serviceError = z.strictObject({
  code: z.string(),
  message: z.string(),
  table: z.string().nullable(),
  privilege: z.string().nullable(),
  sqlstate: z.string().nullable(),
  at: timestamp,
});
export type ServiceError = z.infer<typeof serviceError>;

/** What one service has done for a job. */
export const jobService = z.strictObject({
  name: serviceName,
  role: z.enum(['participant', 'tenant_directory']),
  reversible: z.boolean(),
  /** What keeps late writes out there, by its manifest at the check; null where it has none, or was not asked yet. */
  fence: fenceKind.nullable().optional(),
  /** As last told by the service; `absent` before it was asked. */
  state: ledgerState,
  plan_hash: planHash.nullable(),
  /** When the service was first asked to stage: from then on it may have been touched. */
  stage_requested_at: timestamp.nullable(),
  /** Rows that have left, per table; after the purge also what was retained, anonymized and kept. */
  counts: z.array(tableCount),
  rows_done: rowCount,
  rows_total: rowCount.nullable(),
  attempts: z.int().nonnegative().describe('Tries that failed, of all its steps together'),
  last_error: serviceError.nullable(),
  waiting_for: sliceWait.nullable(),
  verified_at: timestamp.nullable(),
  /** Of the tenant directory, once it has purged: users whose only tenant this was. */
  orphan_users: orphanUsers.optional(),
  /** Where the job went on without it, by whose leave. */
  waived: waiverUse.nullable().optional(),
  updated_at: timestamp,
});
export type JobService = z.infer<typeof jobService>;

export const jobView = z.strictObject({
  job_id: jobId,
  tenant_id: tenantId,
  status: jobStatus,
  phase: jobPhase,
  reversible: z.boolean(),
  decision: decision.nullable(),
  abort_cause: abortCause.nullable(),
  waiting_for: waitingFor.nullable(),
  /** Why the job ended or needs attention, in a sentence. */
  outcome: z.string().nullable(),
  reason: z.string().nullable(),
  requested_by: z.string(),
  requested_at: timestamp,
  start_at: timestamp.nullable(),
  due_at: timestamp.nullable(),
  overdue: z.boolean(),
  restore_window_ms: z.int().nonnegative(),
  staged_at: timestamp.nullable(),
  decided_at: timestamp.nullable(),
  ended_at: timestamp.nullable(),
  replay_of: jobId.nullable(),
  /** The job that erased the tenant first, where this one erases what came back. */
  reapplies: jobId.nullable().optional(),
  /** The services that such a job is about; null: all. */
  scope: z.array(serviceName).nullable().optional(),
  /** Whether somebody other than the requester has to approve it. */
  approval_required: z.boolean(),
  /** Over job, tenant, every service's plan and counts, and the options that matter; null before the check. */
  approval_hash: planHash.nullable(),
  /** What no longer is as it was approved. */
  approval_change: z.string().nullable(),
  approvals: z.array(approval),
  /** The job that waits for an approval of what there is by now, in the place of this one. */
  continued_by: jobId.nullable(),
  preview_hash: planHash.nullable(),
  rows_total: rowCount.nullable(),
  rows_deleted: rowCount,
  services: z.array(jobService),
  /** Null where no export was asked for. */
  export: jobExport.nullable().optional(),
  /** Services that the job went on without; those that were left out at the check are in no other list. */
  waivers: z.array(waiverUse).optional(),
});
export type JobView = z.infer<typeof jobView>;

/** Options of a deletion; a request may tighten what is configured, never loosen it. */
export const deletionOptions = z.strictObject({
  reason: z.string().min(1).max(1000).optional(),
  start_at: timestamp.optional(),
  /** As people write durations: `30s`, `72h`. */
  restore_window: z.string().max(40).optional(),
  require_approval: z.boolean().optional(),
  preview_hash: planHash.optional(),
  /** The tenant's name, as the directory has it: so that a wrong id is noticed. */
  confirm_name: z.string().min(1).max(500).optional(),
  due_at: timestamp.optional(),
  /** The tenant's data as one file, out of what is deleted. */
  export: z.boolean().optional(),
});
export type DeletionOptions = z.infer<typeof deletionOptions>;

/** Every service's preview of one tenant. A service that did not answer is named, not left out. */
export const tenantPreview = z.strictObject({
  tenant_id: tenantId,
  /** Over tenant, plans and counts; null while a service has not answered. */
  preview_hash: planHash.nullable(),
  total_rows: rowCount,
  reversible: z.boolean(),
  /** By what a person would recognise the tenant; null where there is no tenant directory. */
  tenant: z
    .strictObject({
      name: z.string(),
      status: z.enum(['active', 'suspended']),
      created_at: timestamp,
      members: rowCount.nullable(),
      last_activity_at: timestamp.nullable(),
    })
    .nullable()
    .optional(),
  services: z.array(
    z.strictObject({
      name: serviceName,
      role: z.enum(['participant', 'tenant_directory']),
      preview: deletionPreview.nullable(),
      error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
    }),
  ),
});
export type TenantPreview = z.infer<typeof tenantPreview>;

/** One page of a list; `next_cursor` is null on the last. */
export const jobPage = z.strictObject({ jobs: z.array(jobView), next_cursor: z.string().nullable() });

export const replayFilter = z.strictObject({
  tenant_id: tenantId.optional(),
  status: z.enum(['needs_attention', 'compensated', 'refused']).optional(),
  service: serviceName.optional(),
  from: timestamp.optional(),
  to: timestamp.optional(),
  dry_run: z.boolean().optional(),
});
export const replayedJobs = z.strictObject({
  jobs: z.array(z.strictObject({ job_id: jobId, tenant_id: tenantId, replay_of: jobId.nullable() })),
});
