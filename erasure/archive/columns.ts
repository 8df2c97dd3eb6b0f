/** How columns go into an archive and come back. */
import type { CatalogTable, Column } from '../catalog/types.js';
import type { ArchivedColumn } from '../ledger/record.js';
import { ident } from '../quote.js';

/** A column in an archive: its type, what is selected into it, what it is known by later. */
export interface ColumnPlan {
  readonly archived: ArchivedColumn;
  /** Name in the archive: by number, since names may change. */
  readonly target: string;
  readonly type: string;
  /** The value of the live column, of a row aliased `t`. */
  readonly value: string;
}

/** Columns that are archived: all but generated ones, which PostgreSQL computes anew. */
export function archivedColumns(table: CatalogTable): ColumnPlan[] {
  return table.columns.filter((column) => !column.generated).map(columnPlan);
}

/** The named columns, in the order of the names. */
export function namedColumns(table: CatalogTable, names: readonly string[]): ColumnPlan[] {
  return names.flatMap((name) => {
    const column = table.columns.find((one) => one.name === name);
    return column === undefined ? [] : [columnPlan(column)];
  });
}

function columnPlan(column: Column): ColumnPlan {
  const { attnum, name, builtIn, type } = column;
  const value = `t.${ident(name)}`;
  return {
    archived: { attnum, name, asText: !builtIn },
    target: archiveColumn(attnum),
    type: builtIn ? type : 'text',
    // An archive that depends on a type of the customer's would block the customer's own migration.
    value: builtIn ? value : `CAST(${value} AS text)`,
  };
}

/** Name of a column in an archive. */
export function archiveColumn(attnum: number): string {
  return `c${attnum}`;
}
