/** What the platform's records promise. Everything here survives Temporal; nothing here knows Temporal. */
import type {
  AbortCause,
  Decision,
  DeletionOptions,
  EndedStatus,
  JobPhase,
  JobStatus,
  JobView,
  ServiceError,
  WaitingFor,
} from '../protocol/jobs.js';
import type {
  FenceKind,
  LedgerState,
  OrphanUsers,
  SliceWait,
  TableCount,
  TableDigest,
} from '../protocol/participant.js';
import type { GateRecords, PivotWaits } from './gate-types.js';
import type { PortabilityRecords } from './portability-types.js';
import type { ProofRecords } from './proof-types.js';
import type { StaysGoneRecords } from './stays-gone.js';

/** Who did something: a user's id and role, a service, or the system itself. Never a name or an address. */
export interface Actor {
  readonly kind: 'user' | 'system';
  readonly id: string;
  readonly role: string;
  readonly requestId?: string;
}

export interface OpenJobRequest {
  readonly tenantId: string;
  readonly actor: Actor;
  readonly options: DeletionOptions;
  readonly restoreWindowMs: number;
  /** Whether somebody else has to approve it; by default where the options say so. */
  readonly approvalRequired?: boolean;
  /** Users who may still read the job when the tenant's memberships are gone. */
  readonly readers: readonly string[];
  readonly replayOf?: string;
}

/** Orders the writes of Temporal runs: an older pair is dropped, an end is never left. */
export interface WriteOrder {
  readonly epoch: number;
  readonly number: number;
}

export interface JobPatch {
  readonly status?: JobStatus;
  readonly phase?: JobPhase;
  readonly waitingFor?: WaitingFor | null;
  readonly outcome?: string | null;
  readonly previewHash?: string;
  readonly rowsTotal?: number;
  readonly stagedAt?: string;
}

export interface ServicePatch {
  readonly name: string;
  readonly role?: 'participant' | 'tenant_directory';
  readonly reversible?: boolean;
  readonly fence?: FenceKind;
  readonly state?: LedgerState;
  readonly planHash?: string;
  readonly counts?: readonly TableCount[];
  readonly rowsDone?: number;
  readonly rowsTotal?: number | null;
  /** Added to the attempts so far. */
  readonly addAttempts?: number;
  readonly lastError?: ServiceError | null;
  readonly waitingFor?: SliceWait | null;
  readonly verifiedAt?: string;
  readonly horizon?: string | null;
  readonly digests?: readonly TableDigest[];
  readonly orphanUsers?: OrphanUsers;
  /** Of the run that tells it: what an older run than the last one tells is dropped. */
  readonly epoch?: number;
}

/** The decision that stands after a compare-and-set, whoever made it. */
export interface DecisionFound {
  readonly decision: Decision;
  readonly cause: AbortCause | null;
  readonly at: string;
}

/** Jobs whose caller is allowed to see them. */
export interface JobFilter {
  readonly status?: readonly JobStatus[];
  readonly tenantId?: string;
  /** Only jobs that this service takes part in. */
  readonly service?: string;
  /** Only jobs in which this service has an error that it has not got over. */
  readonly failedService?: string;
  readonly from?: string;
  readonly to?: string;
  readonly overdue?: boolean;
  /** Only jobs that this user may read; absent: all. */
  readonly readableBy?: string;
  readonly cursor?: string;
  readonly limit: number;
}

export interface AuditEvent {
  readonly jobId: string | null;
  readonly tenantId: string | null;
  readonly actor: Actor;
  readonly action: string;
  readonly details: Readonly<Record<string, string | number | boolean | null>>;
  /** Further details that name users, by the users' ids: they are written as pseudonyms. */
  readonly people?: Readonly<Record<string, string>>;
}

/** Methods throw `Problem` for refusals, and `Problem('records_unavailable')` while the database is away. */
export interface Records extends GateRecords, StaysGoneRecords, ProofRecords, PortabilityRecords {
  /**
   * Writes a `pending` job, or returns the open one with the same options. Refuses with `job_open` (other options)
   * or `already_erased`.
   */
  openJob(request: OpenJobRequest): Promise<{ job: JobView; created: boolean }>;
  /** Throws `job_unknown`. */
  getJob(jobId: string): Promise<JobView>;
  mayRead(jobId: string, userId: string): Promise<boolean>;
  openJobOf(tenantId: string): Promise<JobView | null>;
  isErased(tenantId: string): Promise<boolean>;
  listJobs(filter: JobFilter): Promise<{ jobs: JobView[]; nextCursor: string | null }>;
  /** Every open job, for the reconciler. */
  openJobs(): Promise<JobView[]>;
  /** Jobs that need attention and whose replay was asked for, until a write of the run gives them another status. */
  replaysAskedFor(): Promise<JobView[]>;
  /** Latest ended job per tenant that a filter's replay would run again. */
  replayableJobs(filter: Omit<JobFilter, 'limit' | 'cursor'>): Promise<JobView[]>;

  /** The epoch of a Temporal run, given at its first write; the same run gets the same one. */
  beginRun(jobId: string, runId: string): Promise<number>;
  /** Returns false where the write was dropped as older. */
  updateJob(jobId: string, order: WriteOrder, patch: JobPatch): Promise<boolean>;
  updateService(jobId: string, patch: ServicePatch): Promise<void>;
  /**
   * Written before the first stage call to a service: from then on it may have been touched. Throws `state_conflict`
   * once the job is decided: who decided to abort could not know of it.
   */
  recordStageRequest(jobId: string, service: string): Promise<void>;

  /** Compare-and-set from none; returns what stands. */
  decideAbort(jobId: string, cause: AbortCause, actor: Actor): Promise<DecisionFound>;
  /** The pivot: locks the tenant's gate row, checks what must hold, sets `proceed`. Returns what stands, or what it waits for. */
  decideProceed(jobId: string): Promise<DecisionFound | PivotWaits>;
  decisionOf(jobId: string): Promise<DecisionFound | null>;
  /**
   * Ends the job; an end is never left. `completed` is for `completeJob` alone, with a certificate. Throws
   * `state_conflict` for an end that the decision excludes; an older run's is dropped, as the view then tells.
   */
  endJob(jobId: string, order: WriteOrder, status: EndedStatus, outcome: string): Promise<JobView>;
  /** Only while it waits for a date that has not come: `job_ended`, `state_conflict` with the state elsewhere. */
  reschedule(jobId: string, startAt: string, actor: Actor): Promise<JobView>;
  /** Notes that an operator asked for another try of a job that needs attention; else throws `not_replayable`. */
  requestReplay(jobId: string, actor: Actor): Promise<JobView>;

  audit(event: AuditEvent): Promise<void>;
  /** Unless the same event of the same tenant was written before; then false. */
  auditOnce(event: AuditEvent): Promise<boolean>;
  auditTrail(jobId: string): Promise<(AuditEvent & { at: string })[]>;
  /** Runs `work` if no other process holds the named advisory lock; returns null where one does. */
  withAdvisoryLock<T>(name: string, work: () => Promise<T>): Promise<T | null>;
  ready(): Promise<void>;
  close(): Promise<void>;
}
