/** What this transaction has really done to each table, as PostgreSQL itself counts: our statements, and all they set off. */
import { EngineError } from '../engine-types.js';
import { TryAgain } from '../errors.js';
import type { Plan } from '../plan/types.js';
import { changedTables, deletedTables } from '../plan-source.js';
import { label } from '../quote.js';
import type { Session } from '../session/session.js';

interface Counts {
  readonly updated: number;
  readonly deleted: number;
}

const NONE: Counts = { updated: 0, deleted: 0 };

/** Rows by table's OID. */
export type RowsByTable = ReadonlyMap<number, number>;

/** Counts from its beginning on: PostgreSQL's own counters may still hold those of the transaction before. */
export class TransactionCounts {
  private constructor(
    private readonly plan: Plan,
    private readonly rootOf: ReadonlyMap<number, number>,
    private readonly before: ReadonlyMap<number, Counts>,
  ) {}

  static async begin(session: Session, plan: Plan): Promise<TransactionCounts> {
    const rootOf = new Map(
      plan.catalog.tables.flatMap((table) => table.leaves.map((leaf) => [leaf.oid, table.oid] as const)),
    );
    return new TransactionCounts(plan, rootOf, await read(session, rootOf));
  }

  /**
   * Throws `TryAgain` unless exactly these rows were deleted and updated. More were where a key's action met a row
   * that no statement of ours had seen: it came in between, and would be lost.
   */
  async expect(session: Session, deleted: RowsByTable, updated: RowsByTable): Promise<void> {
    const after = await read(session, this.rootOf);
    // Somebody's trigger may do anything, and the declaration lets it.
    const fires = changedTables(this.plan).some(({ triggers }) => triggers === 'fire');
    const planned = new Set(deletedTables(this.plan).map(({ table }) => table.oid));
    for (const table of this.plan.catalog.tables) {
      const was = this.before.get(table.oid) ?? NONE;
      const is = after.get(table.oid) ?? NONE;
      const gone = is.deleted - was.deleted;
      const changed = is.updated - was.updated;
      if (fires && !planned.has(table.oid)) continue;
      if (gone === (deleted.get(table.oid) ?? 0) && (fires || changed === (updated.get(table.oid) ?? 0)))
        continue;
      throw new TryAgain(
        new EngineError(
          'move_not_exact',
          `${label(table)}: ${gone} rows were deleted and ${changed} changed where ${deleted.get(table.oid) ?? 0} and ${updated.get(table.oid) ?? 0} were accounted for. Everything was rolled back. Look for triggers, rules, and keys that act on rows which are not the tenant's.`,
          { table: label(table) },
        ),
      );
    }
  }
}

async function read(
  session: Session,
  rootOf: ReadonlyMap<number, number>,
): Promise<ReadonlyMap<number, Counts>> {
  const { rows } = await session.query<{ oid: number; updated: number; deleted: number }>(
    `SELECT o.oid, pg_stat_get_xact_tuples_updated(o.oid)::float8 AS updated,
            pg_stat_get_xact_tuples_deleted(o.oid)::float8 AS deleted
       FROM unnest($1::oid[]) AS o(oid)
      WHERE current_setting('track_counts')::bool`,
    [[...rootOf.keys()]],
  );
  if (rows.length < rootOf.size) {
    throw new EngineError(
      'plan_refused',
      'The server has track_counts off, by which it is checked that nothing is deleted unseen. Set it on.',
    );
  }
  const sums = new Map<number, Counts>();
  for (const { oid, updated, deleted } of rows) {
    const root = rootOf.get(oid) ?? oid;
    const sum = sums.get(root) ?? NONE;
    sums.set(root, { updated: sum.updated + updated, deleted: sum.deleted + deleted });
  }
  return sums;
}
