import { expect, test } from 'vitest';
import type { Catalog } from '../../../../erasure/catalog/types.js';
import type { TablePolicy } from '../../../../erasure/declaration.js';
import { makePlan } from '../../../../erasure/plan/make-plan.js';
import { catalogOf, declarationOf, type KeySpec, type TableSpec } from '../../../support/catalog-builder.js';

const shops: TableSpec = { name: 'shops', columns: ['tenant_id'] };

function planOf(tables: readonly TableSpec[], catalog: Partial<Catalog> = {}, policy?: TablePolicy) {
  const declaration = declarationOf(tables.map(({ name }) => name));
  const declared = policy ? { ...declaration.tables, 'app.shops': policy } : declaration.tables;
  return makePlan(catalogOf({ tables, with: catalog }), { ...declaration, tables: declared });
}

const tills = (key: Partial<KeySpec> = {}, table: Partial<TableSpec> = {}): TableSpec => ({
  name: 'tills',
  keys: [{ from: 'shop_id', to: 'shops', ...key }],
  ...table,
});

test('triggers go off for every unit, where nothing speaks against it', () => {
  expect(planOf([shops, tills({ onDelete: 'cascade' })]).fastPath).toEqual([null]);
  expect(planOf([shops, tills()]).fastPath).toEqual([null, null]);
});

test('they stay on for all without the right, by the same hash', () => {
  const tables = [shops, tills()];
  const slow = planOf(tables, { maySilenceTriggers: false });
  expect(slow.fastPath).toEqual(Array(2).fill('lethe_app may not set session_replication_role'));
  expect(slow.hash).toBe(planOf(tables).hash);
});

test.each([
  ['REPLICA', { enabled: 'replica' as const }],
  ['ALWAYS', { enabled: 'always' as const, ours: true }],
])('they stay on where a trigger on DELETE is enabled %s, and it is said which', (_, trigger) => {
  const loud: TableSpec = { ...shops, triggers: [{ name: 'loud', events: ['delete'], ...trigger }] };
  expect(planOf([loud, tills()]).fastPath).toEqual([null, expect.stringContaining('loud of app.shops')]);
});

test('they stay on where they fire by decision', () => {
  const loud: TableSpec = { ...shops, triggers: [{ name: 'loud', events: ['delete'] }] };
  const plan = planOf([loud], {}, { action: 'delete', triggers: 'fire' });
  expect(plan.fastPath).toEqual(['triggers of app.shops fire, as decided']);
});

test.each<readonly [string, TableSpec]>([
  ['cannot be read', tills({}, { with: { rowSecurity: { enabled: true, forced: false, bypassed: false } } })],
  ['is about periods', tills({ with: { temporal: true } })],
  ['is about one partition', tills({ with: { childPartition: { schema: 'app', name: 'p' } } })],
])('they stay on where a key into the table %s', (_, child) => {
  const { fastPath } = planOf([shops, child]);
  expect(fastPath.at(-1)).toMatch(/cannot all be read|periods|one partition/);
});

test('a key that binds nobody does not matter', () => {
  expect(planOf([shops, tills({ with: { enforced: false, temporal: true } })]).fastPath).not.toContain(
    'tills_shop_id_fkey is about periods',
  );
});
