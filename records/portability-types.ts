/** What the records promise about exports, waivers and notices. */
import type { JobView } from '../protocol/jobs.js';
import type { NoticeKind, NoticeView, ServiceWaiver, WaiverUse } from '../protocol/portability.js';
import type { Actor } from './types.js';

export interface MadeExport {
  readonly bytes: number;
  readonly rows: number;
  readonly sha256: string;
  readonly expiresAt: string;
}

export interface WaiverRequest {
  readonly service: string;
  /** Null: every job. */
  readonly jobId: string | null;
  readonly reason: string;
  readonly actor: Actor;
}

/** Something to tell; what becomes of jobs is told by the database itself. */
export interface Notice {
  readonly kind: NoticeKind;
  readonly jobId: string | null;
  readonly tenantId: string;
  /** Nothing personal. */
  readonly facts: Readonly<Record<string, string | number | boolean | null>>;
}

/** One that is due, and the attempt at it that has begun. */
export interface DueNotice {
  readonly noticeId: bigint;
  readonly messageId: string;
  readonly kind: NoticeKind;
  readonly jobId: string | null;
  readonly tenantId: string;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly at: Date;
  readonly attempts: number;
  /** Null: the only one. */
  readonly receiver: string | null;
}

export interface PortabilityRecords {
  /** Throws `state_conflict` once the job is decided: whoever brings the rows back removes the file, too. */
  recordExport(jobId: string, made: MadeExport): Promise<JobView>;
  /** The file is gone, or about to be. */
  dropExport(jobId: string, because: 'removed' | 'expired'): Promise<void>;
  /** Jobs whose export's time is over and whose file may still be there. */
  expiredExports(): Promise<string[]>;

  /** It counts once somebody else has approved it. */
  requestWaiver(request: WaiverRequest): Promise<ServiceWaiver>;
  /** Throws `approver_is_requester`, `waiver_unknown`, or `state_conflict` where it was withdrawn. */
  approveWaiver(service: string, waiverId: string, actor: Actor): Promise<ServiceWaiver>;
  /** Throws `waiver_used` where the one job that it is for has gone on by it. */
  withdrawWaiver(service: string, waiverId: string, actor: Actor): Promise<ServiceWaiver>;
  /** Newest first. */
  listWaivers(service: string): Promise<ServiceWaiver[]>;
  /** Services of these that the job may go on without. */
  waivedFor(jobId: string, services: readonly string[]): Promise<string[]>;
  /** Goes on without a service, where an approved waiver says so; noted in the job once. Null where none does. */
  useWaiver(jobId: string, service: string, phase: string): Promise<WaiverUse | null>;
  /** What the certificate has to say of the job: every service that it went on without. */
  waiversOf(jobId: string): Promise<WaiverUse[]>;

  tell(notice: Notice): Promise<void>;
  /** Claims what is due for `leaseMs`; of each stream only the first, and where there are several receivers for each of them. */
  dueNotices(limit: number, leaseMs: number, receivers?: readonly string[]): Promise<DueNotice[]>;
  noticeDelivered(noticeId: bigint): Promise<void>;
  /** `retryInMs` null: it is given up, and the next of its stream may go. */
  noticeFailed(noticeId: bigint, error: string, retryInMs: number | null): Promise<void>;
  /** Of what was not told yet, or never; newest first. */
  undeliveredNotices(limit: number): Promise<NoticeView[]>;
  /** Forgets what is older than that, told or not. Gives how many. */
  forgetNotices(olderThanMs: number): Promise<number>;
}
