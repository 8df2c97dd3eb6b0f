/** Keys whose value is nulled in rows that stay, when what they refer to goes. */
import type { Catalog, CatalogTable, ForeignKey } from '../catalog/types.js';
import type { Declaration } from '../declaration.js';
import { decisionOn } from './ownership.js';
import type { PlannedReference } from './types.js';

/** `deleted`: OIDs of the tables that are deleted from. */
export function referencesInto(
  deleted: ReadonlySet<number>,
  catalog: Catalog,
  declaration: Declaration,
): PlannedReference[] {
  const tables = new Map(catalog.tables.map((table) => [table.oid, table]));
  return catalog.foreignKeys.flatMap((key): PlannedReference[] => {
    const child = tables.get(key.childOid);
    if (child === undefined || !key.enforced || !deleted.has(key.parentOid)) return [];
    const decision = decisionOn(declaration, child, key);
    if (decision === 'conflict') return [];
    if (key.onDelete === 'set_null' || key.onDelete === 'set_default') {
      const columns = key.setColumns.length > 0 ? key.setColumns : key.childColumns;
      // Where PostgreSQL could not do what the key says, such a row keeps what it refers to.
      return columns.every((name) => canBeSet(child, name, key)) ? [{ key, nulledBy: 'key', columns }] : [];
    }
    const columns = nullableColumns(child, key);
    const decided = decision === 'reference' && key.onDelete !== 'cascade' && columns.length > 0;
    return decided ? [{ key, nulledBy: 'declaration', columns }] : [];
  });
}

/**
 * A required column without a default of its own may have that of its type, which nobody has looked at. By a column of
 * its primary key a row has to be found again.
 */
function canBeSet(child: CatalogTable, name: string, { onDelete }: ForeignKey): boolean {
  if (child.primaryKey?.includes(name)) return false;
  const column = child.columns.find((one) => one.name === name);
  return column?.notNull === false || (onDelete === 'set_default' && column?.hasDefault === true);
}

/** The columns of a key that can be null: of a `MATCH FULL` key all or none. */
function nullableColumns(child: CatalogTable, key: ForeignKey): string[] {
  const nullable = key.childColumns.filter(
    (name) => child.columns.find((column) => column.name === name)?.notNull === false,
  );
  return key.match === 'full' && nullable.length < key.childColumns.length ? [] : nullable;
}
