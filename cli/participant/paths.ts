/** How a table's rows are owned, all the way to the tenant, in words. */
import type { OwnedTable, Ownership, Plan } from '../../erasure/plan/types.js';
import { shown } from '../../erasure/quote.js';

/** One way for each owner; from there on the shortest. */
export function pathsOf(plan: Plan, owned: OwnedTable): string[] {
  const hops = hopsOf(plan);
  return owned.ownership.map((one) => pathOf(plan, hops, one, new Set([owned.table.oid])));
}

type Hops = ReadonlyMap<number, number>;

function pathOf(plan: Plan, hops: Hops, one: Ownership, seen: ReadonlySet<number>): string {
  if (one.kind === 'tenant_column') return `${shown(one.column)} is the tenant's key`;
  const { key } = one;
  const parent = plan.ownedTables.find(({ table }) => table.oid === key.parentOid);
  const to = parent?.label ?? 'a table that is gone';
  const when = key.soft?.when ? ` (where ${shown(key.soft.when.column)} is ${key.soft.when.equals})` : '';
  const step = key.soft?.reverse
    ? `referred to by ${key.parentColumns.map(shown).join(', ')} of ${to}`
    : `${key.childColumns.map(shown).join(', ')}${when} → ${to}`;
  if (parent === undefined) return step;
  if (seen.has(key.parentOid)) return `${step}, and so on`;
  const [next] = [...parent.ownership].sort((a, b) => distance(hops, a) - distance(hops, b));
  return next === undefined
    ? step
    : `${step}: ${pathOf(plan, hops, next, new Set([...seen, key.parentOid]))}`;
}

/** Hops from each table to a tenant's key. */
function hopsOf({ ownedTables }: Plan): Hops {
  const hops = new Map<number, number>();
  for (let changed = true; changed; ) {
    changed = false;
    for (const { table, ownership } of ownedTables) {
      const best = Math.min(...ownership.map((one) => distance(hops, one)));
      if (best >= (hops.get(table.oid) ?? Number.POSITIVE_INFINITY)) continue;
      hops.set(table.oid, best);
      changed = true;
    }
  }
  return hops;
}

function distance(hops: Hops, one: Ownership): number {
  return one.kind === 'tenant_column' ? 0 : 1 + (hops.get(one.key.parentOid) ?? Number.POSITIVE_INFINITY);
}
