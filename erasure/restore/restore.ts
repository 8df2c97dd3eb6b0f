/** Brings archived rows back, exactly: parents first, every foreign key checked by PostgreSQL. */
import type { StepResult } from '../advance/step.js';
import { dropArchives } from '../archive/tables.js';
import { markLog, mayWork, pauseAfter, wholeRows, withinChunk } from '../chunks/pace.js';
import { firstProgress } from '../chunks/progress.js';
import { restoreChunk } from '../chunks/restore-chunk.js';
import type { EngineContext } from '../context.js';
import { EngineError } from '../engine-types.js';
import { sqlstateOf } from '../errors.js';
import type { Archive, LedgerRow } from '../ledger/record.js';
import { label, qualified } from '../quote.js';
import type { Session } from '../session/session.js';
import { withTriggersOff } from '../stage/fast-path.js';
import { type ArchiveView, archiveView } from './archive-view.js';
import { silentlyRestorable } from './fast-path.js';
import { type LiveTable, liveTables } from './live-tables.js';
import { setReferencesBack } from './references.js';

/** All of it, or, of a large archive, a chunk. The ledger's row is locked. */
export async function restoreStep(
  context: EngineContext,
  session: Session,
  row: LedgerRow,
  fast: boolean,
): Promise<StepResult> {
  const { limits, ledger } = context;
  const notNow = await mayWork(session, row, limits);
  if (notNow !== null) return notNow;
  const { progress } = row;
  const rows = [...row.archives, ...row.savedReferences].reduce((sum, one) => sum + one.rows, 0);
  if (progress === null && rows > wholeRows(limits)) {
    await ledger.update(session, row.id, {
      progress: { ...firstProgress(null, limits.chunkMs), unasked: true },
    });
    return { kind: 'again' };
  }
  if (progress?.unasked) return { kind: 'ask' };
  if (progress === null) {
    await session.within(limits.singleTransactionMs, () => restoreRows(context, session, row, fast));
  } else {
    const mark = await markLog(session, limits);
    const some = await withinChunk(session, limits, progress, () =>
      restoreChunk(context, session, row, progress),
    );
    if (some !== null) {
      const pause = await pauseAfter(session, limits, mark);
      await ledger.update(session, row.id, {
        ...some,
        progress: some.progress && { ...some.progress, ...pause },
      });
      return { kind: 'again' };
    }
  }
  await session.query('SET CONSTRAINTS ALL IMMEDIATE');
  await ledger.liftTombstone(session, row.tenantId, row.jobId);
  await dropArchives(
    session,
    context.declaration.letheSchema,
    [...row.archives, ...row.savedReferences].map(({ archive }) => archive),
  );
  await ledger.update(session, row.id, {
    state: 'restored',
    restoredAt: 'now',
    archives: [],
    savedReferences: [],
    progress: null,
  });
  return { kind: 'end' };
}

/** All of it in this transaction. */
async function restoreRows(
  context: EngineContext,
  session: Session,
  row: LedgerRow,
  fast: boolean,
): Promise<void> {
  const filled = row.archives.filter(({ rows }) => rows > 0);
  const live = await liveTables(
    session,
    filled.map(({ table }) => table),
  );
  const insertions = filled.map((archive, place) => insertionOf(context, archive, live[place] ?? null));
  const silent = fast
    ? await silentlyRestorable(
        session,
        insertions.map(({ view }) => view),
        context.declaration.letheSchema,
      )
    : new Set<number>();
  // Parents first: the order of deletion backwards.
  const units = [...new Set(filled.map(({ unit }) => unit))].sort((one, other) => other - one);
  for (const unit of units) {
    const together = insertions.filter(({ archive }) => archive.unit === unit);
    const insert = () => insertUnit(session, together);
    await (together.every(({ table }) => silent.has(table.oid))
      ? withTriggersOff(session, insert)
      : insert());
  }
  await setReferencesBack(context, session, row);
}

export interface Insertion {
  readonly view: ArchiveView;
  readonly archive: Archive;
  readonly table: LiveTable;
  /** The statement; its rows come from what stands after FROM, aliased `a`. */
  readonly from: (source: string) => string;
}

export function insertionOf(context: EngineContext, archive: Archive, table: LiveTable | null): Insertion {
  if (table === null) throw conflict(label(archive.table), archive.rows, 'the table is gone');
  const view = archiveView(context, archive, table);
  const { columns, dropped } = view;
  if (dropped.length > 0)
    throw conflict(label(table), archive.rows, `column ${dropped.join(', ')} was dropped since`);
  const all = [...columns.values()];
  return {
    view,
    archive,
    table,
    from: (
      source,
    ) => `INSERT INTO ${qualified(table)} (${all.map(({ name }) => name).join(', ')}) OVERRIDING SYSTEM VALUE
          SELECT ${all.map(({ value }) => value).join(', ')} FROM ${source}`,
  };
}

async function insertUnit(session: Session, insertions: readonly Insertion[]): Promise<void> {
  const about = { table: insertions.map(({ table }) => label(table)).join(', '), privilege: 'INSERT' };
  const [only, ...others] = insertions;
  if (only !== undefined && others.length === 0) {
    const { rowCount } = await session.query(only.from(only.view.source), [], about);
    expectRows(only.table, only.archive.rows, rowCount ?? 0);
    return;
  }
  const ctes = insertions.map(({ from, view }, place) => `i${place} AS (${from(view.source)} RETURNING 1)`);
  const counts = insertions.map((_, place) => `(SELECT count(*)::float8 FROM i${place}) AS rows${place}`);
  const { rows } = await session.query<Record<string, number>>(
    `WITH ${ctes.join(',\n')}\nSELECT ${counts.join(', ')}`,
    [],
    about,
  );
  for (const [place, insertion] of insertions.entries())
    expectRows(insertion.table, insertion.archive.rows, rows[0]?.[`rows${place}`] ?? 0);
}

/** Throws where not as many rows were written as left the archive. */
export function expectRows(table: LiveTable, archived: number, rows: number): void {
  if (rows === archived) return;
  throw conflict(
    label(table),
    archived,
    `only ${rows} of them were written; look for triggers and rules on INSERT`,
  );
}

function conflict(table: string, rows: number, why: string): EngineError {
  return new EngineError('restore_conflict', `${table}: ${rows} rows cannot come back: ${why}.`, { table });
}

// Integrity, data that no longer fits its column, an object that is gone, and what somebody's trigger raised.
const CONFLICTS = /^(22|23|42703|42P01|42704|42804|42846|42883|428C9|44|P0)/;

/** Whether a failure of a restore is one that a person has to resolve in the data or the schema. */
export function isRestoreConflict(error: unknown): boolean {
  if (error instanceof EngineError) return error.code === 'restore_conflict';
  return CONFLICTS.test(sqlstateOf(error) ?? '');
}
