/** References to the tenant's rows in rows that stay: the values are saved, and nulled. */
import { type ColumnPlan, referenceColumns } from '../archive/columns.js';
import type { CatalogTable } from '../catalog/types.js';
import { EngineError } from '../engine-types.js';
import { TryAgain } from '../errors.js';
import type { Plan, PlannedReference } from '../plan/types.js';
import { deletedTables } from '../plan-source.js';
import { ident, label } from '../quote.js';
import { notOwnedRows, refersToOwned, rowsOf } from '../selection.js';
import type { Session } from '../session/session.js';

/** A reference with the table that it stands in. */
export interface ReferenceWork {
  readonly reference: PlannedReference;
  readonly child: CatalogTable;
  /** The rows that stay and refer: what stands after FROM, aliased `t`, and the condition. */
  readonly from: string;
  readonly condition: string;
}

export function referenceWork(plan: Plan): ReferenceWork[] {
  const tables = new Map(plan.catalog.tables.map((table) => [table.oid, table]));
  const deleted = new Set(deletedTables(plan).map(({ table }) => table.oid));
  return plan.references.flatMap((reference) => {
    const child = tables.get(reference.key.childOid);
    if (child === undefined) return [];
    // The tenant's own rows go into the archive as they are.
    const stays = deleted.has(child.oid) ? ` AND ${notOwnedRows(plan, child.oid, 't')}` : '';
    return [
      {
        reference,
        child,
        from: `${rowsOf(child)} AS t`,
        condition: `${refersToOwned(plan, reference.key, 't')}${stays}`,
      },
    ];
  });
}

/** What is saved of a reference. Throws where a referencing row could not be found again. */
export function savedColumns({ reference, child }: ReferenceWork): {
  readonly key: readonly ColumnPlan[];
  readonly nulled: readonly ColumnPlan[];
} {
  if (child.primaryKey !== null) return referenceColumns(child, child.primaryKey, reference.columns);
  throw new EngineError(
    'plan_refused',
    `Rows of ${label(child)} refer to the tenant's and would be set to null; without a primary key they could not be found again at a restore. Give the table a primary key, or change these rows.`,
    { table: label(child) },
  );
}

/**
 * Saves the values, of rows that are locked until the transaction ends, and nulls them unless the key itself will.
 * Gives the number of rows. `archive`: qualified name; null: nothing is saved. `keyActs`: false where triggers are off.
 */
export async function takeReferences(
  session: Session,
  work: ReferenceWork,
  tenantId: string,
  archive: string | null,
  keyActs = true,
): Promise<number> {
  const { reference, child, from, condition } = work;
  const about = { table: label(child), privilege: 'UPDATE' };
  const locked = `FROM ${from} WHERE ${condition} FOR UPDATE OF t`;
  let rows: number;
  if (archive === null) {
    const counted = await session.query<{ rows: number }>(
      `SELECT count(*)::float8 AS rows FROM (SELECT ${locked}) AS locked`,
      [tenantId],
      about,
    );
    rows = counted.rows[0]?.rows ?? 0;
  } else {
    const { key, nulled } = savedColumns(work);
    const all = [...key, ...nulled];
    const saved = await session.query(
      `INSERT INTO ${archive} (${all.map(({ archived }) => archived.stored).join(', ')})
       SELECT ${all.map(({ value }) => value).join(', ')} ${locked}`,
      [tenantId],
      about,
    );
    rows = saved.rowCount ?? 0;
  }
  if (reference.nulledBy === 'declaration' || !keyActs) await nullReferences(session, work, tenantId, rows);
  return rows;
}

async function nullReferences(
  session: Session,
  { reference, child, from, condition }: ReferenceWork,
  tenantId: string,
  saved: number,
): Promise<void> {
  const value = reference.nulledBy === 'key' && reference.key.onDelete === 'set_default' ? 'DEFAULT' : 'NULL';
  const nulls = reference.columns.map((name) => `${ident(name)} = ${value}`).join(', ');
  const about = { table: label(child), privilege: 'UPDATE' };
  const { rowCount } = await session.query(
    `UPDATE ${from} SET ${nulls} WHERE ${condition}`,
    [tenantId],
    about,
  );
  if (rowCount === saved) return;
  throw new TryAgain(
    new EngineError(
      'move_not_exact',
      `${label(child)}: ${rowCount} references were nulled where ${saved} were saved. Everything was rolled back. Look for triggers on UPDATE.`,
      { table: label(child) },
    ),
  );
}
