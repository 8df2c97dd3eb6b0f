/** How a table's rows are owned, all the way to the tenant, in words. */
import type { OwnedTable, Ownership, Plan } from '../../erasure/plan/types.js';
import { shown } from '../../erasure/quote.js';

/** One way for each owner; of the tables on the way the first. */
export function pathsOf(plan: Plan, owned: OwnedTable): string[] {
  return owned.ownership.map((one) => pathOf(plan, one, new Set([owned.table.oid])));
}

function pathOf(plan: Plan, one: Ownership, seen: ReadonlySet<number>): string {
  if (one.kind === 'tenant_column') return `${shown(one.column)} is the tenant's key`;
  const { key } = one;
  const parent = plan.ownedTables.find(({ table }) => table.oid === key.parentOid);
  const when = key.soft?.when ? ` (where ${shown(key.soft.when.column)} is ${key.soft.when.equals})` : '';
  const step = `${key.childColumns.map(shown).join(', ')}${when} → ${parent?.label ?? 'a table that is gone'}`;
  if (parent === undefined) return step;
  if (seen.has(key.parentOid)) return `${step}, and so on`;
  // The shortest way reads best: a tenant column, else a table that was not on the way yet.
  const next =
    parent.ownership.find(({ kind }) => kind === 'tenant_column') ??
    parent.ownership.find((other) => other.kind === 'reference' && !seen.has(other.key.parentOid)) ??
    parent.ownership[0];
  return next === undefined ? step : `${step}: ${pathOf(plan, next, new Set([...seen, key.parentOid]))}`;
}
