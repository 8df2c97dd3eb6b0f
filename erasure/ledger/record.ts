/** The ledger's row. */
import type { Progress } from '../chunks/progress.js';
import type { Retention } from '../declaration.js';
import { tableDigests } from '../digest/lanes.js';
import type { Digests } from '../digest/types.js';
import type { LedgerState, LedgerStatus, Waiting } from '../engine-types.js';
import { type Outcomes, told } from '../retention/outcome.js';

/** A column as it was at stage: by number, which a rename does not change, and by name, which a dump keeps. */
export interface ArchivedColumn {
  readonly attnum: number;
  readonly name: string;
  /** What it is called in the archive. */
  readonly stored: string;
  /** Archived as text, where its type is not PostgreSQL's own. */
  readonly asText: boolean;
}

export interface ArchivedTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
}

/** An archive of one table's rows. */
export interface Archive {
  /** Name within Lethe's schema. */
  readonly archive: string;
  readonly table: ArchivedTable;
  /** Place of its unit in the order of deletion. */
  readonly unit: number;
  readonly rows: number;
  readonly columns: readonly ArchivedColumn[];
  /** How long its rows are retained, as the policy was when they were archived. */
  readonly retention?: Retention;
  /** What has to be retained of it has been copied to where it rests. */
  readonly settled?: true;
  /** By keys that are NOT VALID: values of its rows that referred to nothing when these went. */
  readonly orphans?: readonly NotedOrphans[];
}

/** Values of a key's columns, each at least once, in a table of their own. Rows that hold them come back without a parent. */
export interface NotedOrphans {
  /** Name within Lethe's schema. */
  readonly archive: string;
  readonly key: { readonly oid: number; readonly name: string };
  /** Columns in the key's order: as they are called in the archive of the rows, and here. */
  readonly stored: readonly string[];
}

/** Names of archives, each after what was noted for it. */
export function namesWithNotes(archives: readonly Archive[]): string[] {
  return archives.flatMap(({ archive, orphans = [] }) => [...orphans.map((one) => one.archive), archive]);
}

/** Values of a reference that were nulled in rows that stay. */
export interface SavedReference {
  readonly archive: string;
  readonly table: ArchivedTable;
  readonly constraint: string;
  readonly rows: number;
  /** What a referencing row is found by. */
  readonly key: readonly ArchivedColumn[];
  readonly columns: readonly ArchivedColumn[];
  /** What the values were changed to. */
  readonly became: 'null' | 'default';
  /** Of anonymized rows: what the columns became, in their order; null, or a constant as text. */
  readonly constants?: readonly (string | null)[];
}

/** Rows that could not come back when a person asked for all others: kept in a table of their own in Lethe's schema. */
export interface SkippedRows {
  /** Name within Lethe's schema. */
  readonly archive: string;
  readonly table: ArchivedTable;
  readonly rows: number;
  readonly why: string;
  readonly columns: readonly ArchivedColumn[];
}

export interface LedgerRow {
  readonly id: string;
  readonly tenantId: string;
  readonly jobId: string;
  readonly state: Exclude<LedgerState, 'absent'>;
  readonly planHash: string | null;
  /** Whether the row was written in this very database, whose OIDs and transaction ids it names. */
  readonly sameDatabase: boolean;
  readonly archives: readonly Archive[];
  readonly savedReferences: readonly SavedReference[];
  /** Of this job and of earlier ones of the tenant. They go with the purge. */
  readonly skipped: readonly SkippedRows[];
  /** Rows by table, as people write its name. */
  readonly counts: Readonly<Record<string, number>>;
  /** What has become of rows beyond that, likewise. */
  readonly outcome: Outcomes;
  readonly rowsTotal: number | null;
  /** How far rows have been moved, or moved back, in chunks; null: not in chunks. */
  readonly progress: Progress | null;
  readonly horizon: string | null;
  readonly horizonPassed: boolean;
  readonly waiting: Waiting | null;
  /** Relations whose statistics or contents still have to be refreshed; null before that begins. */
  readonly upkeep: readonly number[] | null;
  readonly notDone: readonly string[];
  /** Of the archives, as far as they were taken; they outlive the archives. */
  readonly digests: Digests | null;
  readonly movedAt: Date | null;
  readonly stagedAt: Date | null;
  readonly restoredAt: Date | null;
  readonly purgedAt: Date | null;
}

export type Restorable = LedgerStatus['restorable'];

/** The row as the engine answers with it. */
export function statusOf(row: LedgerRow, restorable: Restorable, waiting = row.waiting): LedgerStatus {
  const empty = row.state === 'staged' && row.archives.length === 0;
  const digests = empty ? [] : tableDigests(row.digests, row.archives);
  const moved = Object.values(row.counts).reduce((sum, rows) => sum + rows, 0);
  // Of a restore: what is back.
  const archived = row.archives.reduce((sum, { rows }) => sum + rows, 0);
  const rowsDone = row.state === 'restoring' ? Math.max(0, moved - archived) : moved;
  return {
    tenantId: row.tenantId,
    jobId: row.jobId,
    state: row.state,
    planHash: row.planHash,
    tables: tablesOf(row),
    rowsDone,
    rowsTotal: row.rowsTotal,
    waitingFor: waiting,
    stagedAt: row.stagedAt,
    restoredAt: row.restoredAt,
    purgedAt: row.purgedAt,
    restorable,
    ...(digests && { digests }),
  };
}

function tablesOf({ counts, outcome }: LedgerRow): LedgerStatus['tables'] {
  const names = new Set([...Object.keys(counts), ...Object.keys(outcome)]);
  return [...names].map((table) => {
    const rows = counts[table] ?? 0;
    return { table, rows, ...told(outcome[table], rows) };
  });
}

/** What is answered about a job that the ledger does not know. */
export function absentStatus(tenantId: string, jobId: string, waiting: Waiting | null = null): LedgerStatus {
  return {
    tenantId,
    jobId,
    state: 'absent',
    planHash: null,
    tables: [],
    rowsDone: 0,
    rowsTotal: null,
    waitingFor: waiting,
    stagedAt: null,
    restoredAt: null,
    purgedAt: null,
    restorable: null,
  };
}
