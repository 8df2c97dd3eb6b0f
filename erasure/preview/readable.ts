/** Which tables can be counted before anything else is known to be in order. */
import type { CatalogTable } from '../catalog/types.js';
import type { Plan } from '../plan/types.js';

/** Whether a table of the plan, and all tables that say whose its rows are, can be read in full and at once. */
export function isReadable(plan: Plan, oid: number): boolean {
  const owned = new Map(plan.ownedTables.map((one) => [one.table.oid, one]));
  const seen = new Set<number>();
  const readable = (next: number): boolean => {
    if (seen.has(next)) return true;
    seen.add(next);
    const one = owned.get(next);
    return (
      one !== undefined &&
      canRead(one.table) &&
      one.ownership.every((by) => by.kind === 'tenant_column' || readable(by.key.parentOid))
    );
  };
  return readable(oid);
}

/** Whether the connected role sees every row of the table; what lies on another server is not waited for. */
export function canRead(table: CatalogTable): boolean {
  return (
    table.privileges.select &&
    table.privileges.schemaUsage &&
    table.rowSecurity.bypassed &&
    table.kind !== 'foreign' &&
    table.leaves.every(({ kind }) => kind === 'table')
  );
}
