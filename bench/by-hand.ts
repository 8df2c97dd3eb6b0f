/** What an engineer would type: a DELETE per table in the order of the foreign keys, and an INSERT per table back. */
import type { CatalogTable } from '../erasure/catalog/types.js';
import type { Plan, Unit } from '../erasure/plan/types.js';
import { ident, qualified } from '../erasure/quote.js';
import { ownedRows, rowsOf } from '../erasure/selection.js';
import { referenceWork } from '../erasure/stage/references.js';

/** Where copies of a tenant's rows lie, for the INSERT by hand. */
export const COPIES = 'bench_copies';

/** Statements with `$1` as the tenant, children first. Rows that are owned by hops are found by sub-selects. */
export function deletions(plan: Plan): string[] {
  return plan.units.flatMap((unit) => [...nulledReferences(plan, unit), ...unitDeletions(plan, unit)]);
}

/** References that the declaration nulls have to be nulled by whoever deletes by hand, too. */
function nulledReferences(plan: Plan, unit: Unit): string[] {
  return referenceWork(plan)
    .filter(
      ({ reference }) =>
        reference.nulledBy === 'declaration' && unit.tableOids.includes(reference.key.parentOid),
    )
    .map(({ reference, from, condition }) => {
      const nulls = reference.columns.map((name) => `${ident(name)} = NULL`).join(', ');
      return `UPDATE ${from} SET ${nulls} WHERE ${condition}`;
    });
}

function unitDeletions(plan: Plan, unit: Unit): string[] {
  const statements = tablesOf(plan, unit).map(
    (table) => `DELETE FROM ${rowsOf(table)} AS t WHERE ${ownedRows(plan, table.oid, 't')}`,
  );
  return unit.reason === 'cycle' ? [inOne(statements)] : statements;
}

/** One statement that counts the tenant's rows of every table, and asks nothing else. */
export function counts(plan: Plan): string[] {
  const each = plan.units.flatMap((unit) =>
    tablesOf(plan, unit).map(
      (table) => `SELECT count(*) FROM ${rowsOf(table)} AS t WHERE ${ownedRows(plan, table.oid, 't')}`,
    ),
  );
  return each.length === 0 ? [] : [each.join('\nUNION ALL ')];
}

/** Statements that copy the tenant's rows aside. */
export function copies(plan: Plan): string[] {
  return plan.units.flatMap((unit) =>
    tablesOf(plan, unit).map(
      (table) =>
        `SELECT * INTO ${copyOf(table)} FROM ${rowsOf(table)} AS t WHERE ${ownedRows(plan, table.oid, 't')}`,
    ),
  );
}

/** Statements that insert the copies, parents first, with every constraint and trigger on. */
export function insertions(plan: Plan): string[] {
  return [...plan.units].reverse().flatMap((unit) => {
    const statements = [...tablesOf(plan, unit)].reverse().map((table) => {
      const columns = table.columns.filter(({ generated }) => !generated).map(({ name }) => ident(name));
      const list = columns.join(', ');
      return `INSERT INTO ${qualified(table)} (${list}) OVERRIDING SYSTEM VALUE SELECT ${list} FROM ${copyOf(table)}`;
    });
    return unit.reason === 'cycle' ? [inOne(statements)] : statements;
  });
}

/** Tables tied in a cycle have no order; one statement needs none. */
function inOne(statements: readonly string[]): string {
  const [only, ...others] = statements;
  if (only !== undefined && others.length === 0) return only;
  const ctes = statements.map((sql, place) => `w${place} AS (${sql} RETURNING 1)`);
  return `WITH ${ctes.join(',\n')} SELECT ${statements.map((_, place) => `(SELECT count(*) FROM w${place})`).join(' + ')}`;
}

function copyOf({ oid }: CatalogTable): string {
  return qualified({ schema: COPIES, name: `t${oid}` });
}

function tablesOf(plan: Plan, unit: Unit): CatalogTable[] {
  const tables = new Map(plan.catalog.tables.map((table) => [table.oid, table]));
  return unit.tableOids.flatMap((oid) => tables.get(oid) ?? []);
}
