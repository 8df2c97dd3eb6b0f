/** Rows that could be moved away and not brought back: they break a constraint that PostgreSQL never checked them against. */
import { EngineError } from '../engine-types.js';
import type { Plan } from '../plan/types.js';
import { deletedTables } from '../plan-source.js';
import { ident, label } from '../quote.js';
import { ownedRows, rowsOf } from '../selection.js';
import type { Session } from '../session/session.js';

// Keys and checks that are NOT VALID bind every insert, and so every restore.
const CHECKS = `
  SELECT c.conrelid AS "table", c.conname::text AS name, pg_get_expr(c.conbin, c.conrelid) AS expression
    FROM pg_constraint c WHERE c.conrelid = ANY ($1::oid[]) AND c.contype = 'c' AND NOT c.convalidated`;

/** Throws `plan_refused` where such rows exist. */
export async function assertComesBack(session: Session, plan: Plan, tenantId: string): Promise<void> {
  for (const { table, name, broken } of await unchecked(session, plan)) {
    const { rows } = await session.query<{ rows: number }>(
      `SELECT count(*)::float8 AS rows FROM ${broken}`,
      [tenantId],
      { table },
    );
    const count = rows[0]?.rows ?? 0;
    if (count === 0) continue;
    throw new EngineError(
      'plan_refused',
      `${count} of the tenant's rows in ${table} break ${ident(name)}, which is NOT VALID: once moved they could not come back. Mend these rows, or drop the constraint.`,
      { table },
    );
  }
}

interface Unchecked {
  readonly table: string;
  readonly name: string;
  /** FROM and condition of the rows that break it. */
  readonly broken: string;
}

async function unchecked(session: Session, plan: Plan): Promise<Unchecked[]> {
  const tables = deletedTables(plan).map(({ table }) => table);
  const byOid = new Map(plan.catalog.tables.map((table) => [table.oid, table]));
  const owned = (oid: number) => ownedRows(plan, oid, 't');
  const { rows } = await session.query<{ table: number; name: string; expression: string }>(CHECKS, [
    tables.map(({ oid }) => oid),
  ]);
  const checks = rows.flatMap(({ table: oid, name, expression }) => {
    const table = byOid.get(oid);
    if (table === undefined) return [];
    const broken = `${rowsOf(table)} AS t WHERE ${owned(oid)} AND NOT (${expression})`;
    return [{ table: label(table), name, broken }];
  });
  const keys = plan.catalog.foreignKeys.flatMap((key) => {
    const child = tables.find(({ oid }) => oid === key.childOid);
    const parent = byOid.get(key.parentOid);
    if (child === undefined || parent === undefined || key.validated || !key.enforced) return [];
    const set = key.childColumns.map((column) => `t.${ident(column)} IS NOT NULL`);
    const same = key.childColumns.map(
      (column, place) =>
        `p.${ident(key.parentColumns[place] ?? column)} ${key.operators[place]} t.${ident(column)}`,
    );
    const broken = `${rowsOf(child)} AS t WHERE ${owned(child.oid)} AND ${set.join(' AND ')}
      AND NOT EXISTS (SELECT FROM ${rowsOf(parent)} AS p WHERE ${same.join(' AND ')})`;
    return [{ table: label(child), name: key.name, broken }];
  });
  return [...checks, ...keys];
}
