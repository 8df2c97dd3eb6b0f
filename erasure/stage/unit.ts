/** Moves the tenant's rows of one unit: tables that acting keys or a cycle tie, or a single one. */

import { archivedColumns } from '../archive/columns.js';
import type { CatalogTable, KeyAction } from '../catalog/types.js';
import type { Plan, Unit } from '../plan/types.js';
import { label } from '../quote.js';
import { ownedRows, rowsOf, type Within } from '../selection.js';
import type { Session } from '../session/session.js';
import { withTriggersOff } from './fast-path.js';

const ACTING: ReadonlySet<KeyAction> = new Set(['cascade', 'set_null', 'set_default']);

/** Where the rows of a table go: the archive's qualified name, or nowhere. */
export type Destination = (table: CatalogTable) => string | null;

/**
 * The same with triggers off, and without what they would check. Then keys do nothing, so that tables which are tied by
 * nothing else go one by one.
 */
export async function moveUnitSilently(
  session: Session,
  plan: Plan,
  unit: Unit,
  tenantId: string,
  destination: Destination,
): Promise<Map<number, number>> {
  const parts =
    unit.reason === 'cycle' ? [unit] : unit.tableOids.map((oid): Unit => ({ ...unit, tableOids: [oid] }));
  return withTriggersOff(session, async () => {
    const moved = new Map<number, number>();
    for (const part of parts) {
      for (const [oid, rows] of await moveUnit(session, plan, part, tenantId, destination))
        moved.set(oid, rows);
    }
    return moved;
  });
}

/**
 * Deletes the tenant's rows of a unit, and archives them as they were. Gives the number of rows by table's OID: of
 * those archived, or of those deleted where no archive is wanted.
 */
export async function moveUnit(
  session: Session,
  plan: Plan,
  unit: Unit,
  tenantId: string,
  destination: Destination,
): Promise<Map<number, number>> {
  const tables = tablesOf(plan, unit);
  const parts = tables.map((table, place) => moveOf(plan, table, place, destination(table)));
  const about = { table: tables.map(label).join(', '), privilege: 'DELETE' };
  const [first, ...others] = parts;
  if (first !== undefined && others.length === 0) {
    const done = await session.query(first.alone, [tenantId], about);
    return new Map(tables.map((table) => [table.oid, done.rowCount ?? 0]));
  }
  // One snapshot for all of them; what keys do comes after the last row was archived as it was.
  const { rows } = await session.query<Record<string, number>>(
    `WITH ${parts.map(({ ctes }) => ctes).join(',\n')}\nSELECT ${parts.map(({ count }) => count).join(', ')}`,
    [tenantId],
    about,
  );
  return new Map(tables.map((table, place) => [table.oid, rows[0]?.[`rows${place}`] ?? 0]));
}

export function tablesOf(plan: Plan, unit: Pick<Unit, 'tableOids'>): CatalogTable[] {
  const tables = new Map(plan.catalog.tables.map((table) => [table.oid, table]));
  return unit.tableOids.flatMap((oid) => tables.get(oid) ?? []);
}

/**
 * Locks rows that others refer to by a key that acts, or that we null, before the statements that save and delete take
 * their snapshots. So what somebody inserts meanwhile is either seen by them or waits for us: nothing is cascaded away
 * or set to null unseen.
 */
export async function lockActedOn(
  session: Session,
  plan: Plan,
  unit: Pick<Unit, 'tableOids'>,
  tenantId: string,
  within?: Within,
): Promise<void> {
  const nulled = new Set(plan.references.map(({ key }) => key.oid));
  for (const table of tablesOf(plan, unit)) {
    const acting = plan.catalog.foreignKeys.some(
      (key) =>
        key.parentOid === table.oid && key.enforced && (ACTING.has(key.onDelete) || nulled.has(key.oid)),
    );
    if (!acting) continue;
    await session.query(
      `SELECT count(*) FROM (SELECT FROM ${rowsOf(table)} AS t WHERE ${ownedRows(plan, table.oid, 't', within)} FOR UPDATE OF t) AS locked`,
      [tenantId],
      { table: label(table), privilege: 'UPDATE' },
    );
  }
}

interface Move {
  /** The whole statement, for a table that is a unit of its own. */
  readonly alone: string;
  readonly ctes: string;
  readonly count: string;
}

function moveOf(plan: Plan, table: CatalogTable, place: number, archive: string | null): Move {
  const deletion = `DELETE FROM ${rowsOf(table)} AS t WHERE ${ownedRows(plan, table.oid, 't')}`;
  const count = (cte: string) => `(SELECT count(*)::float8 FROM ${cte}${place}) AS rows${place}`;
  if (archive === null) {
    return { alone: deletion, ctes: `d${place} AS (${deletion} RETURNING 1)`, count: count('d') };
  }
  const columns = archivedColumns(table);
  const targets = columns.map(({ archived }) => archived.stored).join(', ');
  const values = columns.map(({ value, archived }) => `${value} AS ${archived.stored}`).join(', ');
  const deleted = `d${place} AS (${deletion} RETURNING ${values})`;
  const insertion = `INSERT INTO ${archive} (${targets}) SELECT ${targets} FROM d${place}`;
  return {
    alone: `WITH ${deleted} ${insertion}`,
    ctes: `${deleted},\ni${place} AS (${insertion} RETURNING 1)`,
    count: count('i'),
  };
}
