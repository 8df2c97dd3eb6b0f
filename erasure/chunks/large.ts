/** Whether a tenant has more rows than one transaction should move, as far as PostgreSQL can tell beforehand. */
import type { Plan } from '../plan/types.js';
import { deletedTables } from '../plan-source.js';
import { ownedRows, rowsOf } from '../selection.js';
import type { Session } from '../session/session.js';

const BYTES_PER_ROW = 100;

// All tenants' rows. Of a table that was never counted, its size gives a guess.
const ROWS = `
  SELECT COALESCE(sum(GREATEST(c.reltuples, pg_relation_size(c.oid) / ${BYTES_PER_ROW}.0)), 0)::float8 AS rows
    FROM pg_class c WHERE c.oid = ANY ($1::oid[])`;

/** The tenant's rows, estimated; null where they cannot be more than `limit`, so that nobody has to ask. */
export async function rowsIfLarge(
  session: Session,
  plan: Plan,
  tenantId: string,
  limit: number,
): Promise<number | null> {
  const leaves = deletedTables(plan).flatMap(({ table }) => table.leaves.map(({ oid }) => oid));
  const { rows } = await session.query<{ rows: number }>(ROWS, [leaves]);
  if ((rows[0]?.rows ?? 0) <= limit) return null;
  const estimated = await estimatedRows(session, plan, tenantId);
  return estimated > limit ? estimated : null;
}

/** By the planner, table by table. */
export async function estimatedRows(session: Session, plan: Plan, tenantId: string): Promise<number> {
  let sum = 0;
  for (const { table } of deletedTables(plan)) {
    const { rows } = await session.query<{ 'QUERY PLAN': readonly { Plan: { 'Plan Rows': number } }[] }>(
      `EXPLAIN (FORMAT JSON) SELECT FROM ${rowsOf(table)} AS t WHERE ${ownedRows(plan, table.oid, 't')}`,
      [tenantId],
    );
    sum += rows[0]?.['QUERY PLAN'][0]?.Plan['Plan Rows'] ?? 0;
  }
  return Math.round(sum);
}
