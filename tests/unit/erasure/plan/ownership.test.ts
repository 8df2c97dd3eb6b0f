import { describe, expect, test } from 'vitest';
import type { ReferencePolicy } from '../../../../erasure/declaration.js';
import { makePlan } from '../../../../erasure/plan/make-plan.js';
import type { Plan } from '../../../../erasure/plan/types.js';
import { catalogOf, declarationOf, type TableSpec } from '../../../support/catalog-builder.js';

function planOf(
  tables: readonly TableSpec[],
  references: Readonly<Record<string, ReferencePolicy>> = {},
): Plan {
  return makePlan(
    catalogOf({ tables }),
    declarationOf(
      tables.map(({ name }) => name),
      { references },
    ),
  );
}

const owners = (plan: Plan) =>
  Object.fromEntries(plan.ownedTables.map(({ label, ownedBy }) => [label, ownedBy]));
const undecided = (plan: Plan) =>
  plan.findings.filter(({ code }) => code === 'reference_undecided').map(({ remedy }) => remedy);

test('a table with a tenant column is owned by it, whatever else it refers to', () => {
  const plan = planOf([
    { name: 'shops', columns: ['tenant_id'] },
    { name: 'tills', columns: ['tenant_id?', 'shop_id?'], keys: [{ from: 'shop_id', to: 'shops' }] },
  ]);
  expect(owners(plan)).toEqual({ 'app.shops': 'tenant_id', 'app.tills': 'tenant_id' });
  expect(plan.ownedTables[1]?.agreeing.map(({ childColumns }) => childColumns)).toEqual([['shop_id']]);
  expect(undecided(plan)).toEqual([]);
});

test('any number of hops, several paths, and nothing that no path leads to', () => {
  const plan = planOf([
    { name: 'shared' },
    { name: 'a', columns: ['tenant_id'] },
    {
      name: 'b',
      keys: [
        { from: 'a_id', to: 'a' },
        { from: 'shared_id', to: 'shared' },
      ],
    },
    { name: 'c', keys: [{ from: 'b_id', to: 'b' }] },
    {
      name: 'd',
      keys: [
        { from: 'c_id', to: 'c' },
        { from: 'a_id', to: 'a' },
      ],
    },
  ]);
  expect(owners(plan)).toEqual({
    'app.a': 'tenant_id',
    'app.b': 'a_id → app.a',
    'app.c': 'b_id → app.b',
    'app.d': 'a_id → app.a or c_id → app.c',
  });
});

describe('what a key means', () => {
  const tables = (key: Partial<TableSpec>): TableSpec[] => [
    { name: 'a', columns: ['tenant_id'] },
    { name: 'b', columns: ['owner_id?'], ...key },
  ];
  const key = { from: 'owner_id', to: 'a' } as const;

  test.each(['set_null', 'set_default'] as const)('%s refers, and does not own', (onDelete) => {
    const plan = planOf(tables({ keys: [{ ...key, onDelete }] }));
    expect(owners(plan)).toEqual({ 'app.a': 'tenant_id' });
    expect(plan.references).toMatchObject([{ nulledBy: 'key', columns: ['owner_id'] }]);
    expect(undecided(plan)).toEqual([]);
  });

  test('CASCADE owns, also where it may be null', () => {
    expect(owners(planOf(tables({ keys: [{ ...key, onDelete: 'cascade' }] })))).toHaveProperty(['app.b']);
  });

  test.each(['no_action', 'restrict'] as const)('%s owns where it may not be null', (onDelete) => {
    const plan = planOf(tables({ columns: ['owner_id'], keys: [{ ...key, onDelete }] }));
    expect(owners(plan)).toMatchObject({ 'app.b': 'owner_id → app.a' });
    expect(undecided(plan)).toEqual([]);
  });

  test.each(['no_action', 'restrict'] as const)('%s is a question where it may be null', (onDelete) => {
    const plan = planOf(tables({ keys: [{ ...key, onDelete }] }));
    expect(plan.findings).toContainEqual(
      expect.objectContaining({
        code: 'reference_undecided',
        severity: 'refusal',
        table: 'app.b',
        message: expect.stringContaining('nothing else says whose its rows are'),
        remedy: 'Decide in the declaration: references: { "app.b.owner_id": "owns" }.',
      }),
    );
  });

  test('a decision is the answer', () => {
    const undecidedKey = tables({ keys: [key] });
    const owns = planOf(undecidedKey, { 'app.b.owner_id': 'owns' });
    expect(owners(owns)).toMatchObject({ 'app.b': 'owner_id → app.a' });
    expect(undecided(owns)).toEqual([]);
    const refers = planOf(undecidedKey, { 'app.b.owner_id': 'reference' });
    expect(owners(refers)).toEqual({ 'app.a': 'tenant_id' });
    expect(refers.references).toMatchObject([{ nulledBy: 'declaration', columns: ['owner_id'] }]);
    expect(undecided(refers)).toEqual([]);
  });

  test('what is owned otherwise, or named like a visit, probably only refers', () => {
    const otherwise = planOf([...tables({ columns: ['owner_id?'], keys: [key, { from: 'a_id', to: 'a' }] })]);
    expect(undecided(otherwise)).toEqual([
      'Decide in the declaration: references: { "app.b.owner_id": "reference" }.',
    ]);
    const visit = planOf(
      tables({ columns: ['last_viewed_id?'], keys: [{ from: 'last_viewed_id', to: 'a' }] }),
    );
    expect(undecided(visit)).toEqual([
      'Decide in the declaration: references: { "app.b.last_viewed_id": "reference" }.',
    ]);
  });

  test('a composite key that may be null in part is a question; one that is not enforced says nothing', () => {
    const parts = { from: 'x,y', to: 'a', toColumns: 'id,tenant_id' } as const;
    expect(undecided(planOf(tables({ columns: ['x', 'y?'], keys: [parts] })))).toHaveLength(1);
    const loose = planOf(tables({ columns: ['x', 'y'], keys: [{ ...parts, with: { enforced: false } }] }));
    expect(owners(loose)).toEqual({ 'app.a': 'tenant_id' });
  });
});

describe('cycles', () => {
  test('a tree whose rows all have an owner outside needs no walk, and no decision', () => {
    const plan = planOf([
      { name: 'shops', columns: ['tenant_id'] },
      {
        name: 'categories',
        columns: ['parent_id?'],
        keys: [
          { from: 'shop_id', to: 'shops' },
          { from: 'parent_id', to: 'categories' },
        ],
      },
    ]);
    expect(owners(plan)).toMatchObject({ 'app.categories': 'shop_id → app.shops' });
    expect(plan.ownedTables[0]?.agreeing.map(({ childColumns }) => childColumns)).toEqual([['parent_id']]);
    expect(undecided(plan)).toEqual([]);
  });

  test('a tree of which only the roots have an owner is walked', () => {
    const plan = planOf([
      { name: 'shops', columns: ['tenant_id'] },
      {
        name: 'folders',
        columns: ['shop_id?', 'parent_id?'],
        keys: [
          { from: 'shop_id', to: 'shops', onDelete: 'cascade' },
          { from: 'parent_id', to: 'folders', onDelete: 'cascade' },
        ],
      },
    ]);
    expect(owners(plan)).toMatchObject({
      'app.folders': 'parent_id → app.folders or shop_id → app.shops',
    });
  });

  test('tables that only refer to each other belong to nobody', () => {
    const plan = planOf([
      { name: 'hens', keys: [{ from: 'egg_id', to: 'eggs' }] },
      { name: 'eggs', keys: [{ from: 'hen_id', to: 'hens' }] },
    ]);
    expect(owners(plan)).toEqual({});
  });

  test('an order and its latest status: the history is owned, the order says for itself whose it is', () => {
    const plan = planOf(
      [
        {
          name: 'orders',
          columns: ['tenant_id', 'latest_id?'],
          keys: [{ from: 'latest_id', to: 'history' }],
        },
        { name: 'history', keys: [{ from: 'order_id', to: 'orders' }] },
      ],
      { 'app.orders.latest_id': 'reference' },
    );
    expect(owners(plan)).toEqual({ 'app.history': 'order_id → app.orders', 'app.orders': 'tenant_id' });
    expect(plan.units).toMatchObject([{ reason: 'cycle' }]);
  });
});

test('the order of tenant.columns decides between several; tables of extensions and other schemas hold nothing', () => {
  const catalog = catalogOf({
    tables: [
      { name: 't', columns: ['org_id:uuid', 'tenant_id'] },
      { name: 'ext', columns: ['tenant_id'], with: { extensionOwned: true } },
      { name: 'other.t', columns: ['tenant_id'] },
    ],
  });
  const declaration = declarationOf(['t'], { tenant: { columns: ['org_id', 'tenant_id'], type: 'uuid' } });
  const plan = makePlan(catalog, declaration);
  expect(owners(plan)).toEqual({ 'app.t': 'org_id' });
  expect(plan.unacceptedTables).toEqual([]);
});
