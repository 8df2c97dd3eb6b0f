/** The list of tables that a person has accepted, and what differs from it now. */
import type { Plan } from '../../erasure/plan/types.js';
import { label, type QualifiedName } from '../../erasure/quote.js';
import type { AcceptedTable, ParticipantFile } from './schema.js';

/** What has changed since the list was accepted. */
export interface AcceptedDiff {
  readonly added: readonly { readonly table: string; readonly ownedBy: string }[];
  /** No longer there, or no longer anybody's. */
  readonly removed: readonly string[];
  readonly changed: readonly { readonly table: string; readonly from: string; readonly to: string }[];
}

export function acceptedDiff(file: ParticipantFile, plan: Plan): AcceptedDiff {
  const owned = new Map(plan.ownedTables.flatMap((one) => namesOf(one.table).map((name) => [name, one])));
  const there = new Set(plan.catalog.tables.flatMap(namesOf));
  const accepted = Object.entries(file.tables);
  return {
    added: plan.ownedTables
      .filter(({ label: name }) => plan.unacceptedTables.includes(name))
      .map(({ label: table, ownedBy }) => ({ table, ownedBy })),
    removed: accepted
      .filter(([table, { action }]) => !there.has(table) || (action !== 'keep' && !owned.has(table)))
      .map(([table]) => table),
    changed: accepted.flatMap(([table, { owned_by }]) => {
      const now = owned.get(table)?.ownedBy;
      return owned_by === undefined || now === undefined || now === owned_by
        ? []
        : [{ table, from: owned_by, to: now }];
    }),
  };
}

/** A file may quote names as SQL does, or not. */
function namesOf(table: QualifiedName): string[] {
  return [label(table), `${table.schema}.${table.name}`];
}

export function isSame({ added, removed, changed }: AcceptedDiff): boolean {
  return added.length + removed.length + changed.length === 0;
}

/** The file with the difference taken in. New tables are deleted from, unless a person writes otherwise. */
export function withAccepted(file: ParticipantFile, diff: AcceptedDiff): ParticipantFile {
  const tables: Record<string, AcceptedTable> = { ...file.tables };
  for (const table of diff.removed) delete tables[table];
  for (const { table, ownedBy } of diff.added) tables[table] = { owned_by: ownedBy, action: 'delete' };
  for (const { table, to } of diff.changed) {
    const was = tables[table];
    if (was) tables[table] = { ...was, owned_by: to };
  }
  const sorted = Object.entries(tables).sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...file, tables: Object.fromEntries(sorted) };
}
