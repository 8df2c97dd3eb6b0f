/** Brings a large archive back piece by piece: rows leave it in the transaction in which they are inserted. */
import { dropArchives } from '../archive/tables.js';
import type { EngineContext } from '../context.js';
import type { Archive, LedgerRow, SavedReference } from '../ledger/record.js';
import { label, qualified } from '../quote.js';
import type { ArchiveView } from '../restore/archive-view.js';
import { keysOf } from '../restore/constraint-checks.js';
import { assertReferencesHold } from '../restore/fast-path.js';
import { liveTables } from '../restore/live-tables.js';
import { type Orphans, returningOrphans, type Some, someOf } from '../restore/orphans.js';
import { setReferencesBack } from '../restore/references.js';
import { expectRows, type Insertion, insertionOf, runQuietly } from '../restore/restore.js';
import type { Session } from '../session/session.js';
import { blocksOfArchive, inBlocks, nextRange } from './blocks.js';
import { firstBlocks, firstProgress, nextBlocks, type Progress } from './progress.js';
import { type Tied, tiedArchivedRows } from './tied-archived-rows.js';

/** What the ledger has to be told; null: everything is back. */
export type RestoredSome = Pick<LedgerRow, 'archives' | 'savedReferences' | 'progress'> | null;

/** One chunk, in the transaction that has locked the ledger's row. */
export async function restoreChunk(
  context: EngineContext,
  session: Session,
  row: LedgerRow,
  progress: Progress,
): Promise<RestoredSome> {
  const filled = row.archives.filter(({ rows }) => rows > 0);
  if (filled.length === 0) return referencesChunk(context, session, row, progress);
  const last = Math.max(...filled.map(({ unit }) => unit));
  // Parents first: the order of deletion backwards, and the last rows of an archive before its first.
  const unit = filled.filter((archive) => archive.unit === last).reverse();
  return new RestoreWork(context, session, row, progress, unit).next();
}

class RestoreWork {
  private readonly began = Date.now();
  private orphans: Orphans = new Map();

  constructor(
    private readonly context: EngineContext,
    private readonly session: Session,
    private readonly row: LedgerRow,
    private readonly progress: Progress,
    /** Archives of the unit that still hold rows, in order. */
    private readonly unit: readonly Archive[],
  ) {}

  async next(): Promise<RestoredSome> {
    const insertions = await this.insertions();
    this.orphans = await returningOrphans(
      this.session,
      insertions.map(({ view }) => view),
    );
    if (this.progress.whole) return this.insertWhole(insertions);
    const at = Math.max(
      0,
      this.unit.findIndex(({ archive }) => archive === this.progress.table),
    );
    const insertion = insertions[at];
    if (insertion === undefined) return null;
    const { archive } = insertion;
    const begun = archive.archive === this.progress.table ? this.progress.at : undefined;
    const size = this.progress.blocks;
    const range = nextRange(begun, begun ?? (await this.blocks(archive)), size);
    const views = insertions.map(({ view }) => view);
    const keys = await keysOf(this.session, views);
    const tied = tiedArchivedRows(insertion.view, views, keys, inBlocks(range));
    const rows = tied === 'together' ? 0 : await this.insert(insertion, views, inBlocks(range)('a'), tied);
    const archives = this.without(archive, rows);
    const blocks = nextBlocks(size, Date.now() - this.began, this.context.limits.chunkMs);
    const progress = { ...this.progress, blocks, moved: this.progress.moved + rows };
    if (tied === 'together') return this.tell(archives, { ...progress, whole: true });
    if (range.low > 0) return this.tell(archives, { ...progress, table: archive.archive, at: range.low });
    return this.tell(archives, this.pastTable(progress, at, archives));
  }

  private async insertions(): Promise<Insertion[]> {
    const live = await liveTables(
      this.session,
      this.unit.map(({ table }) => table),
    );
    return this.unit.map((archive, place) => insertionOf(this.context, archive, live[place] ?? null));
  }

  private blocks({ archive }: Archive): Promise<number> {
    return blocksOfArchive(this.session, this.nameOf(archive));
  }

  private nameOf(name: string): string {
    return qualified({ schema: this.context.declaration.letheSchema, name });
  }

  /** Rows of the range that refer to nothing which is still in an archive. */
  private async insert(
    insertion: Insertion,
    unit: readonly ArchiveView[],
    range: string,
    tied: Tied | null,
  ): Promise<number> {
    const { view, table } = insertion;
    const all = { ctes: tied?.ctes ?? [], where: [range, ...(tied === null ? [] : [tied.free])] };
    const among = this.orphans.get(table.oid);
    if (among === undefined) return this.take(insertion, all);
    const orphans = { ...all, where: [...all.where, among] };
    // First, since others may refer to them. What they refer to themselves is there, or free to come as well.
    await assertReferencesHold(this.session, [{ view, ...orphans, alongside: unit }]);
    const rows = await runQuietly(this.session, [insertion], () => this.take(insertion, orphans));
    return rows + (await this.take(insertion, { ...all, where: [...all.where, `NOT ${among}`] }));
  }

  private async take({ view, from, table }: Insertion, some: Some): Promise<number> {
    const { rows } = await this.session.query<{ deleted: number; inserted: number }>(
      `WITH RECURSIVE ${[...(some.ctes ?? []), ''].join(', ')}
              d AS (DELETE FROM ${someOf(view, some)} RETURNING a.*), i AS (${from('d AS a')} RETURNING 1)
       SELECT (SELECT count(*)::float8 FROM d) AS deleted, (SELECT count(*)::float8 FROM i) AS inserted`,
      [],
      { table: label(table), privilege: 'INSERT' },
    );
    const deleted = rows[0]?.deleted ?? 0;
    expectRows(table, deleted, rows[0]?.inserted ?? 0);
    return deleted;
  }

  /** Rows that refer to each other, of one table or several: in one statement, after which their keys are checked. */
  private async insertWhole(insertions: readonly Insertion[]): Promise<RestoredSome> {
    const early = await this.insertOrphans(insertions);
    const ctes = insertions.flatMap(({ view, from, table }, place) => {
      const among = this.orphans.get(table.oid);
      const others = someOf(view, { where: among === undefined ? [] : [`NOT ${among}`] });
      return [
        `d${place} AS (DELETE FROM ${others} RETURNING a.*)`,
        `i${place} AS (${from(`d${place} AS a`)} RETURNING 1)`,
      ];
    });
    const counts = insertions.map((_, place) => `(SELECT count(*)::float8 FROM i${place}) AS rows${place}`);
    const { rows } = await this.session.query<Record<string, number>>(
      `WITH ${ctes.join(',\n')}\nSELECT ${counts.join(', ')}`,
      [],
      { table: insertions.map(({ table }) => label(table)).join(', '), privilege: 'INSERT' },
    );
    let archives: readonly Archive[] = this.row.archives;
    for (const [place, { archive, table }] of insertions.entries()) {
      expectRows(table, archive.rows - (early.get(table.oid) ?? 0), rows[0]?.[`rows${place}`] ?? 0);
      archives = archives.map((one) => (one.archive === archive.archive ? { ...one, rows: 0 } : one));
    }
    return this.tell(archives, this.ofNextUnit());
  }

  /** Those of all tables of the unit, by table's OID. */
  private async insertOrphans(insertions: readonly Insertion[]): Promise<ReadonlyMap<number, number>> {
    const alongside = insertions.map(({ view }) => view);
    const pieces = insertions.flatMap((insertion) => {
      const among = this.orphans.get(insertion.table.oid);
      return among === undefined ? [] : [{ insertion, view: insertion.view, where: [among] }];
    });
    await assertReferencesHold(
      this.session,
      pieces.map((piece) => ({ ...piece, alongside })),
    );
    const rows = new Map<number, number>();
    for (const { insertion, where } of pieces) {
      const work = () => this.take(insertion, { where });
      rows.set(insertion.table.oid, await runQuietly(this.session, [insertion], work));
    }
    return rows;
  }

  /** The walk through a table is over: on to the next of its unit, or once more through those that have rows left. */
  private pastTable(progress: Progress, at: number, archives: readonly Archive[]): Progress {
    const next = this.unit[at + 1];
    if (next !== undefined) {
      const { at: _, ...rest } = progress;
      return { ...rest, table: next.archive, blocks: this.firstBlocks };
    }
    const left = archives.some(
      ({ archive, rows }) => rows > 0 && this.unit.some((one) => one.archive === archive),
    );
    const again = this.ofNextUnit();
    if (!left) return again;
    return progress.moved > 0 ? again : { ...again, whole: true };
  }

  private ofNextUnit(): Progress {
    return firstProgress(null, this.context.limits.chunkMs);
  }

  private get firstBlocks(): number {
    return firstBlocks(this.context.limits.chunkMs);
  }

  private without({ archive }: Archive, rows: number): Archive[] {
    return this.row.archives.map((one) =>
      one.archive === archive ? { ...one, rows: one.rows - rows } : one,
    );
  }

  private async tell(archives: readonly Archive[], progress: Progress): Promise<RestoredSome> {
    await this.session.query('SET CONSTRAINTS ALL IMMEDIATE');
    return { archives, savedReferences: this.row.savedReferences, progress };
  }
}

/** Values that were nulled, once all rows are there. To set one back twice changes nothing, so they stay where they are. */
async function referencesChunk(
  context: EngineContext,
  session: Session,
  row: LedgerRow,
  progress: Progress,
): Promise<RestoredSome> {
  const began = Date.now();
  const saved = row.savedReferences.find(({ rows }) => rows > 0);
  if (saved === undefined) return null;
  const begun = progress.table === saved.archive ? progress.at : undefined;
  const name = qualified({ schema: context.declaration.letheSchema, name: saved.archive });
  const range = nextRange(begun, begun ?? (await blocksOfArchive(session, name)), progress.blocks);
  const { skipped } = row;
  await setReferencesBack(context, session, { savedReferences: [saved], skipped }, inBlocks(range)('a'));
  await session.query('SET CONSTRAINTS ALL IMMEDIATE');
  const blocks = nextBlocks(progress.blocks, Date.now() - began, context.limits.chunkMs);
  if (range.low > 0) {
    const next = { ...progress, blocks, table: saved.archive, at: range.low };
    return { archives: row.archives, savedReferences: row.savedReferences, progress: next };
  }
  await dropArchives(session, context.declaration.letheSchema, [saved.archive]);
  const savedReferences = row.savedReferences.filter((one: SavedReference) => one.archive !== saved.archive);
  const { at: _, ...rest } = progress;
  return { archives: row.archives, savedReferences, progress: { ...rest, blocks, table: null } };
}
