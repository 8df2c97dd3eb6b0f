/** Moves all rows of a tenant that are there now, in one transaction: into archives, or away for good. */
import { withArchived } from '../archive/archived-plan.js';
import { archivedColumns } from '../archive/columns.js';
import { archiveName, createArchive } from '../archive/tables.js';
import type { EngineContext } from '../context.js';
import { EngineError } from '../engine-types.js';
import { TryAgain } from '../errors.js';
import type { Archive, LedgerRow, SavedReference } from '../ledger/record.js';
import type { Plan, Unit } from '../plan/types.js';
import { deletedTables } from '../plan-source.js';
import { qualified } from '../quote.js';
import { retentionOf } from '../retention/policy.js';
import type { Session } from '../session/session.js';
import { existing, tablesWithRows } from './existing.js';
import { assertNothingRefers, NotByFastPath, withoutTriggers } from './fast-path.js';
import { noteOrphans } from './orphans.js';
import { type ReferenceWork, referenceWork, savedColumns, takeReferences } from './references.js';
import { TransactionCounts } from './transaction-counts.js';
import { lockActedOn, moveUnit, moveUnitSilently, tablesOf } from './unit.js';

export interface Moved {
  /** Rows in this pass. */
  readonly rows: number;
  readonly archives: readonly Archive[];
  readonly savedReferences: readonly SavedReference[];
  /** Rows in all passes, by label. */
  readonly counts: Readonly<Record<string, number>>;
}

export interface MoveOptions {
  readonly context: EngineContext;
  readonly session: Session;
  readonly plan: Plan;
  readonly row: LedgerRow;
  /** `discard`: there is no way back any more. */
  readonly mode: 'archive' | 'discard';
  /** Whether triggers may be turned off where the plan says that they can be. Only with an archive to check against. */
  readonly fast?: boolean;
}

/** Moves what is there, and checks that nothing else was touched. */
export async function move(given: MoveOptions): Promise<Moved> {
  const { context, session, row } = given;
  const plan = withArchived(given.plan, row.archives, context.declaration.letheSchema);
  const options = { ...given, plan };
  const found = await tablesWithRows(session, plan, row.tenantId);
  const work = new MoveWork(options);
  if (found.size === 0) return work.result();
  const counts = await TransactionCounts.begin(session, plan);
  await work.moveUnits(plan.units.keys(), found);
  await work.assertNothingRefers();
  await work.noteOrphans();
  // Checks that wait for the end happen now: what the ledger says has to be final.
  await session.query('SET CONSTRAINTS ALL IMMEDIATE');
  await counts.expect(session, work.deleted, work.updated);
  await assertNothingKept(
    options,
    [...found].filter((oid) => !work.deleted.get(oid)),
  );
  return work.result();
}

/** A row that is there before and after a deletion of it is kept there by something. `oids`: tables nothing went from. */
export async function assertNothingKept(
  { session, plan, row }: Pick<MoveOptions, 'session' | 'plan' | 'row'>,
  oids: readonly number[],
): Promise<void> {
  if (oids.length === 0) return;
  const still = await tablesWithRows(session, plan, row.tenantId);
  const kept = deletedTables(plan).find(({ table }) => oids.includes(table.oid) && still.has(table.oid));
  if (kept === undefined) return;
  throw new TryAgain(
    new EngineError(
      'move_not_exact',
      `${kept.label} has rows of the tenant that a DELETE leaves where they are. Everything was rolled back. Look for triggers on DELETE that return null.`,
      { table: kept.label },
    ),
  );
}

/** What one transaction moves, and what the ledger has to say of it. */
export class MoveWork {
  readonly deleted = new Map<number, number>();
  readonly updated = new Map<number, number>();
  /** Tables that were moved with triggers off. */
  private readonly silently = new Set<number>();
  private archives: Archive[];
  private readonly savedReferences: SavedReference[];

  constructor(private readonly options: MoveOptions) {
    this.archives = [...options.row.archives];
    this.savedReferences = [...options.row.savedReferences];
  }

  /** Units by their places, in order. `found`: OIDs of the tables that hold rows of the tenant. */
  async moveUnits(places: Iterable<number>, found: ReadonlySet<number>): Promise<void> {
    const { session, plan, row } = this.options;
    for (const place of places) {
      const unit = plan.units[place];
      if (!unit?.tableOids.some((oid) => found.has(oid))) continue;
      const fast = withoutTriggers(plan, place, this.options);
      if (!fast) await lockActedOn(session, plan, unit, row.tenantId);
      for (const one of await referencesInto(session, plan, row.tenantId, unit))
        await this.saveReferences(one, fast);
      await this.moveUnit(unit, place, fast);
    }
  }

  private async moveUnit(unit: Unit, place: number, fast: boolean): Promise<void> {
    const { session, plan, row, context, mode } = this.options;
    const schema = context.declaration.letheSchema;
    if (mode === 'archive') await this.prepareArchives(unit, place);
    const moved = await (fast ? moveUnitSilently : moveUnit)(session, plan, unit, row.tenantId, (table) => {
      const archive = this.archiveOf(table.oid);
      return mode === 'discard' || archive === undefined
        ? null
        : qualified({ schema, name: archive.archive });
    });
    for (const [oid, rows] of moved) this.note(oid, rows, fast);
  }

  archiveOf(oid: number): Archive | undefined {
    return this.archives.find((one) => one.table.oid === oid);
  }

  /** So many rows of a table have gone. `fast`: with triggers off. */
  note(oid: number, rows: number, fast: boolean): void {
    if (fast && rows > 0) this.silently.add(oid);
    this.deleted.set(oid, (this.deleted.get(oid) ?? 0) + rows);
    const at = this.archives.findIndex((one) => one.table.oid === oid);
    const archive = this.archives[at];
    if (this.options.mode === 'archive' && archive)
      this.archives[at] = { ...archive, rows: archive.rows + rows };
  }

  /** `from`: of archives by table's OID, the block that this transaction's rows begin in. */
  async assertNothingRefers(from?: ReadonlyMap<number, number>): Promise<void> {
    const { session, plan, context } = this.options;
    if (this.silently.size === 0) return;
    const schema = context.declaration.letheSchema;
    try {
      await assertNothingRefers(session, plan, this.silently, this.archives, schema, from);
    } catch (error) {
      // Triggers that are to stay off leave no other way: what came in between is found the next time.
      if (!(error instanceof NotByFastPath) || this.options.fast === true) throw error;
      throw new TryAgain(
        new EngineError('move_not_exact', `${error.message}, while triggers have to stay off. Ask again.`),
      );
    }
  }

  /** What has just gone and had no parent is remembered, as long as there is a way back. `from`: as above. */
  async noteOrphans(from: ReadonlyMap<number, number> = new Map()): Promise<void> {
    const { session, plan, row, context, mode } = this.options;
    if (mode !== 'archive' || row.state !== 'staging') return;
    const { archives, deleted } = this;
    const place = { schema: context.declaration.letheSchema, ledgerId: row.id };
    this.archives = [...(await noteOrphans(session, plan, { archives, deleted, from }, place))];
  }

  async prepareArchives(unit: Pick<Unit, 'tableOids'>, place: number): Promise<void> {
    const { session, plan, row, context } = this.options;
    for (const table of tablesOf(plan, unit)) {
      if (this.archives.some((one) => one.table.oid === table.oid)) continue;
      const columns = archivedColumns(table);
      const archive = archiveName('rows', row.id, this.archives.length + 1);
      await createArchive(session, { schema: context.declaration.letheSchema, name: archive }, columns);
      this.archives.push({
        archive,
        table: { oid: table.oid, schema: table.schema, name: table.name },
        unit: place,
        rows: 0,
        columns: columns.map(({ archived }) => archived),
        ...retentionOf(plan, table.oid),
      });
    }
  }

  /** `nulls`: whether the values are nulled at once, not by the key at the deletion. Gives the number of rows. */
  async saveReferences(work: ReferenceWork, nulls: boolean): Promise<number> {
    const { session, row, context, mode } = this.options;
    const { child } = work;
    const schema = context.declaration.letheSchema;
    const place = mode === 'archive' ? await this.prepareReferences(work) : -1;
    const saved = this.savedReferences[place];
    const archive = saved === undefined ? null : qualified({ schema, name: saved.archive });
    const rows = await takeReferences(session, work, row.tenantId, archive, !nulls);
    if (saved) this.savedReferences[place] = { ...saved, rows: saved.rows + rows };
    this.updated.set(child.oid, (this.updated.get(child.oid) ?? 0) + rows);
    return rows;
  }

  /** One archive for each key, whatever number of times rows are found. Gives its place. */
  private async prepareReferences(work: ReferenceWork): Promise<number> {
    const { session, row, context } = this.options;
    const { reference, child } = work;
    const schema = context.declaration.letheSchema;
    const { key, nulled } = savedColumns(work);
    const columns = nulled.map(({ archived }) => archived);
    const before = this.savedReferences.findIndex(
      (one) =>
        one.table.oid === child.oid &&
        one.constraint === reference.key.name &&
        one.columns.map(({ attnum }) => attnum).join() === columns.map(({ attnum }) => attnum).join(),
    );
    if (before >= 0) return before;
    const name = archiveName('references', row.id, this.savedReferences.length + 1);
    await createArchive(session, { schema, name }, [...key, ...nulled]);
    return (
      this.savedReferences.push({
        archive: name,
        table: { oid: child.oid, schema: child.schema, name: child.name },
        constraint: reference.key.name,
        rows: 0,
        key: key.map(({ archived }) => archived),
        columns,
        became: reference.key.onDelete === 'set_default' && reference.nulledBy === 'key' ? 'default' : 'null',
      }) - 1
    );
  }

  result(): Moved {
    const { row, plan } = this.options;
    const counts = { ...row.counts };
    let rows = 0;
    for (const { table, label } of deletedTables(plan)) {
      const moved = this.deleted.get(table.oid) ?? 0;
      rows += moved;
      counts[label] = (counts[label] ?? 0) + moved;
    }
    return { rows, counts, archives: this.archives, savedReferences: this.savedReferences };
  }
}

/** References into the unit's tables by rows that stay. Asked once the unit's rows are locked. */
async function referencesInto(
  session: Session,
  plan: Plan,
  tenantId: string,
  { tableOids }: Unit,
): Promise<ReferenceWork[]> {
  const all = referenceWork(plan).filter(({ reference }) => tableOids.includes(reference.key.parentOid));
  const exists = await existing(
    session,
    all.map(({ from, condition }) => `${from} WHERE ${condition}`),
    tenantId,
  );
  return all.filter((_, place) => exists[place]);
}
