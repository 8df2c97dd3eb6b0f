/** The export of a job's data, services that a job goes on without, and what receivers are told. */
import { z } from 'zod';
import { jobId, rowCount, serviceName, timestamp } from './common.js';

/** `made`: it can be fetched; `removed`: the rows came back, so nothing was exported for good; `expired`: its time is over. */
export const jobExport = z.strictObject({
  state: z.enum(['asked', 'made', 'removed', 'expired']),
  bytes: z.int().nonnegative().nullable(),
  rows: rowCount.nullable(),
  sha256: z.string().nullable(),
  made_at: timestamp.nullable(),
  expires_at: timestamp.nullable(),
});
export type JobExport = z.infer<typeof jobExport>;

/** A service that a job went on without: nobody knows what is left there. */
export const waiverUse = z.strictObject({
  service: serviceName,
  waiver_id: z.uuid(),
  reason: z.string(),
  requested_by: z.string(),
  approved_by: z.string(),
  /** The step that was left out first. */
  phase: z.string(),
  at: timestamp,
});
export type WaiverUse = z.infer<typeof waiverUse>;

/** That jobs, or one job, may go on without a service; it counts once a second person has approved it. */
export const serviceWaiver = z.strictObject({
  waiver_id: z.uuid(),
  service: serviceName,
  /** Null: every job. */
  job_id: jobId.nullable(),
  reason: z.string(),
  requested_by: z.string(),
  requested_at: timestamp,
  approved_by: z.string().nullable(),
  approved_at: timestamp.nullable(),
  withdrawn_by: z.string().nullable(),
  withdrawn_at: timestamp.nullable(),
  /** When a job went on by it first. */
  used_at: timestamp.nullable(),
});
export type ServiceWaiver = z.infer<typeof serviceWaiver>;
export const serviceWaivers = z.strictObject({ waivers: z.array(serviceWaiver) });

export const NOTICE_KINDS = [
  'deletion_job.waiting',
  'deletion_job.needs_attention',
  'deletion_job.ended',
  'deletion_job.status_changed',
  'tenant.rows_came_back',
] as const;
export type NoticeKind = (typeof NOTICE_KINDS)[number];

/** The body of a webhook: nothing in it is personal, and whoever gets it twice knows by `webhook-id`. */
export const noticeBody = z.strictObject({
  type: z.enum(NOTICE_KINDS),
  timestamp,
  data: z.looseObject({
    job_id: jobId.nullable(),
    /** The tenant as it may be named outside of the records; null where it may not. */
    tenant: z.string().nullable(),
  }),
});
export type NoticeBody = z.infer<typeof noticeBody>;

/** What receivers are asked that have to agree before anything is staged. */
export const preStageBody = z.strictObject({
  type: z.literal('deletion_job.pre_stage'),
  timestamp,
  data: z.strictObject({ job_id: jobId, tenant: z.string().nullable() }),
});
export type PreStageBody = z.infer<typeof preStageBody>;

/** A webhook that was not delivered, or not yet. */
export const noticeView = z.strictObject({
  message_id: z.uuid(),
  type: z.string(),
  /** By its host, where there are several. */
  receiver: z.string().nullable(),
  job_id: jobId.nullable(),
  at: timestamp,
  attempts: z.int().nonnegative(),
  next_at: timestamp.nullable(),
  last_error: z.string().nullable(),
  given_up_at: timestamp.nullable(),
});
export type NoticeView = z.infer<typeof noticeView>;
export const undelivered = z.strictObject({ notices: z.array(noticeView) });
