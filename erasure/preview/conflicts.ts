/** Rows that are not the tenant's and refer to rows that would go. */
import type pg from 'pg';
import type { CatalogTable, ForeignKey } from '../catalog/types.js';
import { keyLabel } from '../plan/ownership.js';
import { leaves } from '../plan/policy.js';
import type { OwnedTable, Plan, PlanFinding, PlannedTable } from '../plan/types.js';
import { label, shown } from '../quote.js';
import { notOwnedRows, refersToOwned, rowsOf } from '../selection.js';
import { countEach } from './counts.js';
import { canRead, isReadable } from './readable.js';

/**
 * A finding per foreign key by which rows that stay refer to rows of this tenant. Keys whose value is nulled in such
 * rows are none. Also asked within the transaction that moves the rows, since others write meanwhile.
 */
export async function conflictsOf(
  client: pg.ClientBase,
  plan: Plan,
  tenantId: string,
): Promise<PlanFinding[]> {
  const checks = conflictChecks(plan);
  const counts = await countEach(
    client,
    checks.map(({ source }) => source),
    tenantId,
  );
  return findingsFrom(checks, counts);
}

/** Rows that had better not be there: what to count, and what to say if there are any. */
export interface Check {
  readonly source: string;
  readonly finding: (rows: number) => PlanFinding;
}

export function findingsFrom(checks: readonly Check[], counts: readonly number[]): PlanFinding[] {
  return checks.flatMap(({ finding }, place) => {
    const rows = counts[place] ?? 0;
    return rows === 0 ? [] : [finding(rows)];
  });
}

export function conflictChecks(plan: Plan): Check[] {
  const tables = new Map(plan.catalog.tables.map((table) => [table.oid, table]));
  const deleted = new Map(plan.tables.filter(leaves).map((one) => [one.table.oid, one]));
  const unlinked = new Map(
    plan.tables.flatMap((one) => (one.action === 'anonymize' ? [[one.table.oid, one] as const] : [])),
  );
  const nulled = new Set(plan.references.map(({ key }) => key.oid));
  return plan.catalog.foreignKeys.flatMap((key): Check[] => {
    const child = tables.get(key.childOid);
    const parent = deleted.get(key.parentOid);
    if (child === undefined || parent === undefined || !key.enforced || nulled.has(key.oid)) return [];
    // No constraint keeps such rows from pointing nowhere.
    if (key.soft !== undefined) return [];
    if (!canRead(child) || !isReadable(plan, key.parentOid)) return [];
    const forgets = unlinked.get(key.childOid);
    const goes = deleted.get(key.childOid) ?? (forgets && forgetsKey(forgets, key) ? forgets : undefined);
    if (goes !== undefined && (owns(goes, key) || cannotDisagree(goes, parent, key))) return [];
    if (goes !== undefined && !isReadable(plan, key.childOid)) return [];
    const stays = goes === undefined ? '' : ` AND ${notOwnedRows(plan, key.childOid, 't')}`;
    const source = `${rowsOf(child)} AS t WHERE ${refersToOwned(plan, key, 't')}${stays}`;
    return [{ source, finding: (rows) => conflict(key, child, parent.table, rows) }];
  });
}

/** The tenant's own rows stay there, and refer no more. */
function forgetsKey({ rules = {} }: PlannedTable, { childColumns }: ForeignKey): boolean {
  return childColumns.some((column) => rules[column] !== undefined && rules[column].becomes !== 'keep');
}

/** What refers to the tenant's rows by such a key is the tenant's for that very reason. */
function owns({ ownership }: OwnedTable, key: ForeignKey): boolean {
  return ownership.some((one) => one.kind === 'reference' && one.key.oid === key.oid);
}

/** A key over both tenant columns cannot tie rows of two tenants. */
function cannotDisagree(child: OwnedTable, parent: OwnedTable, key: ForeignKey): boolean {
  const [one, ...others] = child.ownership;
  return parent.ownership.every(
    (other) =>
      others.length === 0 &&
      one?.kind === 'tenant_column' &&
      other.kind === 'tenant_column' &&
      !key.temporal &&
      key.childColumns.indexOf(one.column) >= 0 &&
      key.childColumns.indexOf(one.column) === key.parentColumns.indexOf(other.column),
  );
}

function conflict(key: ForeignKey, child: CatalogTable, parent: CatalogTable, rows: number): PlanFinding {
  const many = rows === 1 ? '1 row' : `${rows} rows`;
  return {
    code: 'reference_conflict',
    severity: 'refusal',
    table: label(child),
    privilege: null,
    message:
      `${many} of ${label(child)} that would stay ${rows === 1 ? 'refers' : 'refer'} by ${shown(key.name)} ` +
      `(${key.childColumns.map(shown).join(', ')}) to rows of ${label(parent)} that would go.`,
    remedy:
      `Change or delete these rows, or decide in the declaration what becomes of them: ` +
      `references: { ${JSON.stringify(keyLabel(child, key))}: "reference" } nulls what can be null.`,
  };
}
