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
    const columns = nullableColumns(child, key);
    if (columns.length === 0) return [];
    if (key.onDelete === 'set_null' || key.onDelete === 'set_default') {
      return [
        { key, nulledBy: 'key', columns: key.setColumns.length > 0 ? key.setColumns : key.childColumns },
      ];
    }
    const decided = decisionOn(declaration, child, key) === 'reference' && key.onDelete !== 'cascade';
    return decided ? [{ key, nulledBy: 'declaration', columns }] : [];
  });
}

/** The columns of a key that can be null: of a `MATCH FULL` key all or none. */
function nullableColumns(child: CatalogTable, key: ForeignKey): string[] {
  const nullable = key.childColumns.filter(
    (name) => child.columns.find((column) => column.name === name)?.notNull === false,
  );
  return key.match === 'full' && nullable.length < key.childColumns.length ? [] : nullable;
}
