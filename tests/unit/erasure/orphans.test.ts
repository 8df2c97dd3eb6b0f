import { expect, test } from 'vitest';
import type { Catalog } from '../../../erasure/catalog/types.js';
import type { TablePolicy } from '../../../erasure/declaration.js';
import { makePlan } from '../../../erasure/plan/make-plan.js';
import { stuckOrphans, unvalidatedKeys, whyNoOrphans } from '../../../erasure/stage/orphans.js';
import { catalogOf, declarationOf, type KeySpec, type TableSpec } from '../../support/catalog-builder.js';

const topics: TableSpec = { name: 'lists.topics' };
const notValid = { validated: false };

/** Notes with a key to topics that is NOT VALID. */
const notes = (key: Partial<KeySpec> = {}, table: Partial<TableSpec> = {}): TableSpec => ({
  name: 'notes',
  columns: ['tenant_id'],
  keys: [{ from: 'topic', to: 'lists.topics', with: notValid, ...key }],
  ...table,
});

function planOf(tables: readonly TableSpec[], catalog: Partial<Catalog> = {}, policy?: TablePolicy) {
  const declaration = declarationOf(['notes']);
  const declared = { ...declaration.tables, ...(policy && { 'app.notes': policy }) };
  return makePlan(catalogOf({ tables, with: catalog }), { ...declaration, tables: declared });
}

function obstacles(...given: Parameters<typeof planOf>): (string | null)[] {
  const plan = planOf(...given);
  return unvalidatedKeys(plan).map((one) => whyNoOrphans(plan, one));
}

test('orphans of a key that is NOT VALID may come back, whatever the role may do to what they do not refer to', () => {
  const { privileges } = catalogOf({ tables: [topics] }).tables[0] ?? {};
  const readOnly = { ...topics, with: { privileges: { ...(privileges ?? never()), update: false } } };
  expect(obstacles([readOnly, notes()])).toEqual([null]);
});

test('keys that are valid, not enforced, or of tables that stay have none', () => {
  expect(obstacles([topics, notes({ with: {} })])).toEqual([]);
  expect(obstacles([topics, notes({ with: { ...notValid, enforced: false } })])).toEqual([]);
  expect(obstacles([topics, notes()], {}, { action: 'keep', reason: 'theirs' })).toEqual([]);
});

const STUCK: [RegExp, ...Parameters<typeof planOf>][] = [
  [/^lethe_app may not set session_replication_role$/, [topics, notes()], { maySilenceTriggers: false }],
  [/deferrable unique/, [topics, notes({}, { with: { deferrableUnique: true } })]],
  [/notes_topic_fkey can be checked by its own/, [topics, notes({ with: { ...notValid, temporal: true } })]],
  [/its own/, [topics, notes({ with: { ...notValid, childPartition: { schema: 'app', name: 'p' } } })]],
  [
    /^loud fires also/,
    [topics, notes({}, { triggers: [{ name: 'loud', events: ['insert'], enabled: 'replica' }] })],
  ],
  [
    /^loud fires, as decided$/,
    [topics, notes({}, { triggers: [{ name: 'loud', events: ['insert'] }] })],
    {},
    { action: 'delete', triggers: 'fire' },
  ],
];

test.each(STUCK)('is stuck where %s', (why, tables, catalog, policy) => {
  expect(obstacles(tables, catalog, policy)).toEqual([expect.stringMatching(why)]);
});

test('a trigger that fires when rows go is no obstacle to their coming back', () => {
  const loud = notes({}, { triggers: [{ name: 'loud', events: ['delete'] }] });
  expect(obstacles([topics, loud], {}, { action: 'delete', triggers: 'fire' })).toEqual([null]);
});

test('a computed column in a key is one, since it is not archived', () => {
  const { tables, ...rest } = catalogOf({ tables: [topics, notes()] });
  const computed = tables.map((table) => ({
    ...table,
    columns: table.columns.map((column) => ({ ...column, generated: column.name === 'topic' })),
  }));
  const plan = makePlan({ ...rest, tables: computed }, declarationOf(['notes']));
  const [one] = unvalidatedKeys(plan);
  expect(one && whyNoOrphans(plan, one)).toBe('topic is computed, and so not archived');
});

test('who is told of them learns how many, by which key, why they are stuck, and what helps', () => {
  const plan = planOf([topics, notes()], { maySilenceTriggers: false });
  const [one] = unvalidatedKeys(plan);
  const { message, remedy } = stuckOrphans(plan, one ?? never(), 1, 'because');
  expect(message).toBe(
    "1 of the tenant's rows in app.notes refers by notes_topic_fkey, which is NOT VALID, to what is not in lists.topics: once moved it could come back only with triggers off, and that cannot be: because.",
  );
  expect(remedy).toMatch(
    /^GRANT SET ON PARAMETER session_replication_role TO "lethe_app"; \(lethe grants --fast-path\)/,
  );
});

function never(): never {
  throw new Error('The catalog has it.');
}
