/** In which order tables are deleted from, and which of them in one statement. */
import type { ForeignKey } from '../catalog/types.js';
import { components, edgesOf } from './graph.js';
import { leaves } from './policy.js';
import type { PlannedTable, Unit } from './types.js';

const ACTING: ReadonlySet<ForeignKey['onDelete']> = new Set(['cascade', 'set_null', 'set_default']);

/**
 * Units, children first. Tables that an acting key or a cycle ties are one unit: else what a key does at the deletion
 * of one would change or remove rows of the other before they are archived.
 */
export function unitsOf(tables: readonly PlannedTable[], foreignKeys: readonly ForeignKey[]): Unit[] {
  const deleted = tables.filter(leaves).map(({ table }) => table.oid);
  const among = new Set(deleted);
  const keys = foreignKeys.filter(
    (key) => key.enforced && among.has(key.childOid) && among.has(key.parentOid),
  );
  const toParents = keys.map((key) => [key.childOid, key.parentOid] as const);
  const back = keys
    .filter((key) => ACTING.has(key.onDelete))
    .map((key) => [key.parentOid, key.childOid] as const);

  const byKeysAlone = edgesOf(deleted, toParents);
  const childrenFirst = new Map(
    components(byKeysAlone)
      .flat()
      .map((oid, place) => [oid, place]),
  );
  const inCycle = new Set(
    components(byKeysAlone)
      .filter((members) => members.length > 1)
      .flat(),
  );
  return components(edgesOf(deleted, [...toParents, ...back])).map((members) => ({
    tableOids: [...members].sort((a, b) => (childrenFirst.get(a) ?? 0) - (childrenFirst.get(b) ?? 0)),
    reason:
      members.length === 1 ? 'single' : members.some((oid) => inCycle.has(oid)) ? 'cycle' : 'acting_keys',
  }));
}
