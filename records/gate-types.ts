/** What the records promise about approvals, legal holds, the halt and the cap. */
import type { HaltState, LegalHold } from '../protocol/gate.js';
import type { JobView, WaitingFor } from '../protocol/jobs.js';
import type { Actor, DecisionFound, WriteOrder } from './types.js';

/** How strict the gate is; a process passes what its configuration says. */
export interface GateRules {
  /** How long an approval is good for. */
  readonly approvalTtlMs: number;
  /** The share of rows that may have come on top of what was approved. */
  readonly rowsTolerance: number;
  /** How many tenants may go within an hour, and within a day; null: no limit. */
  readonly capPerHour: number | null;
  readonly capPerDay: number | null;
}

/**
 * Where a job asks whether it may go on. `suspend`: nothing is touched yet, and a slot of the cap is taken where it may.
 * `stage`: holds and the halt alone. `pivot`: as the pivot itself asks.
 */
export type GateStep = 'suspend' | 'stage' | 'pivot';

/** Either the decision that stands, or what the job waits for; both null: it may go on. */
export interface GateAnswer {
  readonly decision: DecisionFound | null;
  readonly waitingFor: WaitingFor | null;
}

/** No decision, since the job has to wait before its pivot. */
export interface PivotWaits {
  readonly decision: null;
  readonly cause: null;
  readonly at: null;
  readonly waitingFor: WaitingFor;
}

/** What the check of all services has found. */
export interface CheckedJob {
  readonly plans: readonly {
    readonly service: string;
    readonly planHash: string;
    readonly rows: number;
    readonly tables: readonly { readonly table: string; readonly rows: number }[] | null;
  }[];
  /** Null where some service's tables are too many to remember. */
  readonly previewHash: string | null;
}

export interface GateRecords {
  /**
   * Keeps what was checked and the hash that has to be approved. Where something was checked before, and what is found
   * now fits it, the hash stays; otherwise it is a new one and the job says what has changed. False: dropped as older.
   */
  recordCheck(jobId: string, order: WriteOrder, checked: CheckedJob): Promise<boolean>;
  /** Whether a job may go on past a step. Takes a slot of the cap before the suspension; who waits has none. */
  passGate(jobId: string, step: GateStep): Promise<GateAnswer>;
  /** What keeps a job back wherever it is: the halt or a hold. A read without locks. */
  heldBack(jobId: string): Promise<GateAnswer>;
  /**
   * Aborts the job where what was archived no longer is what was approved; then its end opens a successor. Null where
   * it fits, or needs no approval.
   */
  abortIfChanged(jobId: string): Promise<DecisionFound | null>;

  /** Throws `approver_is_requester`, `approval_stale`, `job_ended`, `past_pivot`, `state_conflict`. */
  approve(jobId: string, approvalHash: string, reason: string, actor: Actor): Promise<JobView>;
  /** The same, and decides to abort. */
  reject(jobId: string, approvalHash: string, reason: string, actor: Actor): Promise<JobView>;

  /**
   * Under the lock of the tenant's gate: 409 `past_pivot` where the deletion won, also where the tenant is erased.
   * `retainedRows`: also then, for what had to be kept.
   */
  placeHold(tenantId: string, reason: string, actor: Actor, retainedRows?: boolean): Promise<LegalHold>;
  /** Throws `hold_unknown`; one that was lifted already is answered as it is. */
  liftHold(holdId: string, reason: string, actor: Actor): Promise<LegalHold>;
  /** All holds of a tenant, newest first, also those that were lifted. */
  holdsOf(tenantId: string): Promise<LegalHold[]>;
  /** Tenants of whom anything may be erased only when their holds are lifted. */
  tenantsOnHold(): Promise<string[]>;

  /** Every job before its pivot stands still from the moment this answers. */
  halt(reason: string, actor: Actor): Promise<HaltState>;
  resume(reason: string, actor: Actor): Promise<HaltState>;
  haltState(): Promise<HaltState>;
}
