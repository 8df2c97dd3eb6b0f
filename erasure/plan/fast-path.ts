/** Which units can be moved with triggers off, and checked set by set afterwards. */
import type { Catalog, CatalogTable, Trigger } from '../catalog/types.js';
import { canRead } from '../preview/readable.js';
import { label, shown } from '../quote.js';
import type { Plan, PlannedTable, Unit } from './types.js';

/** For each unit null, or why its triggers stay on: the result is the same, and slower. */
export function fastPathOf(
  units: readonly Unit[],
  tables: readonly PlannedTable[],
  catalog: Catalog,
): (string | null)[] {
  const planned = new Map(tables.map((one) => [one.table.oid, one]));
  const known = new Map(catalog.tables.map((table) => [table.oid, table]));
  return units.map(({ tableOids }) => {
    if (!catalog.maySilenceTriggers) return mayNotSilence(catalog);
    const reasons = tableOids.flatMap((oid) => {
      const one = planned.get(oid);
      return one === undefined ? [] : [ofTriggers(one) ?? ofKeys(one.table, catalog, known) ?? []].flat();
    });
    return reasons[0] ?? null;
  });
}

/** Null where triggers of the table can be kept from firing, when its rows go and when they come back; else why not. */
export function whyNotSuppressed(
  { table }: PlannedTable,
  { units, fastPath, catalog }: Pick<Plan, 'units' | 'fastPath' | 'catalog'>,
): string | null {
  const place = units.findIndex(({ tableOids }) => tableOids.includes(table.oid));
  return fastPath[place] ?? whyNotBackSilently(table, catalog);
}

/** Null where rows of the table can be inserted with triggers off, and checked set by set; else why not. */
export function whyNotBackSilently(table: CatalogTable, catalog: Catalog): string | null {
  if (!catalog.maySilenceTriggers) return mayNotSilence(catalog);
  const loud = table.triggers.find(
    ({ ours, enabled, events }) =>
      !ours && (enabled === 'replica' || enabled === 'always') && events.includes('insert'),
  );
  if (loud !== undefined) return `${shown(loud.name)} fires also where triggers are off`;
  if (table.deferrableUnique) return 'a deferrable unique constraint is checked by a trigger, too';
  const temporal = catalog.foreignKeys.find(
    (key) => key.childOid === table.oid && key.enforced && (key.temporal || key.childPartition !== null),
  );
  return temporal === undefined ? null : `${shown(temporal.name)} can be checked by its own trigger alone`;
}

function mayNotSilence({ role }: Catalog): string {
  return `${shown(role)} may not set session_replication_role`;
}

function ofTriggers({ table, triggers }: PlannedTable): string | null {
  if (triggers === 'fire') return `triggers of ${label(table)} fire, as decided`;
  const firing = table.triggers.find(firesInReplicaMode);
  return firing === undefined
    ? null
    : `${shown(firing.name)} of ${label(table)} fires also where triggers are off`;
}

/** Made to run where changes are replicated: turning triggers off turns these on, or leaves them on. */
function firesInReplicaMode({ enabled, events }: Trigger): boolean {
  return (enabled === 'replica' || enabled === 'always') && events.includes('delete');
}

/** Every row that refers to the table's has to be seen, by a comparison that the engine can write itself. */
function ofKeys(
  table: CatalogTable,
  catalog: Catalog,
  known: ReadonlyMap<number, CatalogTable>,
): string | null {
  for (const key of catalog.foreignKeys) {
    if (key.parentOid !== table.oid || !key.enforced || key.soft !== undefined) continue;
    const child = known.get(key.childOid);
    const name = shown(key.name);
    if (child === undefined || !canRead(child)) return `rows that refer by ${name} cannot all be read`;
    if (key.temporal) return `${name} is about periods`;
    if (key.childPartition !== null || key.parentPartition !== null) return `${name} is about one partition`;
  }
  return null;
}
