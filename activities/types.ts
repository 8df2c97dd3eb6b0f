/** What activities are given and what they answer. It stands in Temporal's history: nothing of a tenant goes in here. */
import type { AbortCause, Decision, EndedStatus, WaitingFor } from '../protocol/jobs.js';
import type { RegistryEntry } from '../protocol/registry.js';
import type { GateStep } from '../records/gate-types.js';
import type { JobPatch } from '../records/types.js';

export interface SagaSettings {
  /** No progress for so long before the pivot means that everything goes back. */
  readonly giveUpAfterMs: number;
  readonly olderTransactionLimitMs: number;
  readonly longestTransactionMs: number;
  readonly sliceMs: number;
  readonly attentionRetryEveryMs: number;
}

export interface OfJob {
  readonly jobId: string;
}
export interface OfService extends OfJob {
  readonly service: string;
}
/** A step that may have to say what it waits for; its number is that of its phase. */
export interface StepInput extends OfService {
  readonly number: number;
}
/** A write of the job's record; numbers of one run only grow. */
export interface NumberedWrite extends OfJob {
  readonly number: number;
}

/** The decision that stands, and whether the job has ended by it. */
export interface DecisionState {
  readonly decision: Decision | null;
  readonly cause: AbortCause | null;
  readonly ended: EndedStatus | null;
}

/** The decision, and what the job waits for where there is none; neither: it may go on. */
export interface GateState extends DecisionState {
  /** Absent in histories from before there was a gate. */
  readonly waitsFor?: WaitingFor | null;
}
export interface GateInput extends OfJob {
  readonly step: GateStep;
}

export interface SagaService {
  readonly name: string;
  readonly role: RegistryEntry['role'];
  readonly reversible: boolean;
  /** It was asked to stage, or to suspend, by this run or an earlier one: it may have been touched. */
  readonly touched: boolean;
}

/** What a service's failure was, without a word of what a row holds: that stays in the record. */
export interface Fault {
  readonly service: string | null;
  readonly code: string;
  readonly table: string | null;
  readonly privilege: string | null;
  readonly sqlstate: string | null;
  /** It ended by the limit on waiting for transactions from before the fence. */
  readonly olderTransaction: boolean;
}

/** What the record says of a job, as far as the workflow acts on it. */
export interface JobState extends DecisionState {
  readonly startAt: string | null;
  readonly stagedAt: string | null;
  readonly restoreWindowMs: number;
  readonly services: readonly SagaService[];
  /** It erases again what came back of a tenant who is gone: no directory knows the tenant, so there is nothing to suspend. */
  readonly reapplies?: boolean;
  /** The tenant's data was asked for as a file. */
  readonly exports?: boolean;
  /** Services that the job went on without. */
  readonly waived?: readonly string[];
  /** Receivers that have to agree before anything is staged, by name; absent where there are none. */
  readonly receivers?: readonly string[];
  /** Names of the services that the registry has now and that the job is about. */
  readonly registered: readonly string[];
  /** The errors kept with the services. */
  readonly faults: readonly Fault[];
  /** A hold or the halt, as last read; absent where nobody looked. */
  readonly heldBy?: WaitingFor | null;
  readonly settings: {
    readonly attentionRetryEveryMs: number;
    readonly heartbeatTimeoutMs: number;
  };
}

/** What one service would delete, and what stands in its way. */
export interface CheckedService {
  readonly service: string;
  readonly planHash: string;
  readonly totalRows: number;
  /** Null where there are too many to remember. */
  readonly tables: readonly (readonly [table: string, rows: number])[] | null;
  readonly refusals: readonly Fault[];
}
/** The job as it was checked, and what it waits for before anything is touched. */
export interface CheckedState extends JobState {
  /** Absent in histories from before there was a gate. */
  readonly waitsFor?: WaitingFor | null;
}
export interface RecordCheckInput extends NumberedWrite {
  readonly checked: readonly CheckedService[];
}

export interface LedgerRead {
  /** The staging was lost, as after a backup. */
  readonly stageAgain: boolean;
  /** What makes going on impossible. */
  readonly fault: Fault | null;
}

export interface ExportInput extends OfJob {
  /** What was exported before is not what is archived by now. */
  readonly again: boolean;
}

/** Answered by a step at a service that was waived. */
export interface LeftOut {
  readonly waived: true;
}

export interface VerifyInput extends StepInput {
  /** Rows that are left are a failure now, no reason to purge once more. */
  readonly mustBeClean: boolean;
}
export interface VerifiedService extends Partial<LeftOut> {
  readonly clean: boolean;
  readonly rowsLeft: number;
}

export interface ShowInput extends NumberedWrite {
  readonly patch: Omit<JobPatch, 'previewHash' | 'stagedAt'>;
}
export interface AbortInput extends OfJob {
  readonly cause: AbortCause;
  /** Who asked, where it was not a failure: Temporal's cancel names nobody. */
  readonly by: 'saga' | 'temporal';
  readonly why: string;
}
export interface CompleteInput extends NumberedWrite {
  readonly outcome: string;
}
export interface EndInput extends NumberedWrite {
  readonly status: EndedStatus;
  readonly outcome: string;
}
