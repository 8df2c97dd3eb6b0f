/** Which tables' rows are retained since retained rows refer to them. */
import type { ForeignKey } from '../catalog/types.js';
import { leaves } from './policy.js';
import type { PlannedTable } from './types.js';

/**
 * Whether what refers by the key is not complete without what it refers to. A key that somebody has turned around makes
 * a part of the row that refers, not the other way.
 */
export function keepsWhole(key: ForeignKey): boolean {
  return key.enforced && key.soft?.reverse !== true;
}

/** The tables, each with those retained ones whose rows may refer to its rows, over any number of hops. */
export function withRetainedWith(
  tables: readonly PlannedTable[],
  foreignKeys: readonly ForeignKey[],
): PlannedTable[] {
  const gone = new Map(tables.filter(leaves).map((one) => [one.table.oid, one]));
  const keys = foreignKeys.filter(keepsWhole);
  const retainedWith = new Map<number, string[]>();
  for (const { table, label, action } of tables) {
    if (action !== 'retain') continue;
    const reached = new Set([table.oid]);
    for (const oid of reached) {
      for (const { childOid, parentOid } of keys)
        if (childOid === oid && gone.has(parentOid)) reached.add(parentOid);
    }
    reached.delete(table.oid);
    for (const oid of reached) retainedWith.set(oid, [...(retainedWith.get(oid) ?? []), label]);
  }
  return tables.map((one) => {
    const labels = retainedWith.get(one.table.oid);
    return labels === undefined ? one : { ...one, retainedWith: labels };
  });
}
