/** Moves one chunk of a large tenant's rows: a transaction of about a second, after which no row refers to what is gone. */
import { withArchived } from '../archive/archived-plan.js';
import { archivedColumns } from '../archive/columns.js';
import type { CatalogTable } from '../catalog/types.js';
import type { Plan, Unit } from '../plan/types.js';
import { label, qualified } from '../quote.js';
import { ownedRows, rowsOf } from '../selection.js';
import { existing, tablesWithRows } from '../stage/existing.js';
import { withoutTriggers, withTriggersOff } from '../stage/fast-path.js';
import { assertNothingKept, type Moved, type MoveOptions, MoveWork } from '../stage/move.js';
import { unvalidatedKeys } from '../stage/orphans.js';
import { type ReferenceWork, referenceWork } from '../stage/references.js';
import { TransactionCounts } from '../stage/transaction-counts.js';
import { lockActedOn, tablesOf } from '../stage/unit.js';
import { blocksOf, blocksOfArchive, type InBlocks, inBlocks, nextRange } from './blocks.js';
import {
  endOfRound,
  firstBlocks,
  firstProgress,
  nextBlocks,
  type Progress,
  type Task,
  tasksOf,
} from './progress.js';
import { isIndivisible, isTied, tiedRows } from './tied-rows.js';

export interface ChunkOptions extends MoveOptions {
  readonly progress: Progress;
  /** Something came in between: what may refer to the chunk's rows goes with them. */
  readonly sweep: boolean;
}

/** `over`: the pass is, and `progress` says what it has come to. */
export interface Chunk extends Moved {
  readonly progress: Progress;
  readonly over: boolean;
}

/** One chunk, in the transaction that has locked the ledger's row. */
export async function moveChunk(given: ChunkOptions): Promise<Chunk> {
  const plan = withArchived(given.plan, given.row.archives, given.context.declaration.letheSchema);
  return new ChunkWork({ ...given, plan }).next();
}

class ChunkWork {
  private readonly began = Date.now();
  private readonly tasks: readonly Task[];
  private readonly work: MoveWork;
  private progress: Progress;
  /** Of archives by table's OID, the block that this chunk's rows begin in. */
  private readonly from = new Map<number, number>();

  constructor(private readonly options: ChunkOptions) {
    const { plan, progress, context } = options;
    this.tasks = tasksOf(plan);
    this.work = new MoveWork(options);
    this.progress = progress.plan === plan.hash ? progress : firstProgress(plan.hash, context.limits.chunkMs);
  }

  async next(): Promise<Chunk> {
    for (;;) {
      const task = this.tasks[this.progress.task];
      if (task !== undefined && !(await this.carryOut(task))) continue;
      const moved = this.work.result();
      const progress = { ...this.progress, found: this.progress.found + moved.rows };
      return { ...moved, progress, over: this.tasks[progress.task] === undefined };
    }
  }

  /** False: there was nothing to do, and the progress stands at the next task. */
  private async carryOut(task: Task): Promise<boolean> {
    const { session, plan, row } = this.options;
    const unit = plan.units[task.unit];
    const table = plan.catalog.tables.find(({ oid }) => oid === task.oid);
    if (unit === undefined || table === undefined) return this.past(task);
    if (this.progress.whole) return this.moveWhole(task);
    if (task.kind === 'rows' && isIndivisible(plan, unit)) {
      // A step of its own, since it may take longer than a chunk.
      this.progress = { ...this.progress, table: label(table), whole: true };
      return true;
    }
    const reference = task.kind === 'references' ? this.referenceOf(task.reference) : null;
    if (this.progress.at === undefined) {
      const any =
        reference === null
          ? (await tablesWithRows(session, plan, row.tenantId, [table.oid])).size > 0
          : (await existing(session, [`${reference.from} WHERE ${reference.condition}`], row.tenantId))[0];
      if (!any) return this.past(task);
    }
    const size = this.progress.blocks;
    const blocks = this.progress.at ?? (await blocksOf(session, table));
    const range = nextRange(this.progress.at, blocks, size);
    const within = inBlocks(range);
    const moved = await this.exactly(() =>
      reference === null ? this.moveRows(task, unit, table, within) : this.nullReferences(reference, within),
    );
    this.progress = {
      ...this.progress,
      table: label(table),
      at: range.low,
      moved: this.progress.moved + (reference === null ? moved : 0),
      blocks: nextBlocks(size, Date.now() - this.began, this.options.context.limits.chunkMs),
    };
    if (range.low === 0) await this.past(task);
    return true;
  }

  /** Nothing else was touched, and nothing is left to be checked later. */
  private async exactly(move: () => Promise<number>): Promise<number> {
    const { session, plan } = this.options;
    const counts = await TransactionCounts.begin(session, plan);
    const moved = await move();
    await this.work.noteOrphans(this.from);
    await session.query('SET CONSTRAINTS ALL IMMEDIATE');
    await counts.expect(session, this.work.deleted, this.work.updated);
    return moved;
  }

  private async moveRows(task: Task, unit: Unit, table: CatalogTable, within: InBlocks): Promise<number> {
    const { session, plan, row, mode, sweep } = this.options;
    const fast = withoutTriggers(plan, task.unit, this.options);
    const own = { tableOids: [table.oid] };
    if (mode === 'archive') await this.work.prepareArchives(own, task.unit);
    if (!fast) await lockActedOn(session, plan, own, row.tenantId, within);
    if (sweep) await this.sweepBefore(task, unit, table);
    const archive = this.archiveOf(table);
    const sql = deletion(plan, unit, table, archive, within);
    const about = { table: label(table), privilege: 'DELETE' };
    const watched = archive !== null && (fast || unvalidatedKeys(plan).length > 0);
    const blocks = watched ? await blocksOfArchive(session, archive) : 0;
    const remove = async () => (await session.query(sql, [row.tenantId], about)).rowCount ?? 0;
    const rows = await (fast ? withTriggersOff(session, remove) : remove());
    this.work.note(table.oid, rows, fast);
    if (watched) {
      this.from.set(table.oid, rows === 0 ? 0 : await this.newFrom(archive, blocks, rows));
      if (fast) await this.work.assertNothingRefers(this.from);
    }
    return rows;
  }

  /** The archive's block from which on all of this transaction's rows are. */
  private async newFrom(archive: string, blocks: number, rows: number): Promise<number> {
    const from = Math.max(0, blocks - 1);
    const found = await this.options.session.query<{ rows: number }>(
      `SELECT count(*)::float8 AS rows FROM ${archive} AS a
        WHERE a.ctid >= '(${from},0)'::tid AND a.xmin = pg_current_xact_id()::xid`,
    );
    return found.rows[0]?.rows === rows ? from : 0;
  }

  /** The rows that may refer to those of the chunk, of all tables that come before; the chunk's own are locked. */
  private async sweepBefore(task: Task, unit: Unit, table: CatalogTable): Promise<void> {
    const { session, plan, row } = this.options;
    const before = plan.units.slice(0, task.unit);
    const oids = before.flatMap(({ tableOids }) => tableOids);
    await this.work.moveUnits(before.keys(), await tablesWithRows(session, plan, row.tenantId, oids));
    for (const one of referenceWork(plan)) {
      if (!unit.tableOids.includes(one.reference.key.parentOid)) continue;
      const from = `${one.from} WHERE ${one.condition}`;
      const [any] = await existing(session, [from], row.tenantId);
      if (any) await this.work.saveReferences(one, true);
    }
    // Tables of a cycle have no order: there, rows that others refer to are left where they are.
    if (unit.reason !== 'acting_keys') return;
    const siblings = unit.tableOids.slice(0, unit.tableOids.indexOf(table.oid));
    const found = await tablesWithRows(session, plan, row.tenantId, siblings);
    for (const sibling of tablesOf(plan, { tableOids: siblings.filter((oid) => found.has(oid)) })) {
      if (this.options.mode === 'archive')
        await this.work.prepareArchives({ tableOids: [sibling.oid] }, task.unit);
      const sql = deletion(plan, unit, sibling, this.archiveOf(sibling));
      const about = { table: label(sibling), privilege: 'DELETE' };
      const remove = async () => (await session.query(sql, [row.tenantId], about)).rowCount ?? 0;
      const fast = withoutTriggers(plan, task.unit, this.options);
      this.work.note(sibling.oid, await (fast ? withTriggersOff(session, remove) : remove()), fast);
    }
  }

  private nullReferences(reference: ReferenceWork, within: InBlocks): Promise<number> {
    const condition = `${reference.condition} AND ${within('t')}`;
    return this.work.saveReferences({ ...reference, condition }, true);
  }

  /** What refers to each other goes at once, with all that refers to it. */
  private async moveWhole(task: Task): Promise<boolean> {
    const { session, plan, row } = this.options;
    const units = this.options.sweep ? task.unit + 1 : 1;
    const places = [...plan.units.keys()].slice(task.unit + 1 - units, task.unit + 1);
    const oids = places.flatMap((place) => plan.units[place]?.tableOids ?? []);
    const found = await tablesWithRows(session, plan, row.tenantId, oids);
    await this.exactly(async () => {
      await this.work.moveUnits(places, found);
      await this.work.assertNothingRefers();
      return 0;
    });
    const kept = [...found].filter((oid) => !this.work.deleted.get(oid));
    await assertNothingKept({ session, plan, row }, kept);
    const after = this.tasks.findIndex((one, place) => place > this.progress.task && one.unit > task.unit);
    this.goTo(after < 0 ? this.tasks.length : after, 1);
    return true;
  }

  /** The task is done: on to the next, or once more through its unit. */
  private async past(task: Task): Promise<false> {
    const { session, plan, row } = this.options;
    const next = this.progress.task + 1;
    const unit = plan.units[task.unit];
    if (unit === undefined || this.tasks[next]?.unit === task.unit) {
      this.goTo(next, this.progress.round, this.progress.moved);
      return false;
    }
    // What came behind the walk is found by those who refer to it, or by the sweep at the end: to look for it here
    // would be to read all that is dead.
    if (!isTied(plan, unit)) {
      this.goTo(next, 1);
      return false;
    }
    const left = (await tablesWithRows(session, plan, row.tenantId, unit.tableOids)).size > 0;
    const end = endOfRound(this.progress, left);
    if (end === 'done') this.goTo(next, 1);
    else {
      const first = this.tasks.findIndex((one) => one.unit === task.unit && one.kind === 'rows');
      this.goTo(first, this.progress.round + 1);
      if (end === 'whole') this.progress = { ...this.progress, whole: true };
    }
    return false;
  }

  private goTo(task: number, round: number, moved = 0): void {
    const { plan, table, found } = this.progress;
    // Another table's rows are of another size.
    const blocks = firstBlocks(this.options.context.limits.chunkMs);
    this.progress = { plan, table, blocks, found, task, round, moved };
  }

  private referenceOf(place: number): ReferenceWork | null {
    const reference = this.options.plan.references[place];
    return referenceWork(this.options.plan).find((one) => one.reference === reference) ?? null;
  }

  private archiveOf({ oid }: CatalogTable): string | null {
    const archive = this.work.archiveOf(oid);
    if (this.options.mode === 'discard' || archive === undefined) return null;
    return qualified({ schema: this.options.context.declaration.letheSchema, name: archive.archive });
  }
}

/** Deletes the tenant's rows of a range, or of the whole table, but those that others of the unit refer to. */
function deletion(
  plan: Plan,
  unit: Unit,
  table: CatalogTable,
  archive: string | null,
  within?: InBlocks,
): string {
  const tied = within && tiedRows(plan, unit, table, within);
  const free = tied ? ` AND ${tied.free}` : '';
  const ctes = tied?.ctes ?? [];
  const rows = `DELETE FROM ${rowsOf(table)} AS t WHERE ${ownedRows(plan, table.oid, 't', within)}${free}`;
  if (archive === null) return ctes.length === 0 ? rows : `WITH RECURSIVE ${ctes.join(', ')} ${rows}`;
  const columns = archivedColumns(table);
  const targets = columns.map(({ archived }) => archived.stored).join(', ');
  const values = columns.map(({ value, archived }) => `${value} AS ${archived.stored}`).join(', ');
  const all = [...ctes, `d AS (${rows} RETURNING ${values})`];
  return `WITH RECURSIVE ${all.join(', ')} INSERT INTO ${archive} (${targets}) SELECT ${targets} FROM d`;
}
