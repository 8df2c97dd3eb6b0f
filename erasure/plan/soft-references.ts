/** References that a person has declared, as the keys that they would be if there were a constraint. */
import type { Catalog, CatalogTable, Column, ForeignKey } from '../catalog/types.js';
import type { Declaration, SoftReference } from '../declaration.js';
import { label, shown } from '../quote.js';

export interface SoftReferencesFound {
  /** With the declared references among its keys. */
  readonly catalog: Catalog;
  /** Those that name a table or a column which does not exist. */
  readonly unknown: readonly SoftReference[];
}

export function withSoftReferences(catalog: Catalog, declaration: Declaration): SoftReferencesFound {
  const declared = declaration.softReferences ?? [];
  const unknown: SoftReference[] = [];
  const keys = declared.flatMap((reference, place): ForeignKey[] => {
    const child = columnNamed(catalog, reference.from);
    const parent = columnNamed(catalog, reference.to);
    const { when } = reference;
    if (child === null || parent === null || (when && !hasColumn(child.table, when.column))) {
      unknown.push(reference);
      return [];
    }
    const asText = family(child.column) !== family(parent.column);
    const reverse = catalog.foreignKeys.some(
      (key) =>
        key.enforced &&
        key.childOid === parent.table.oid &&
        key.parentOid === child.table.oid &&
        key.childColumns.join() === parent.column.name &&
        key.parentColumns.join() === child.column.name,
    );
    return [
      {
        // No constraint has a negative one.
        oid: -1 - place,
        name: `declared_${child.column.name}`,
        childOid: child.table.oid,
        childColumns: [child.column.name],
        parentOid: parent.table.oid,
        parentColumns: [parent.column.name],
        childPartition: null,
        parentPartition: null,
        operators: ['OPERATOR(pg_catalog.=)'],
        match: 'simple',
        onDelete: 'no_action',
        onUpdate: 'no_action',
        setColumns: [],
        deferrable: false,
        initiallyDeferred: false,
        validated: true,
        enforced: true,
        temporal: false,
        soft: { asText, reverse, ...(when && { when }) },
      },
    ];
  });
  const all = keys.length === 0 ? catalog : { ...catalog, foreignKeys: [...catalog.foreignKeys, ...keys] };
  return { catalog: all, unknown };
}

/** A column as a declaration names it: `schema.table.column`, quoted where it has to be or not. */
export function columnLabel(table: CatalogTable, column: string): string {
  return `${label(table)}.${shown(column)}`;
}

/** The column of that name among the participant's tables. */
export function columnNamed(
  { tables }: Pick<Catalog, 'tables'>,
  name: string,
): { readonly table: CatalogTable; readonly column: Column } | null {
  for (const table of tables) {
    if (!table.declared) continue;
    for (const column of table.columns) {
      const plain = `${table.schema}.${table.name}.${column.name}`;
      if (name === plain || name === columnLabel(table, column.name)) return { table, column };
    }
  }
  return null;
}

function hasColumn(table: CatalogTable, name: string): boolean {
  return table.columns.some((column) => column.name === name);
}

const TEXTS = new Set(['text', 'character varying', 'character', 'bpchar', 'name']);
const NUMBERS = new Set(['smallint', 'integer', 'bigint']);

/** Types that PostgreSQL compares with each other. */
export function family({ baseType }: Pick<Column, 'baseType'>): string {
  if (TEXTS.has(baseType)) return 'text';
  return NUMBERS.has(baseType) ? 'number' : baseType;
}
