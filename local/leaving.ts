/** How many of the seeded rows leave the services' tables in a deletion: some stay, and are nobody's then. */
import { declarations } from '../services/registry.js';

/** `rowsOf`: by `schema.table`, without quotes. */
export function leavingRows({ rowsOf }: { readonly rowsOf: Readonly<Record<string, number>> }): number {
  const staying = stayingTables();
  return Object.entries(rowsOf).reduce((sum, [table, rows]) => (staying.has(table) ? sum : sum + rows), 0);
}

/** Tables of tenants whose rows are changed or kept, without quotes. */
export function stayingTables(): ReadonlySet<string> {
  return new Set(
    declarations.flatMap(({ tables }) =>
      Object.entries(tables).flatMap(([table, { action }]) =>
        action === 'anonymize' || action === 'keep' ? [table.replaceAll('"', '')] : [],
      ),
    ),
  );
}
