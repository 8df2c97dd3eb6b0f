/** What the engine answers. The service server maps these to the wire; nothing here knows HTTP. */

import type { Retention, TableAction } from './declaration.js';
import type { TableDigest } from './digest/types.js';
import type { PlanFinding } from './plan/types.js';
import type { TableOutcome } from './retention/outcome.js';
import type { EraseDue, ErasedDue, RetainedPage, RetainedQuery } from './retention/reading.js';

export type Target = 'staged' | 'restored' | 'purged';
export type LedgerState = 'absent' | 'staging' | 'staged' | 'restoring' | 'restored' | 'purging' | 'purged';

/** What is done with a table's rows, and why. */
export interface TableTerms {
  readonly table: string;
  readonly action: TableAction;
  readonly ownedBy: string;
  readonly retention?: Retention;
  /** Retained tables whose rows may refer to rows of this one, which are retained with them. */
  readonly retainedWith?: readonly string[];
}

export interface Preview {
  readonly tenantId: string;
  readonly planHash: string;
  readonly totalRows: number;
  readonly tables: readonly (TableTerms & { rows: number })[];
  /** The plan's findings and those of this tenant's rows (conflicting references). */
  readonly findings: readonly PlanFinding[];
}

export interface Waiting {
  readonly kind: 'older_transaction' | 'lock';
  readonly since: Date;
  /** PostgreSQL's own words, with table and SQLSTATE where there is one; no values of rows. */
  readonly reason: string;
  /** Process id and user of what blocks; age only where the role may see it. Never query text. */
  readonly blockers: readonly string[];
}

export interface LedgerStatus {
  readonly tenantId: string;
  readonly jobId: string;
  readonly state: LedgerState;
  readonly planHash: string | null;
  /** `rows`: that have left the table. */
  readonly tables: readonly ({ table: string; rows: number } & TableOutcome)[];
  readonly rowsDone: number;
  readonly rowsTotal: number | null;
  readonly waitingFor: Waiting | null;
  readonly stagedAt: Date | null;
  readonly restoredAt: Date | null;
  readonly purgedAt: Date | null;
  /** Null where there is nothing to restore, or nobody asked: `advance` does not. */
  readonly restorable: { possible: boolean; reasons: readonly string[] } | null;
  /** Of what was archived, once all of it was digested. */
  readonly digests?: readonly TableDigest[];
}

/** Archived rows that cannot come back, for one reason. */
export interface RestoreConflict {
  readonly table: string;
  readonly why: string;
  readonly rows: number;
  /** Primary keys, by column, of a hundred of them; none where the table has no key. Personal data: for who asked. */
  readonly keys: readonly Readonly<Record<string, string>>[];
}

export interface AdvanceRequest {
  readonly tenantId: string;
  readonly jobId: string;
  readonly target: Target;
  /** Required at `staged` only. */
  readonly planHash?: string;
  readonly timeBudgetMs: number;
  /** At `staged`: digest the archive, too. At `purged` it is digested unless this is false. */
  readonly digests?: boolean;
  /** Somebody goes round the platform, and says why. Written into the ledger with the first step that is taken. */
  readonly breakGlass?: { readonly reason: string; readonly by: string };
  /** At `restored` only, with `breakGlass`: rows that cannot come back are put aside, and all others do. */
  readonly conflicts?: 'skip-row';
  /** At `purged` only: an open job of this tenant that the records do not know, whose archive goes with the rest. */
  readonly supersedesJobId?: string;
}

export interface Verification {
  readonly tenantId: string;
  readonly jobId: string | null;
  readonly clean: boolean;
  readonly rowsLeft: number;
  readonly tables: readonly ({ table: string; liveRows: number; archivedRows: number } & TableOutcome)[];
  readonly horizon: string | null;
  readonly horizonPassed: boolean;
  readonly waitingFor: Waiting | null;
  readonly verifiedAt: Date;
}

export interface EngineManifest {
  readonly planHash: string;
  readonly tables: readonly TableTerms[];
  readonly unacceptedTables: readonly string[];
  readonly findings: readonly PlanFinding[];
  readonly openJobs: readonly { tenantId: string; jobId: string; state: LedgerState }[];
  /** What people did without the platform, newest first. */
  readonly breakGlass: readonly BrokenGlass[];
}

/** A step that somebody took by hand, round approval, holds and pivot. */
export interface BrokenGlass {
  readonly tenantId: string;
  readonly jobId: string;
  readonly target: Target;
  readonly reason: string;
  /** Who it was, as the terminal knew them. */
  readonly by: string;
  readonly at: Date;
}

/** Durations in milliseconds. */
export interface EngineLimits {
  readonly lockTimeoutMs: number;
  /** Cap of one statement or transaction that cannot be cut. */
  readonly longestTransactionMs: number;
  /** How long a chunk should take: its size follows. */
  readonly chunkMs?: number;
  /** A tenant's rows are moved in one transaction, unless that takes longer: then in chunks. */
  readonly singleTransactionMs?: number;
  /** The same, told beforehand: rows, as PostgreSQL estimates them. */
  readonly singleTransactionRows?: number;
  /** Write-ahead log that moving rows may fill a database's server with; null: as much as it likes. */
  readonly walBytesPerSecond?: number | null;
  /** How many transactions of engines may move rows in one database at once, of whatever process. */
  readonly concurrentWork?: number;
}

/** The engine over one participant's database. Every method may throw `EngineError`. */
export interface Engine {
  preview(tenantId: string): Promise<Preview>;
  advance(request: AdvanceRequest): Promise<LedgerStatus>;
  /** Finding out whether a restore would work takes time by rows; `restorable: false` leaves it. */
  status(tenantId: string, jobId: string, options?: { readonly restorable?: boolean }): Promise<LedgerStatus>;
  verify(tenantId: string, jobId: string | null): Promise<Verification>;
  /** Rows that keep an archive from being restored, by their keys. */
  conflicts(tenantId: string, jobId: string): Promise<readonly RestoreConflict[]>;
  manifest(): Promise<EngineManifest>;
  /** NDJSON lines, `{"table": …, "row": {…}}`, live rows or, with a job, its archive; constant memory. */
  exportRows(tenantId: string, jobId: string | null): AsyncIterable<string>;
  /** Lifts the tombstones of the tenant's jobs, none of which may be open; gives how many there were. */
  releaseTombstones(tenantId: string): Promise<number>;
  /** What is retained of erased tenants: counts, and no row. */
  retained(query: RetainedQuery): Promise<RetainedPage>;
  /** NDJSON lines of retained rows, of one tenant or all; only with a connection that may read them. */
  exportRetained(tenantId: string | null): AsyncIterable<string>;
  /** Erases a batch of retained rows whose date has come. */
  eraseDue(request: EraseDue): Promise<ErasedDue>;
  /** Whether the database answers, Lethe's schema is there, and every tenant table has been accepted. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

export type EngineErrorCode =
  | 'plan_refused'
  | 'plan_drift'
  | 'privilege_missing'
  | 'reference_conflict'
  | 'state_conflict'
  | 'past_pivot'
  | 'other_job_open'
  | 'restore_conflict'
  | 'move_not_exact'
  | 'database_error'
  | 'database_busy'
  | 'database_unavailable'
  | 'invalid_tenant_id';

/** What the engine could not do, to what, and what a person can do about it. No row values in `message`. */
export class EngineError extends Error {
  override readonly name = 'EngineError';

  constructor(
    readonly code: EngineErrorCode,
    message: string,
    readonly facts: {
      readonly table?: string;
      readonly privilege?: string;
      readonly sqlstate?: string;
      readonly state?: LedgerState;
      readonly jobId?: string;
    } = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
