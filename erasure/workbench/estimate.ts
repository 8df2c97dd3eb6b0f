/** What a stage would probably take: bytes of archive, and time. */
import type pg from 'pg';
import type { Preview } from '../engine-types.js';
import type { Plan } from '../plan/types.js';
import { deletedTables } from '../plan-source.js';

export interface Estimate {
  readonly archiveBytes: number;
  /** From a machine that does nothing else to one that is busy. */
  readonly seconds: { readonly least: number; readonly most: number };
  /** Keys without an index, by which PostgreSQL reads a whole table for each deleted row. */
  readonly slowedBy: readonly string[];
}

/** Rows a second that were moved on small machines, with foreign keys checked. */
const ROWS_PER_SECOND = { most: 250_000, least: 40_000 };
/** Rows a second that a whole-table read passes. */
const ROWS_READ_PER_SECOND = 5_000_000;
const ROUND_TRIPS_SECONDS = 0.05;

// Of rows that were never counted, the size of the table and 100 bytes each give a guess.
const SIZES = `
  SELECT l.root::int8::float8 AS root, sum(pg_relation_size(l.leaf))::float8 AS bytes,
         sum(CASE WHEN c.reltuples >= 0 THEN c.reltuples ELSE pg_relation_size(l.leaf) / 100.0 END)::float8 AS rows
    FROM unnest($1::oid[], $2::oid[]) AS l(root, leaf) JOIN pg_class c ON c.oid = l.leaf GROUP BY l.root`;

export async function estimateOf(client: pg.ClientBase, plan: Plan, preview: Preview): Promise<Estimate> {
  const tables = deletedTables(plan);
  const leaves = tables.flatMap(({ table }) => table.leaves.map((leaf) => [table.oid, leaf.oid] as const));
  const { rows: sizes } = await client.query<{ root: number; bytes: number; rows: number }>(SIZES, [
    leaves.map(([root]) => root),
    leaves.map(([, leaf]) => leaf),
  ]);
  const rowsOf = (name: string) => preview.tables.find(({ table }) => table === name)?.rows ?? 0;
  let archiveBytes = 0;
  for (const { table, label } of tables) {
    const size = sizes.find(({ root }) => root === table.oid);
    if (size === undefined || size.rows <= 0) continue;
    archiveBytes += Math.round((size.bytes / size.rows) * rowsOf(label));
  }
  const slow = tables.flatMap(({ table, label }) => unindexed(plan, table.oid, rowsOf(label)));
  const slowed = slow.reduce((sum, { seconds }) => sum + seconds, 0);
  return {
    archiveBytes,
    seconds: {
      least: ROUND_TRIPS_SECONDS + preview.totalRows / ROWS_PER_SECOND.most + slowed,
      most: 2 * ROUND_TRIPS_SECONDS + preview.totalRows / ROWS_PER_SECOND.least + 2 * slowed,
    },
    slowedBy: slow.filter(({ seconds }) => seconds >= 1).map(({ column }) => column),
  };
}

function unindexed(plan: Plan, parentOid: number, rows: number): { column: string; seconds: number }[] {
  if (rows === 0) return [];
  return plan.catalog.foreignKeys.flatMap((key) => {
    const child = plan.catalog.tables.find(({ oid }) => oid === key.childOid);
    if (child === undefined || key.parentOid !== parentOid || !key.enforced || key.soft !== undefined)
      return [];
    const served = child.indexes.some(
      ({ columns, partial }) =>
        !partial &&
        key.childColumns.every((name) => columns.slice(0, key.childColumns.length).includes(name)),
    );
    if (served || child.estimatedRows <= 0) return [];
    const column = `${child.schema}.${child.name}.${key.childColumns.join(',')}`;
    return [{ column, seconds: (rows * child.estimatedRows) / ROWS_READ_PER_SECOND }];
  });
}
