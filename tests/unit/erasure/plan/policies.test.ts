import { describe, expect, test } from 'vitest';
import type { Catalog, CatalogTable } from '../../../../erasure/catalog/types.js';
import type { ColumnRule, Retention, TablePolicy } from '../../../../erasure/declaration.js';
import { makePlan } from '../../../../erasure/plan/make-plan.js';
import { dueSql, isPeriod, startInWords } from '../../../../erasure/retention/due.js';
import { merged, told } from '../../../../erasure/retention/outcome.js';
import { catalogOf, declarationOf, type KeySpec, type TableSpec } from '../../../support/catalog-builder.js';

const shops: TableSpec = { name: 'shops', columns: ['tenant_id'] };

/** What is found about these policies, in a database where nothing else is wrong. */
function found(
  tables: readonly TableSpec[],
  policies: Readonly<Record<string, TablePolicy>>,
  catalog: Partial<Catalog> = {},
): string[] {
  const declared = {
    ...Object.fromEntries(tables.map(({ name }) => [name, { action: 'delete' as const }])),
    ...policies,
  };
  const plan = makePlan(catalogOf({ tables, with: catalog }), declarationOf(declared));
  return plan.findings.map(({ severity, code, table }) => [severity, code, table].join(' '));
}

describe('retention', () => {
  const bills: TableSpec = {
    name: 'bills',
    columns: ['tenant_id', 'issued_on:date', 'note:text', 'year:date'],
  };
  const keep = (change: Partial<Retention>): Record<string, TablePolicy> => ({
    bills: {
      action: 'retain',
      retention: { period: 'P10Y', from: { column: 'issued_on' }, ground: 'tax law', ...change },
    },
  });

  test('needs a duration, a ground, and a date to count from', () => {
    expect(found([bills], keep({}))).toEqual([]);
    expect(found([bills], keep({ from: 'deletion' }))).toEqual([]);
    for (const change of [
      { period: 'ten years' },
      { ground: ' ' },
      { from: { column: 'paid_on' } },
      { from: { column: 'note' } },
    ])
      expect(found([bills], keep(change)), JSON.stringify(change)).toEqual([
        'refusal retention_invalid app.bills',
      ]);
    const computed = catalogOf({ tables: [bills] }).tables[0]?.columns ?? [];
    const columns = computed.map((one) => ({ ...one, generated: one.name === 'issued_on' }));
    expect(found([{ ...bills, with: { columns } }], keep({}))).toEqual([
      'refusal retention_invalid app.bills',
    ]);
  });

  test('needs a place that the role may put rows in', () => {
    const place = (retainedRows: Catalog['retainedRows']) =>
      found([bills], keep({}), { ...(retainedRows && { retainedRows }) });
    expect(place({ exists: true, insert: true })).toEqual([]);
    expect(place({ exists: false, insert: false })).toEqual(['refusal retained_place_missing ']);
    expect(place({ exists: true, insert: false })).toEqual(['refusal privilege_missing ']);
    expect(found([shops], {}, { retainedRows: { exists: false, insert: false } })).toEqual([]);
  });

  test('goes along every key, over hops, and never backwards', () => {
    const tables: TableSpec[] = [
      shops,
      { name: 'streets', columns: ['tenant_id'] },
      { name: 'orders', columns: ['tenant_id'], keys: [{ from: 'shop_id', to: 'shops' }] },
      { name: 'items', columns: ['tenant_id'], keys: [{ from: 'order_id', to: 'orders' }] },
      { ...bills, keys: [{ from: 'order_id', to: 'orders' }] },
    ];
    const policies = { shops: 'delete', streets: 'delete', orders: 'delete', items: 'delete' } as const;
    const declared = {
      ...Object.fromEntries(Object.entries(policies).map(([name, action]) => [name, { action }])),
      ...keep({}),
    };
    const plan = makePlan(catalogOf({ tables }), declarationOf(declared));
    const along = plan.tables.flatMap(({ label, retainedWith }) =>
      retainedWith ? [[label, retainedWith]] : [],
    );
    expect(along).toEqual([
      ['app.orders', ['app.bills']],
      ['app.shops', ['app.bills']],
    ]);
    expect(plan.units.flatMap(({ tableOids }) => tableOids)).toHaveLength(5);
  });

  test('and every change of it is another plan', () => {
    const hash = (policy: Record<string, TablePolicy>) =>
      makePlan(catalogOf({ tables: [bills] }), declarationOf(policy)).hash;
    const hashes = [
      hash({ bills: { action: 'delete' } }),
      hash(keep({})),
      hash(keep({ period: 'P1Y' })),
      hash(keep({ ground: 'another' })),
      hash(keep({ from: { column: 'issued_on', endOf: 'calendar_year' } })),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  test.each([
    ['P10Y', true],
    ['P1Y6M', true],
    ['P2W', true],
    ['PT0S', true],
    ['P1DT12H', true],
    ['P', false],
    ['PT', false],
    ['P1.5Y', false],
    ['10Y', false],
    ['P1Y; DROP TABLE x', false],
  ])('%s is a duration: %s', (text, is) => {
    expect(isPeriod(text)).toBe(is);
  });

  test('says in words and in SQL what it counts from', () => {
    const of = (from: Retention['from']) => ({ period: 'P10Y', from, ground: 'law' });
    const year = of({ column: 'issued_on', endOf: 'calendar_year' });
    expect([of('deletion'), of({ column: 'issued_on' }), year].map(startInWords)).toEqual([
      'the deletion',
      'issued_on',
      'the end of the calendar year of issued_on',
    ]);
    expect(dueSql(of('deletion'), null)).toBe("(now() + CAST('P10Y' AS interval))");
    expect(dueSql(year, 'a.c3')).toContain("date_trunc('year', COALESCE(CAST(a.c3 AS timestamptz), now()))");
  });
});

describe('anonymization', () => {
  const NULLED: Record<string, ColumnRule> = { tenant_id: { becomes: 'null' } };
  const visits = (
    columns: readonly string[] = [],
    keys: readonly KeySpec[] = [],
    change: Partial<CatalogTable> = {},
  ): TableSpec => ({
    name: 'visits',
    columns: ['tenant_id?', ...columns],
    keys,
    with: change,
  });
  const rules = (
    more: Record<string, ColumnRule> = {},
    policy: Partial<TablePolicy> = {},
  ): Record<string, TablePolicy> => ({
    visits: { action: 'anonymize', columns: { ...NULLED, ...more }, ...policy } as TablePolicy,
  });
  const LINKED = 'refusal anonymize_linked app.visits';
  const IMPOSSIBLE = 'refusal anonymize_impossible app.visits';

  test('cuts the tenant column, every key to rows that go or stay the tenant’s, and whoever is named', () => {
    expect(found([visits()], rules())).toEqual([]);
    const only = { visits: { action: 'anonymize', columns: { minutes: { becomes: 'null' } } } } as const;
    expect(found([visits(['minutes?'])], only)).toEqual([LINKED]);
    const toShop = visits(['shop_id?'], [{ from: 'shop_id', to: 'shops' }]);
    expect(found([shops, toShop], rules())).toEqual([LINKED]);
    expect(found([shops, toShop], rules({ shop_id: { becomes: 'null' } }))).toEqual([]);
    expect(found([shops, toShop], { ...rules(), shops: { action: 'keep', reason: 'law' } })).toEqual([
      LINKED,
    ]);
    for (const column of ['user_id?', 'createdBy?', 'email?:text', 'owner?']) {
      expect(found([visits([column])], rules()), column).toEqual([LINKED]);
      const name = column.replace(/\?.*/, '');
      expect(found([visits([column])], rules({ [name]: { becomes: 'null' } }))).toEqual([]);
      expect(found([visits([column])], rules({ [name]: { becomes: 'keep', reason: 'a role' } }))).toEqual([]);
    }
    // What the tenant's column says cannot be kept, whatever the reason.
    expect(found([visits()], rules({ tenant_id: { becomes: 'keep', reason: 'no' } }))).toContain(LINKED);
  });

  test('of rows that kept rows of the tenant refer to is none; retained ones are told of', () => {
    const tables: TableSpec[] = [
      visits(),
      { name: 'notes', columns: ['tenant_id'], keys: [{ from: 'visit_id', to: 'visits' }] },
    ];
    expect(found(tables, { ...rules(), notes: { action: 'keep', reason: 'law' } })).toEqual([LINKED]);
    expect(
      found(tables, {
        ...rules(),
        notes: { action: 'retain', retention: { period: 'P1Y', from: 'deletion', ground: 'law' } },
      }),
    ).toEqual(['warning retained_refers_to_anonymized app.visits']);
    // Kept rows that are the tenant's by the anonymized one alone are nobody's with it.
    const byVisit: TableSpec[] = [visits(), { name: 'notes', keys: [{ from: 'visit_id', to: 'visits' }] }];
    expect(found(byVisit, { ...rules(), notes: { action: 'keep', reason: 'law' } })).toEqual([]);
    expect(found(byVisit, rules())).toEqual(['refusal anonymize_owner app.visits']);
  });

  test('cannot change what rows are found by, what is computed, or what may not be null', () => {
    const change = { minutes: { becomes: 'null' } } as const;
    expect(found([visits(['minutes'])], rules(change))).toEqual([IMPOSSIBLE]);
    expect(found([visits(['minutes'])], rules({ minutes: { becomes: 'constant', value: '0' } }))).toEqual([]);
    expect(found([visits()], rules(change))).toEqual([IMPOSSIBLE]);
    expect(found([visits([], [], { primaryKey: null })], rules())).toEqual([IMPOSSIBLE]);
    expect(found([visits()], rules({ id: { becomes: 'constant', value: '1' } }))).toEqual([IMPOSSIBLE]);
    expect(found([visits([], [], { rules: ['r'] })], rules())).toEqual([IMPOSSIBLE]);
  });

  test('asks about triggers on UPDATE', () => {
    const spied: TableSpec = { ...visits(), triggers: [{ events: ['update'] }] };
    expect(found([spied], rules())).toEqual(['refusal anonymize_trigger app.visits']);
    expect(found([spied], rules({}, { triggers: 'fire' }))).toEqual(['warning anonymize_trigger app.visits']);
    expect(found([{ ...visits(), triggers: [{ events: ['delete'] }] }], rules())).toEqual([]);
  });

  test('needs to read and to change, and nothing else', () => {
    const none = { select: false, insert: false, update: false, delete: false, schemaUsage: true };
    const plan = makePlan(
      catalogOf({ tables: [visits([], [], { privileges: none })] }),
      declarationOf(rules()),
    );
    expect(plan.findings.flatMap(({ privilege }) => privilege ?? [])).toEqual(['SELECT', 'UPDATE']);
  });
});

test('outcomes add up over passes, the later date and every ground counting', () => {
  const one = merged(
    {},
    { bills: { retained: 2, grounds: ['tax'], retainUntil: '2030-01-01T00:00:00.000Z' } },
  );
  const both = merged(one, {
    bills: { retained: 1, grounds: ['contract', 'tax'], retainUntil: '2035-01-01T00:00:00.000Z' },
    visits: { anonymized: 3 },
  });
  expect(told(both.bills, 4)).toEqual({
    deleted: 1,
    retained: 3,
    ground: 'tax; contract',
    retainUntil: '2035-01-01T00:00:00.000Z',
  });
  expect(told(merged(both, { visits: { anonymized: 2 } }).visits, 0)).toEqual({ anonymized: 5 });
  expect(told(merged(both, { bills: { retained: 1, retainUntil: null } }).bills, 4).retainUntil).toBeNull();
  expect(told(undefined, 4)).toEqual({});
});
