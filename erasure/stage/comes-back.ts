/** Rows that could be moved away and not brought back: they break a constraint that PostgreSQL never checked them against. */
import { EngineError } from '../engine-types.js';
import type { Plan } from '../plan/types.js';
import { deletedTables } from '../plan-source.js';
import { ident, label } from '../quote.js';
import { ownedRows, rowsOf } from '../selection.js';
import type { Session } from '../session/session.js';
import { orphansBy, stuckOrphans, unvalidatedKeys, whyNoOrphans } from './orphans.js';

// Checks that are NOT VALID bind every insert, and so every restore, with triggers on and off.
const CHECKS = `
  SELECT c.conrelid AS "table", c.conname::text AS name, pg_get_expr(c.conbin, c.conrelid) AS expression
    FROM pg_constraint c WHERE c.conrelid = ANY ($1::oid[]) AND c.contype = 'c' AND NOT c.convalidated`;

/** Throws `plan_refused` where such rows exist. Orphans that can come back are none: they are noted as they go. */
export async function assertComesBack(session: Session, plan: Plan, tenantId: string): Promise<void> {
  for (const { table, broken, told } of [...(await ofChecks(session, plan)), ...ofKeys(plan)]) {
    const { rows } = await session.query<{ rows: number }>(
      `SELECT count(*)::float8 AS rows FROM ${broken}`,
      [tenantId],
      { table },
    );
    const count = rows[0]?.rows ?? 0;
    if (count > 0) throw new EngineError('plan_refused', told(count), { table });
  }
}

interface Unchecked {
  readonly table: string;
  /** FROM and condition of the rows that break it. */
  readonly broken: string;
  readonly told: (rows: number) => string;
}

async function ofChecks(session: Session, plan: Plan): Promise<Unchecked[]> {
  const tables = deletedTables(plan).map(({ table }) => table);
  const { rows } = await session.query<{ table: number; name: string; expression: string }>(CHECKS, [
    tables.map(({ oid }) => oid),
  ]);
  return rows.flatMap(({ table: oid, name, expression }) => {
    const table = tables.find((one) => one.oid === oid);
    if (table === undefined) return [];
    const broken = `${rowsOf(table)} AS t WHERE ${ownedRows(plan, oid, 't')} AND NOT (${expression})`;
    return [{ table: label(table), broken, told: (count) => breaks(label(table), name, count) }];
  });
}

function ofKeys(plan: Plan): Unchecked[] {
  return unvalidatedKeys(plan).flatMap((one): Unchecked[] => {
    const { key, child } = one;
    const why = whyNoOrphans(plan, one);
    const stuck = {
      table: child.label,
      broken: orphansBy(plan, one),
      told: (rows: number) => {
        const { message, remedy } = stuckOrphans(plan, one, rows, why ?? '');
        return `${message} ${remedy}`;
      },
    };
    // Half a key: PostgreSQL lets no such row in, whatever it refers to.
    const nulls = key.childColumns.map((column) => `t.${ident(column)}`).join(', ');
    const halves = {
      table: child.label,
      broken: `${rowsOf(child.table)} AS t WHERE ${ownedRows(plan, key.childOid, 't')} AND num_nulls(${nulls}) BETWEEN 1 AND ${key.childColumns.length - 1}`,
      told: (rows: number) => breaks(child.label, key.name, rows),
    };
    return [...(why === null ? [] : [stuck]), ...(key.match === 'full' ? [halves] : [])];
  });
}

function breaks(table: string, name: string, rows: number): string {
  return `${rows} of the tenant's rows in ${table} break ${ident(name)}, which is NOT VALID: once moved they could not come back. Mend these rows, or drop the constraint.`;
}
