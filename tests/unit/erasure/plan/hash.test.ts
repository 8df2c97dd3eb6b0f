import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Catalog, CatalogTable } from '../../../../erasure/catalog/types.js';
import type { Declaration } from '../../../../erasure/declaration.js';
import { canonical } from '../../../../erasure/plan/hash.js';
import { makePlan } from '../../../../erasure/plan/make-plan.js';
import {
  type CatalogSpec,
  catalogOf,
  declarationOf,
  type TableSpec,
} from '../../../support/catalog-builder.js';

const tables: TableSpec[] = [
  { name: 'shops', columns: ['tenant_id', 'name:text'], triggers: [{ events: ['update'] }] },
  { name: 'orders', columns: ['tenant_id', 'shop_id?'], keys: [{ from: 'shop_id', to: 'shops' }] },
  { name: 'items', keys: [{ from: 'order_id', to: 'orders' }] },
  { name: 'shared', columns: ['name:text'] },
];
const spec: CatalogSpec = { tables };
const declaration = declarationOf(['shops', 'orders', 'items']);

const hashOf = (catalog: Catalog, by: Declaration = declaration) => makePlan(catalog, by).hash;
const original = hashOf(catalogOf(spec));

function withTable(name: string, change: (table: CatalogTable) => Partial<CatalogTable>): Catalog {
  const catalog = catalogOf(spec);
  return {
    ...catalog,
    tables: catalog.tables.map((table) => (table.name === name ? { ...table, ...change(table) } : table)),
  };
}

function withKey(change: Partial<Catalog['foreignKeys'][number]>): Catalog {
  const catalog = catalogOf(spec);
  return {
    ...catalog,
    foreignKeys: catalog.foreignKeys.map((key, place) => (place === 0 ? { ...key, ...change } : key)),
  };
}

test('is a SHA-256 in hex', () => {
  expect(original).toMatch(/^[0-9a-f]{64}$/);
});

test('does not depend on the order of anything, nor on numbers that PostgreSQL gives', () => {
  fc.assert(
    fc.property(
      fc.shuffledSubarray(tables, { minLength: tables.length }),
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.boolean(),
      (shuffled, firstOid, turned) => {
        const catalog = catalogOf({ tables: shuffled, firstOid });
        const turn = <T>(list: readonly T[]) => (turned ? [...list].reverse() : list);
        expect(
          hashOf({
            ...catalog,
            databaseOid: firstOid,
            systemIdentifier: String(firstOid),
            tables: catalog.tables.map((table) => ({
              ...table,
              columns: turn(table.columns).map((column, place) => ({ ...column, attnum: place + 7 })),
            })),
            foreignKeys: turn(catalog.foreignKeys),
          }),
        ).toBe(original);
      },
    ),
  );
});

describe('is the same plan', () => {
  test.each<[string, Catalog]>([
    ['another index', withTable('orders', () => ({ indexes: [] }))],
    ['a new month', withTable('orders', ({ leaves }) => ({ leaves: [...leaves, ...leaves] }))],
    [
      'a trigger of one partition',
      withTable('shops', ({ triggers }) => ({
        triggers: [...triggers, ...triggers.map((trigger) => ({ ...trigger, onPartition: true }))],
      })),
    ],
    [
      'a fence',
      withTable('shops', ({ triggers }) => ({
        triggers: [...triggers, ...triggers.map((one) => ({ ...one, ours: true }))],
      })),
    ],
    ['another role', { ...catalogOf(spec), role: 'somebody', serverVersion: 150018 }],
    [
      'a missing privilege',
      withTable('orders', ({ privileges }) => ({ privileges: { ...privileges, delete: false } })),
    ],
    ['more rows', withTable('orders', () => ({ estimatedRows: 1_000_000 }))],
    ['a column of a table that holds no rows of tenants', withTable('shared', () => ({ columns: [] }))],
    ['a key that was validated', withKey({ validated: false })],
  ])('%s', (_, catalog) => {
    expect(hashOf(catalog)).toBe(original);
  });
});

describe('is another plan', () => {
  test.each<[string, Catalog]>([
    [
      'a column more',
      catalogOf({
        tables: tables.map((one) => (one.name === 'items' ? { ...one, columns: ['more?'] } : one)),
      }),
    ],
    [
      'another type',
      withTable('shops', ({ columns }) => ({
        columns: columns.map((column) => (column.name === 'name' ? { ...column, type: 'varchar' } : column)),
      })),
    ],
    [
      'a column that became nullable',
      withTable('items', ({ columns }) => ({
        columns: columns.map((column) => ({ ...column, notNull: false })),
      })),
    ],
    ['another action of a key', withKey({ onDelete: 'cascade' })],
    [
      'a key more',
      catalogOf({ tables: [...tables, { name: 'notes', keys: [{ from: 'shop_id', to: 'shops' }] }] }),
    ],
    ['a key less', { ...catalogOf(spec), foreignKeys: catalogOf(spec).foreignKeys.slice(1) }],
    [
      'a trigger that was switched off',
      withTable('shops', ({ triggers }) => ({
        triggers: triggers.map((one) => ({ ...one, enabled: 'disabled' })),
      })),
    ],
    ['a primary key less', withTable('orders', () => ({ primaryKey: null }))],
    ['partitioned', withTable('orders', () => ({ kind: 'partitioned' }))],
  ])('%s', (_, catalog) => {
    expect(hashOf(catalog)).not.toBe(original);
  });

  test.each<[string, Declaration]>([
    [
      'a table that is kept',
      declarationOf({ shops: { action: 'keep' }, orders: { action: 'delete' }, items: { action: 'delete' } }),
    ],
    ['a table that is not accepted', declarationOf(['shops', 'orders'])],
    ['another decision', { ...declaration, references: { 'app.orders.shop_id': 'reference' } }],
    ['another type of tenant', { ...declaration, tenant: { columns: ['tenant_id'], type: 'text' } }],
  ])('%s', (_, changed) => {
    expect(hashOf(catalogOf(spec), changed)).not.toBe(original);
  });
});

test('canonical JSON: members in order, at every depth', () => {
  expect(canonical({ b: [{ d: 1, c: null }], a: 'x' })).toBe('{"a":"x","b":[{"c":null,"d":1}]}');
});
