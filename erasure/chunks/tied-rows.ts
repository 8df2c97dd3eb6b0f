/** Rows of a unit that others of it still refer to: they go once those are gone. */
import type { CatalogTable, ForeignKey } from '../catalog/types.js';
import type { Plan, Unit } from '../plan/types.js';
import { ident } from '../quote.js';
import { equalities, inRows, rowsOf } from '../selection-sql.js';
import type { InBlocks } from './blocks.js';

/** Whether rows of the unit may refer to each other in ways that no order of tables serves. */
export function isTied(plan: Plan, unit: Unit): boolean {
  return unit.reason === 'cycle' || within(plan, unit).some((key) => key.childOid === key.parentOid);
}

/**
 * Whether a unit's rows have to go together. Where a declared reference says whose a row is, and what it refers to went
 * before it in another chunk, the row would not be found any more.
 */
export function isIndivisible(plan: Plan, unit: Unit): boolean {
  return plan.catalog.foreignKeys.some(
    ({ soft, childOid, parentOid }) =>
      soft !== undefined && unit.tableOids.includes(childOid) && unit.tableOids.includes(parentOid),
  );
}

function within(plan: Plan, { tableOids }: Unit): ForeignKey[] {
  return plan.catalog.foreignKeys.filter(
    (key) =>
      key.enforced &&
      key.soft === undefined &&
      tableOids.includes(key.childOid) &&
      tableOids.includes(key.parentOid),
  );
}

export interface Tied {
  /** Common table expressions to stand in the WITH RECURSIVE. */
  readonly ctes: readonly string[];
  /** Condition on a row `t` of the range: none refers to it but such as go along with it. */
  readonly free: string;
}

/**
 * Rows of a range of the table that have to stay for now: a row of another table of the unit refers to them, or one of
 * their own table outside of the range; and within the range, what these refer to. Null where there can be none.
 */
export function tiedRows(plan: Plan, unit: Unit, table: CatalogTable, range: InBlocks): Tied | null {
  if (!isTied(plan, unit)) return null;
  const tables = new Map(plan.catalog.tables.map((one) => [one.oid, one]));
  const keys = within(plan, unit).filter((key) => key.parentOid === table.oid);
  const refers = keys.flatMap((key) => {
    const child = tables.get(key.childOid);
    if (child === undefined) return [];
    const own = key.childOid === table.oid ? [`(${range('c')}) IS NOT TRUE`] : [];
    const conditions = [...equalities(key, (name) => `p.${ident(name)}`, 'c'), ...inRows(key, 'c'), ...own];
    return [`EXISTS (SELECT FROM ${rowsOf(child)} AS c WHERE ${conditions.join(' AND ')})`];
  });
  if (refers.length === 0) return null;
  const upwards = keys
    .filter((key) => key.childOid === table.oid)
    .map((key) => {
      const conditions = [...equalities(key, (name) => `p.${ident(name)}`, 'c'), ...inRows(key, 'c')];
      return `SELECT p.tableoid, p.ctid FROM ${rowsOf(table)} AS c JOIN ${rowsOf(table)} AS p ON ${conditions.join(' AND ')}
        WHERE c.tableoid = s.o AND c.ctid = s.c AND ${range('p')}`;
    });
  const first = `SELECT p.tableoid, p.ctid FROM ${rowsOf(table)} AS p WHERE ${range('p')} AND (${refers.join(' OR ')})`;
  const recursion =
    upwards.length === 0
      ? ''
      : ` UNION SELECT u.* FROM lethe_tied AS s CROSS JOIN LATERAL (${upwards.join(' UNION ALL ')}) AS u`;
  return {
    ctes: [`lethe_tied(o, c) AS (${first}${recursion})`],
    free: 'NOT EXISTS (SELECT FROM lethe_tied AS s WHERE s.o = t.tableoid AND s.c = t.ctid)',
  };
}
