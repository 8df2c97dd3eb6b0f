/** Brings archived rows back, exactly: parents first, every foreign key checked by PostgreSQL. */
import type { StepResult } from '../advance/step.js';
import { dropArchives } from '../archive/tables.js';
import { markLog, mayWork, pauseAfter, wholeRows, withinChunk } from '../chunks/pace.js';
import { firstProgress } from '../chunks/progress.js';
import { restoreChunk } from '../chunks/restore-chunk.js';
import type { EngineContext } from '../context.js';
import { EngineError } from '../engine-types.js';
import { sqlstateOf } from '../errors.js';
import { type Archive, type LedgerRow, namesWithNotes } from '../ledger/record.js';
import { policyOf } from '../plan/policy.js';
import { label, qualified } from '../quote.js';
import type { Session } from '../session/session.js';
import { NotByFastPath, withTriggersOff } from '../stage/fast-path.js';
import { type ArchiveView, archiveView, whyNone } from './archive-view.js';
import { assertReferencesHold, silentlyRestorable, type Unchecked, withInsertTriggers } from './fast-path.js';
import { type LiveTable, liveTables } from './live-tables.js';
import { countSome, type Orphans, returningOrphans, someOf } from './orphans.js';
import { setReferencesBack } from './references.js';

/** All of it, or, of a large archive, a chunk. The ledger's row is locked. */
export async function restoreStep(
  context: EngineContext,
  session: Session,
  row: LedgerRow,
  fast: boolean,
): Promise<StepResult> {
  const { limits, ledger } = context;
  const oids = [...row.archives, ...row.savedReferences].map(({ table }) => table.oid);
  const notNow = await mayWork(session, row, limits, oids);
  if (notNow !== null) return notNow;
  const { progress } = row;
  const rows = [...row.archives, ...row.savedReferences].reduce((sum, one) => sum + one.rows, 0);
  const suppressed = row.archives.some(({ table }) => isSuppressed(context, table));
  if (progress === null && rows > wholeRows(limits) && !suppressed) {
    await ledger.update(session, row.id, {
      progress: { ...firstProgress(null, limits.chunkMs), unasked: true },
    });
    return { kind: 'again' };
  }
  if (progress?.unasked) return { kind: 'ask' };
  if (suppressed) {
    // The check of what comes back without triggers is about all of it.
    await restoreRows(context, session, row, fast);
  } else if (progress === null) {
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
  await dropArchives(session, context.declaration.letheSchema, [
    ...namesWithNotes(row.archives),
    ...row.savedReferences.map(({ archive }) => archive),
  ]);
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
  const orphans = await returningOrphans(
    session,
    insertions.map(({ view }) => view),
  );
  const silent = fast
    ? await silentlyRestorable(
        session,
        insertions.map(({ view }) => view),
        context.declaration.letheSchema,
      )
    : new Set<number>();
  // Parents first: the order of deletion backwards.
  const quiet = await withInsertTriggers(
    session,
    insertions.flatMap(({ archive, table }) => (isSuppressed(context, archive.table) ? [table.oid] : [])),
    context.declaration.letheSchema,
  );
  const unchecked: Unchecked[] = [];
  const units = [...new Set(filled.map(({ unit }) => unit))].sort((one, other) => other - one);
  for (const unit of units) {
    const together = insertions.filter(({ archive }) => archive.unit === unit);
    if (together.every(({ table }) => silent.has(table.oid))) {
      await withTriggersOff(session, () => insertUnit(session, together.map(whole)));
      continue;
    }
    const [quietly, others] = parted(together, ({ table }) => quiet.has(table.oid));
    const pieces = await withoutOrphans(session, others, orphans);
    const silently = [...quietly.map(whole), ...pieces.orphans];
    if (silently.length > 0) await insertQuietly(session, silently);
    unchecked.push(...silently);
    if (others.length > 0) await insertUnit(session, pieces.others);
  }
  await assertReferencesHold(session, unchecked);
  await setReferencesBack(context, session, row);
}

/** Whether triggers of the table must not fire, as a person has decided. */
function isSuppressed({ declaration }: EngineContext, table: Archive['table']): boolean {
  return policyOf(table, declaration)?.triggers === 'suppress';
}

function parted<T>(all: readonly T[], first: (one: T) => boolean): [T[], T[]] {
  return [all.filter(first), all.filter((one) => !first(one))];
}

/** With triggers off whatever else holds; foreign keys are checked later. */
async function insertQuietly(session: Session, pieces: readonly Piece[]): Promise<void> {
  await runQuietly(session, pieces, () => insertUnit(session, pieces));
}

/** Runs what inserts into these tables with triggers off. */
export async function runQuietly<T>(
  session: Session,
  insertions: readonly Insertion[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await withTriggersOff(session, work);
  } catch (error) {
    if (!(error instanceof NotByFastPath)) throw error;
    throw new EngineError(
      'privilege_missing',
      `Triggers of ${insertions.map(({ table }) => label(table)).join(', ')} have to be off, and the role may not set session_replication_role. GRANT SET ON PARAMETER session_replication_role, and ask again.`,
      { privilege: 'SET' },
    );
  }
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
  const { columns } = view;
  const why = whyNone(view);
  if (why !== null) throw conflict(label(table), archive.rows, why);
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

/** Rows of one archive that are inserted together. */
interface Piece extends Insertion {
  readonly where: readonly string[];
  readonly rows: number;
}

function whole(insertion: Insertion): Piece {
  return { ...insertion, where: [], rows: insertion.archive.rows };
}

/** Orphans, which come with triggers off, and all others, whose keys PostgreSQL checks. */
async function withoutOrphans(
  session: Session,
  insertions: readonly Insertion[],
  orphans: Orphans,
): Promise<{ readonly orphans: Piece[]; readonly others: Piece[] }> {
  const pieces: { orphans: Piece[]; others: Piece[] } = { orphans: [], others: [] };
  for (const one of insertions) {
    const among = orphans.get(one.table.oid);
    const rows = among === undefined ? 0 : await countSome(session, one.view, { where: [among] });
    if (among !== undefined) pieces.orphans.push({ ...one, where: [among], rows });
    const where = among === undefined ? [] : [`NOT ${among}`];
    pieces.others.push({ ...one, where, rows: one.archive.rows - rows });
  }
  return pieces;
}

async function insertUnit(session: Session, pieces: readonly Piece[]): Promise<void> {
  const about = { table: pieces.map(({ table }) => label(table)).join(', '), privilege: 'INSERT' };
  const [only, ...others] = pieces;
  if (only !== undefined && others.length === 0) {
    const { rowCount } = await session.query(only.from(someOf(only.view, only)), [], about);
    expectRows(only.table, only.rows, rowCount ?? 0);
    return;
  }
  const ctes = pieces.map((one, place) => `i${place} AS (${one.from(someOf(one.view, one))} RETURNING 1)`);
  const counts = pieces.map((_, place) => `(SELECT count(*)::float8 FROM i${place}) AS rows${place}`);
  const { rows } = await session.query<Record<string, number>>(
    `WITH ${ctes.join(',\n')}\nSELECT ${counts.join(', ')}`,
    [],
    about,
  );
  for (const [place, piece] of pieces.entries())
    expectRows(piece.table, piece.rows, rows[0]?.[`rows${place}`] ?? 0);
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
