/** An archive seen as its table would be: today's names, today's types. */
import type { EngineContext } from '../context.js';
import type { Archive } from '../ledger/record.js';
import { ident, label, qualified, shown } from '../quote.js';
import { type LiveTable, liveColumn } from './live-tables.js';

export interface ArchiveView {
  readonly archive: Archive;
  readonly table: LiveTable;
  /** Live columns by number that the archive fills. */
  readonly columns: ReadonlyMap<number, { readonly name: string; readonly value: string }>;
  /** What stands after FROM for the archive itself, aliased `a`. */
  readonly source: string;
  /** Names of archived columns that are gone. */
  readonly dropped: readonly string[];
  /** Names of columns that nothing would fill. */
  readonly required: readonly string[];
}

/** Why no row of an archive can come back, whatever it holds; null: some may. */
export function whyNone(view: ArchiveView): string | null {
  const { table, archive, dropped, required } = view;
  if (table.replaced)
    return `the table is called ${label(table)} now, and another is called ${label(archive.table)}`;
  if (dropped.length > 0) return `column ${dropped.join(', ')} was dropped since`;
  if (required.length > 0) return `column ${required.join(', ')} is new, may not be null, and has no default`;
  return null;
}

export function archiveView(context: EngineContext, archive: Archive, table: LiveTable): ArchiveView {
  const columns = new Map<number, { name: string; value: string }>();
  const dropped: string[] = [];
  for (const column of archive.columns) {
    const live = liveColumn(table, column);
    if (live === null) {
      dropped.push(shown(column.name));
      continue;
    }
    // What has become a generated column is computed anew.
    if (live.generated) continue;
    const stored = `a.${column.stored}`;
    columns.set(live.attnum, {
      name: ident(live.name),
      value: column.asText ? `CAST(${stored} AS ${live.type})` : stored,
    });
  }
  const required = table.columns.filter((column) => column.required && !columns.has(column.attnum));
  return {
    archive,
    table,
    columns,
    source: `${qualified({ schema: context.declaration.letheSchema, name: archive.archive })} AS a`,
    dropped,
    required: required.map(({ name }) => shown(name)),
  };
}

/** Where an archived row is, in `asTable`: a name that no column has. */
export const PLACE = '"lethe place of a row"';

/** The archived rows under today's column names, as a sub-select. */
export function asTable(view: ArchiveView): string {
  const columns = [...view.columns.values()].map(({ name, value }) => `${value} AS ${name}`);
  return `(SELECT ${[`a.ctid AS ${PLACE}`, ...columns].join(', ')} FROM ${view.source})`;
}

/** The live rows, as what stands after FROM. */
export function liveRows({ table }: Pick<ArchiveView, 'table'>): string {
  return table.partitioned ? qualified(table) : `ONLY ${qualified(table)}`;
}
