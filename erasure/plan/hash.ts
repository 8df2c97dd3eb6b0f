/** A plan's hash: two databases with the same hash are deleted from in the same way. */
import { createHash } from 'node:crypto';
import type { Catalog, CatalogTable, ForeignKey } from '../catalog/types.js';
import type { Declaration } from '../declaration.js';
import { label } from '../quote.js';
import { compare } from './ownership.js';
import type { OwnedTable, PlannedTable } from './types.js';

/**
 * Over owned tables, their columns, keys, triggers and policies. Not over indexes, partitions, privileges and numbers
 * that PostgreSQL gives: a new month, a new index or a reload from a dump is no other plan.
 */
export function planHash(
  catalog: Catalog,
  declaration: Declaration,
  owned: readonly OwnedTable[],
  planned: readonly PlannedTable[],
): string {
  const labels = new Map(catalog.tables.map((table) => [table.oid, label(table)]));
  const policies = new Map(
    planned.map(({ table, action, triggers, retention, rules }) => [
      table.oid,
      { action, triggers, ...(retention && { retention }), ...(rules && { rules }) },
    ]),
  );
  const ownedOids = new Set(owned.map(({ table }) => table.oid));
  const text = canonical({
    format: 1,
    tenant: declaration.tenant.type,
    tables: sorted(
      owned.map(({ table, ownership }) => ({
        name: label(table),
        kind: table.kind,
        primaryKey: table.primaryKey,
        columns: columnsOf(table),
        triggers: triggersOf(table),
        policy: policies.get(table.oid) ?? null,
        ownership: sorted(
          ownership.map((one) =>
            one.kind === 'reference' ? keyOf(one.key, labels) : { column: one.column },
          ),
        ),
      })),
    ),
    keys: sorted(
      catalog.foreignKeys
        .filter((key) => ownedOids.has(key.childOid) || ownedOids.has(key.parentOid))
        .filter((key) => key.childPartition === null && key.parentPartition === null)
        .map((key) => keyOf(key, labels)),
    ),
    references: declaration.references ?? {},
  });
  return createHash('sha256').update(text).digest('hex');
}

function columnsOf(table: CatalogTable): object[] {
  return sorted(
    table.columns.map(({ name, type, notNull, generated, identity }) => ({
      name,
      type,
      notNull,
      generated,
      identity,
    })),
  );
}

function triggersOf(table: CatalogTable): object[] {
  return sorted(
    table.triggers
      .filter(({ ours, onPartition }) => !ours && !onPartition)
      .map(({ name, events, timing, level, enabled }) => ({
        name,
        events: [...events].sort(compare),
        timing,
        level,
        enabled,
      })),
  );
}

function keyOf(key: ForeignKey, labels: ReadonlyMap<number, string>): object {
  const { oid: _, validated: __, childOid, parentOid, ...rest } = key;
  return { ...rest, child: labels.get(childOid) ?? null, parent: labels.get(parentOid) ?? null };
}

function sorted(values: readonly object[]): object[] {
  return [...values].sort((a, b) => compare(canonical(a), canonical(b)));
}

/** JSON with the members of every object in order of name. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    member !== null && typeof member === 'object' && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => compare(a, b)))
      : member,
  );
}
