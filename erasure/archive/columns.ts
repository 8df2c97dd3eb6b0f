/** How columns go into an archive and come back. */
import type { CatalogTable, Column } from '../catalog/types.js';
import type { ArchivedColumn } from '../ledger/record.js';
import { ident } from '../quote.js';

/** A column on its way into an archive. */
export interface ColumnPlan {
  readonly archived: ArchivedColumn;
  /** Its type in the archive. */
  readonly type: string;
  /** The value of the live column, of a row aliased `t`. */
  readonly value: string;
}

/** Columns that are archived: all but generated ones, which PostgreSQL computes anew. */
export function archivedColumns(table: CatalogTable): ColumnPlan[] {
  return table.columns
    .filter((column) => !column.generated)
    .map((column) => columnPlan(column, `c${column.attnum}`));
}

/** Columns of an archive of references: what a row is found by, and what was nulled in it. */
export function referenceColumns(
  table: CatalogTable,
  key: readonly string[],
  nulled: readonly string[],
): { readonly key: ColumnPlan[]; readonly nulled: ColumnPlan[] } {
  const named = (names: readonly string[], prefix: string) =>
    names.flatMap((name, place) => {
      const column = table.columns.find((one) => one.name === name);
      return column === undefined ? [] : [columnPlan(column, `${prefix}${place + 1}`)];
    });
  return { key: named(key, 'k'), nulled: named(nulled, 'v') };
}

// By number, not by name: names may be anything, and change.
function columnPlan({ attnum, name, builtIn, type }: Column, stored: string): ColumnPlan {
  const value = `t.${ident(name)}`;
  return {
    archived: { attnum, name, stored, asText: !builtIn },
    type: builtIn ? type : 'text',
    // An archive that depends on a type of the customer's would block the customer's own migration.
    value: builtIn ? value : `CAST(${value} AS text)`,
  };
}
