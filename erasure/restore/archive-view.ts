/** An archive seen as its table would be: today's names, today's types. */
import type { EngineContext } from '../context.js';
import type { Archive, NotedOrphans } from '../ledger/record.js';
import { GONE } from '../ledger/rehome.js';
import { ident, label, qualified, shown } from '../quote.js';
import { EQUALS } from '../selection-sql.js';
import { type LiveTable, liveColumn } from './live-tables.js';

export interface ArchiveView {
  readonly archive: Archive;
  readonly table: LiveTable;
  /** Live columns by number that the archive fills. */
  readonly columns: ReadonlyMap<number, { readonly name: string; readonly value: string }>;
  /** What stands after FROM for the archive itself, aliased `a`. */
  readonly source: string;
  /** What was noted of rows without a parent, by key; `among` is true of a row `a` that holds such values. */
  readonly orphans: readonly {
    readonly key: NotedOrphans['key'] & { readonly attnums: readonly number[] };
    readonly among: string;
  }[];
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
  const { letheSchema: schema } = context.declaration;
  const orphans = (archive.orphans ?? []).map(({ archive: name, key, stored }) => {
    const same = stored.map((column) => `n.${column} ${EQUALS} a.${column}`).join(' AND ');
    const attnums = stored.map((name) => archive.columns.find((one) => one.stored === name)?.attnum ?? GONE);
    return {
      key: { ...key, attnums },
      among: `EXISTS (SELECT FROM ${qualified({ schema, name })} AS n WHERE ${same})`,
    };
  });
  const required = table.columns.filter((column) => column.required && !columns.has(column.attnum));
  return {
    archive,
    table,
    columns,
    source: `${qualified({ schema, name: archive.archive })} AS a`,
    orphans,
    dropped,
    required: required.map(({ name }) => shown(name)),
  };
}

interface NotedKey {
  readonly oid: number;
  readonly name: string;
  readonly attnums: readonly number[];
  readonly validated: boolean;
}

/**
 * A condition on an archived row `a`: it was noted as an orphan of the key; null: none was. The key may have another
 * name by now, or have been dropped and made again.
 */
export function notedOf({ orphans }: ArchiveView, { oid, name, attnums }: NotedKey): string | null {
  const noted = orphans.find(
    ({ key }) => (key.oid === oid || key.name === name) && key.attnums.join() === attnums.join(),
  );
  return noted?.among ?? null;
}

/** The same as long as the key tolerates it: one that was validated since says of every row that it has a parent. */
export function toleratedBy(view: ArchiveView, key: NotedKey): string | null {
  return key.validated ? null : notedOf(view, key);
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
