import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { KeyAction } from '../../../../erasure/catalog/types.js';
import { makePlan } from '../../../../erasure/plan/make-plan.js';
import type { Plan } from '../../../../erasure/plan/types.js';
import { catalogOf, declarationOf, type TableSpec } from '../../../support/catalog-builder.js';

function planOf(tables: readonly TableSpec[]): Plan {
  return makePlan(catalogOf({ tables }), declarationOf(tables.map(({ name }) => name)));
}

/** Names of tables, unit by unit. */
function units(plan: Plan): { reason: string; tables: string[] }[] {
  return plan.units.map(({ reason, tableOids }) => ({
    reason,
    tables: tableOids.map((oid) => plan.tables.find(({ table }) => table.oid === oid)?.table.name ?? ''),
  }));
}

const owned = ['tenant_id'];

test('children come before parents', () => {
  const plan = planOf([
    { name: 'a', columns: owned },
    { name: 'b', keys: [{ from: 'a_id', to: 'a' }] },
    { name: 'c', keys: [{ from: 'b_id', to: 'b' }] },
  ]);
  expect(units(plan)).toEqual([
    { reason: 'single', tables: ['c'] },
    { reason: 'single', tables: ['b'] },
    { reason: 'single', tables: ['a'] },
  ]);
});

test.each(['cascade', 'set_null', 'set_default'] as const)('%s ties its tables', (onDelete) => {
  const plan = planOf([
    { name: 'a', columns: owned },
    { name: 'b', columns: [...owned, 'a_id?'], keys: [{ from: 'a_id', to: 'a', onDelete }] },
    { name: 'c', keys: [{ from: 'b_id', to: 'b' }] },
  ]);
  expect(units(plan)).toEqual([
    { reason: 'single', tables: ['c'] },
    { reason: 'acting_keys', tables: ['b', 'a'] },
  ]);
});

test('what lies between two tables that are tied is part of their unit', () => {
  const plan = planOf([
    { name: 'a', columns: owned },
    { name: 'b', keys: [{ from: 'a_id', to: 'a' }] },
    {
      name: 'c',
      keys: [
        { from: 'b_id', to: 'b' },
        { from: 'a_id', to: 'a', onDelete: 'cascade' },
      ],
    },
  ]);
  expect(units(plan)).toEqual([{ reason: 'acting_keys', tables: ['c', 'b', 'a'] }]);
});

test('a table that refers to itself is single; a cycle of two is one unit', () => {
  const plan = planOf([
    { name: 'tree', columns: owned, keys: [{ from: 'parent_id', to: 'tree', onDelete: 'cascade' }] },
    { name: 'hens', columns: owned, keys: [{ from: 'egg_id', to: 'eggs' }] },
    { name: 'eggs', columns: owned, keys: [{ from: 'hen_id', to: 'hens' }] },
  ]);
  expect(units(plan).map(({ reason, tables }) => [reason, tables.sort()])).toEqual(
    expect.arrayContaining([
      ['single', ['tree']],
      ['cycle', ['eggs', 'hens']],
    ]),
  );
});

test('the plan names the tables whose rows may have to go together', () => {
  const plan = planOf([
    { name: 'tree', columns: owned, keys: [{ from: 'parent_id', to: 'tree', onDelete: 'cascade' }] },
    { name: 'hens', columns: owned, keys: [{ from: 'egg_id', to: 'eggs' }] },
    { name: 'eggs', columns: owned, keys: [{ from: 'hen_id', to: 'hens' }] },
  ]);
  const found = plan.findings.filter(({ code }) => code === 'moved_together');
  expect(found).toMatchObject([
    { severity: 'info', message: expect.stringMatching(/eggs.*refer to each other/) },
  ]);
});

test('kept tables, keys that are not enforced and tables that nobody accepted tie nothing', () => {
  const catalog = catalogOf({
    tables: [
      { name: 'a', columns: owned },
      { name: 'kept', columns: [...owned, 'a_id?'], keys: [{ from: 'a_id', to: 'a', onDelete: 'set_null' }] },
      {
        name: 'loose',
        columns: owned,
        keys: [{ from: 'a_id', to: 'a', onDelete: 'cascade', with: { enforced: false } }],
      },
      { name: 'unknown', columns: owned, keys: [{ from: 'a_id', to: 'a', onDelete: 'cascade' }] },
    ],
  });
  const plan = makePlan(
    catalog,
    declarationOf({
      a: { action: 'delete' },
      loose: { action: 'delete' },
      kept: { action: 'keep', reason: 'law' },
    }),
  );
  expect(
    units(plan)
      .map(({ tables }) => tables)
      .sort(),
  ).toEqual([['a'], ['loose']]);
});

const ACTIONS = ['no_action', 'restrict', 'cascade', 'set_null', 'set_default'] as const;

interface RandomKey {
  readonly child: number;
  readonly parent: number;
  readonly onDelete: KeyAction;
}

const graphs = fc.integer({ min: 1, max: 10 }).chain((count) =>
  fc.record({
    count: fc.constant(count),
    keys: fc.array(
      fc.record<RandomKey>({
        child: fc.nat(count - 1),
        parent: fc.nat(count - 1),
        onDelete: fc.constantFrom(...ACTIONS),
      }),
      { maxLength: 20 },
    ),
  }),
);

function randomPlan({ count, keys }: { count: number; keys: readonly RandomKey[] }): Plan {
  return planOf(
    Array.from({ length: count }, (_, number) => ({
      name: `t${number}`,
      columns: owned,
      keys: keys.flatMap(({ child, parent, onDelete }, place) =>
        child === number ? [{ from: `k${place}`, to: `t${parent}`, onDelete }] : [],
      ),
    })),
  );
}

describe('for any tables and keys', () => {
  test('every table is in one unit; keys lead to the same unit or a later one; acting keys to the same', () => {
    fc.assert(
      fc.property(graphs, (graph) => {
        const plan = randomPlan(graph);
        const unitOf = new Map(
          plan.units.flatMap(({ tableOids }, unit) => tableOids.map((oid) => [oid, unit])),
        );
        expect(plan.units.flatMap(({ tableOids }) => tableOids)).toHaveLength(graph.count);
        expect(unitOf.size).toBe(graph.count);
        for (const { childOid, parentOid, onDelete } of plan.catalog.foreignKeys) {
          const [child = 0, parent = 0] = [unitOf.get(childOid), unitOf.get(parentOid)];
          expect(child).toBeLessThanOrEqual(parent);
          if (onDelete !== 'no_action' && onDelete !== 'restrict') expect(child).toBe(parent);
        }
      }),
    );
  });

  test('nothing is in one unit that need not be', () => {
    fc.assert(
      fc.property(graphs, (graph) => {
        const plan = randomPlan(graph);
        const steps = plan.catalog.foreignKeys.flatMap(({ childOid, parentOid, onDelete }) =>
          onDelete === 'no_action' || onDelete === 'restrict'
            ? [[childOid, parentOid]]
            : [
                [childOid, parentOid],
                [parentOid, childOid],
              ],
        );
        const reaches = (from: number, to: number): boolean => {
          const seen = new Set([from]);
          for (const one of seen) for (const [a, b] of steps) if (a === one && b !== undefined) seen.add(b);
          return seen.has(to);
        };
        for (const { tableOids, reason } of plan.units) {
          expect(reason === 'single').toBe(tableOids.length === 1);
          for (const one of tableOids) for (const other of tableOids) expect(reaches(one, other)).toBe(true);
        }
      }),
    );
  });

  test('the order does not depend on how the catalog is ordered or numbered', () => {
    fc.assert(
      fc.property(graphs, fc.integer({ min: 20_000, max: 90_000 }), (graph, firstOid) => {
        const plan = randomPlan(graph);
        const tables = Array.from({ length: graph.count }, (_, number) => `t${number}`);
        const specs = tables.map((name, number) => ({
          name,
          columns: owned,
          keys: graph.keys.flatMap(({ child, parent, onDelete }, place) =>
            child === number ? [{ from: `k${place}`, to: `t${parent}`, onDelete }] : [],
          ),
        }));
        const catalog = catalogOf({ tables: specs.reverse(), firstOid });
        const foreignKeys = [...catalog.foreignKeys].reverse();
        const other = makePlan({ ...catalog, foreignKeys }, declarationOf(tables));
        expect(units(other)).toEqual(units(plan));
        expect(other.hash).toBe(plan.hash);
      }),
    );
  });
});
