import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { readCatalog } from '../../../erasure/catalog/read.js';
import type { Declaration } from '../../../erasure/declaration.js';
import type { Preview } from '../../../erasure/engine-types.js';
import { makePlan } from '../../../erasure/plan/make-plan.js';
import { conflictsOf } from '../../../erasure/preview/conflicts.js';
import { previewTenant } from '../../../erasure/preview/preview.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

const A = 'aaaaaaaa-0000-4000-8000-000000000001';
const B = 'bbbbbbbb-0000-4000-8000-000000000002';
const NOBODY = 'cccccccc-0000-4000-8000-000000000003';

const SCHEMA = `
CREATE SCHEMA shop; CREATE SCHEMA elsewhere; CREATE SCHEMA lethe_shop;
CREATE TABLE shop.customers (id int PRIMARY KEY, tenant_id uuid, UNIQUE (tenant_id, id));
CREATE TABLE shop.orders (id int PRIMARY KEY, tenant_id uuid, customer_id int REFERENCES shop.customers);
CREATE TABLE shop.items (order_id int REFERENCES shop.orders, line int, PRIMARY KEY (order_id, line));
CREATE TABLE shop.visits (id int PRIMARY KEY, tenant_id uuid, customer_id int REFERENCES shop.customers ON DELETE SET NULL);
CREATE TABLE shop.notes (id int PRIMARY KEY, tenant_id uuid, customer_id int REFERENCES shop.customers ON DELETE CASCADE);
CREATE TABLE shop.points (id int PRIMARY KEY, tenant_id uuid, customer_id int,
  FOREIGN KEY (tenant_id, customer_id) REFERENCES shop.customers (tenant_id, id));
CREATE TABLE shop.invoices (id int PRIMARY KEY, tenant_id uuid, customer_id int REFERENCES shop.customers);
CREATE TABLE shop.stars (id int PRIMARY KEY, tenant_id uuid, order_id int REFERENCES shop.orders);
CREATE TABLE elsewhere.exports (id int PRIMARY KEY);
INSERT INTO shop.customers VALUES (1, '${A}'), (2, '${A}'), (3, '${B}'), (4, NULL);
INSERT INTO shop.orders VALUES (10, '${A}', 1), (11, '${A}', NULL), (12, '${A}', 3), (13, '${B}', 3);
INSERT INTO shop.items VALUES (10, 1), (10, 2), (11, 1), (13, 1);
INSERT INTO shop.visits VALUES (1, '${A}', 1), (2, '${B}', 3);
INSERT INTO shop.notes VALUES (1, '${A}', 1), (2, '${B}', 3);
INSERT INTO shop.points VALUES (1, '${A}', 1), (2, '${B}', 3), (3, '${B}', NULL);
INSERT INTO shop.invoices VALUES (1, '${A}', NULL), (2, '${B}', NULL);
INSERT INTO shop.stars VALUES (1, '${A}', 10), (2, '${B}', NULL);
`;

const declaration: Declaration = {
  name: 'shop',
  schemas: ['shop'],
  letheSchema: 'lethe_shop',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'none',
  tables: {
    'shop.customers': { action: 'delete' },
    'shop.orders': { action: 'delete' },
    'shop.items': { action: 'delete' },
    'shop.visits': { action: 'delete' },
    'shop.notes': { action: 'delete' },
    'shop.points': { action: 'delete' },
    'shop.stars': { action: 'delete' },
    'shop.invoices': { action: 'keep', reason: 'ten years, by tax law' },
  },
  references: { 'shop.stars.order_id': 'reference' },
};

let database: TestDatabase;
let client: pg.Client;
const role = `previewer_${process.pid}`;

beforeAll(async () => {
  database = await createTestDatabase({ template: 'empty' });
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(SCHEMA);
  await client.query(`CREATE ROLE ${role} LOGIN PASSWORD '${role}'; GRANT USAGE ON SCHEMA shop TO ${role};
    GRANT SELECT ON ALL TABLES IN SCHEMA shop TO ${role}`);
});

afterAll(async () => {
  await client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  await client.end();
  await database.drop();
});

async function preview(tenant: string, as = client): Promise<Preview> {
  return previewTenant(as, makePlan(await readCatalog(as, declaration), declaration), tenant);
}

const counts = ({ tables }: Preview) => Object.fromEntries(tables.map(({ table, rows }) => [table, rows]));
const conflicts = ({ findings }: Preview) =>
  findings.flatMap(({ code, table, message }) => (code === 'reference_conflict' ? [{ table, message }] : []));

/** Runs with a change to the database that is undone afterwards. */
async function changed<T>(sql: string, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  try {
    await client.query(sql);
    return await work();
  } finally {
    await client.query('ROLLBACK');
  }
}

test('counts what would go of each table, and what would be kept, apart', async () => {
  const found = await preview(A);
  expect(counts(found)).toEqual({
    'shop.customers': 2,
    'shop.invoices': 1,
    'shop.items': 3,
    'shop.notes': 1,
    'shop.orders': 3,
    'shop.points': 1,
    'shop.stars': 1,
    'shop.visits': 1,
  });
  expect(found.totalRows).toBe(12);
  expect(found.tables.find(({ table }) => table === 'shop.items')).toEqual({
    table: 'shop.items',
    action: 'delete',
    rows: 3,
    ownedBy: 'order_id → shop.orders',
  });
  expect(found.tables.find(({ action }) => action === 'keep')?.table).toBe('shop.invoices');
  expect(found.tenantId).toBe(A);
  expect((await preview(NOBODY)).totalRows).toBe(0);
});

test('takes one statement, however many tables there are', async () => {
  const plan = makePlan(await readCatalog(client, declaration), declaration);
  const spy = vi.spyOn(client, 'query');
  await previewTenant(client, plan, A);
  expect(spy).toHaveBeenCalledTimes(1);
  spy.mockRestore();
});

describe('conflicts: rows that would stay and refer to rows that would go', () => {
  test("another tenant's row, named by table and key, without values", async () => {
    // Order 12 of A refers to customer 3 of B.
    const found = await preview(B);
    expect(conflicts(found)).toEqual([
      {
        table: 'shop.orders',
        message:
          '1 row of shop.orders that would stay refers by orders_customer_id_fkey (customer_id) to rows of shop.customers that would go.',
      },
    ]);
    expect(found.findings.find(({ code }) => code === 'reference_conflict')).toMatchObject({
      severity: 'refusal',
      remedy: expect.stringContaining('"shop.orders.customer_id": "reference"'),
    });
    expect(conflicts(await preview(A))).toEqual([]);
  });

  test("nobody's rows, and how many", async () => {
    const found = await changed(
      `INSERT INTO shop.orders SELECT n, NULL, 1 FROM generate_series(100, 102) n`,
      () => preview(A),
    );
    expect(conflicts(found)).toEqual([
      {
        table: 'shop.orders',
        message: expect.stringContaining('3 rows of shop.orders that would stay refer'),
      },
    ]);
  });

  test('rows that CASCADE would delete', async () => {
    const found = await changed(`INSERT INTO shop.notes VALUES (5, '${B}', 1)`, () => preview(A));
    expect(conflicts(found).map(({ table }) => table)).toEqual(['shop.notes']);
  });

  test('kept rows, even if they are of the same tenant', async () => {
    const found = await changed(`UPDATE shop.invoices SET customer_id = 1 WHERE id = 1`, () => preview(A));
    expect(conflicts(found).map(({ table }) => table)).toEqual(['shop.invoices']);
  });

  test("rows of another participant's tables", async () => {
    const found = await changed(
      `ALTER TABLE elsewhere.exports ADD order_id int REFERENCES shop.orders; INSERT INTO elsewhere.exports VALUES (1, 10)`,
      () => preview(A),
    );
    expect(conflicts(found).map(({ table }) => table)).toEqual(['elsewhere.exports']);
    expect(found.findings.map(({ code }) => code)).toContain('key_between_participants');
  });

  test('not where the value is nulled, by the key or by decision', async () => {
    const found = await changed(
      `INSERT INTO shop.visits VALUES (5, '${B}', 1); INSERT INTO shop.stars VALUES (5, '${B}', 10)`,
      () => preview(A),
    );
    expect(conflicts(found)).toEqual([]);
  });

  test('are found by a check of their own too, for the transaction that moves rows', async () => {
    const plan = makePlan(await readCatalog(client, declaration), declaration);
    expect((await conflictsOf(client, plan, B)).map(({ table }) => table)).toEqual(['shop.orders']);
    expect(await conflictsOf(client, plan, A)).toEqual([]);
  });
});

test('rows that belong to somebody else as well go, and are told of', async () => {
  const tables = { ...declaration.tables, 'shop.gifts': { action: 'delete' } as const };
  const found = await changed(
    `CREATE TABLE shop.gifts (id int PRIMARY KEY, from_id int NOT NULL REFERENCES shop.customers,
       to_id int REFERENCES shop.customers ON DELETE CASCADE);
     INSERT INTO shop.gifts VALUES (1, 1, 2), (2, 1, 3), (3, 3, 1), (4, 1, NULL), (5, 3, 3), (6, 2, 4)`,
    async () => {
      const accepting = { ...declaration, tables };
      return previewTenant(client, makePlan(await readCatalog(client, accepting), accepting), A);
    },
  );
  expect(counts(found)['shop.gifts']).toBe(5);
  expect(found.findings.filter(({ code }) => code === 'row_of_several_owners')).toMatchObject([
    { severity: 'warning', message: expect.stringContaining('1 row of shop.gifts would go') },
    { severity: 'warning', message: expect.stringContaining('2 rows of shop.gifts would go') },
  ]);
  expect(found.findings.filter(({ severity }) => severity === 'refusal')).toEqual([]);
});

test('a table that nobody has accepted: refused, and previewed all the same', async () => {
  const found = await changed(
    `CREATE TABLE shop.new (id int PRIMARY KEY, tenant_id uuid, customer_id int NOT NULL REFERENCES shop.customers);
     INSERT INTO shop.new VALUES (1, '${A}', 1)`,
    () => preview(A),
  );
  expect(found.totalRows).toBe(12);
  expect(found.findings.filter(({ severity }) => severity === 'refusal')).toMatchObject([
    { code: 'reference_conflict', table: 'shop.new' },
    { code: 'table_not_accepted', table: 'shop.new' },
  ]);
});

test('a role without privileges: each is named, what can be read is counted, nothing fails', async () => {
  await client.query(
    `REVOKE SELECT ON shop.orders FROM ${role}; ALTER TABLE shop.notes ENABLE ROW LEVEL SECURITY`,
  );
  const other = new pg.Client({ connectionString: database.urlFor(role) });
  await other.connect();
  await other.query('SET row_security = off');
  const found = await preview(A, other).finally(() => other.end());
  await client.query(
    `GRANT SELECT ON shop.orders TO ${role}; ALTER TABLE shop.notes DISABLE ROW LEVEL SECURITY`,
  );
  expect(counts(found)).toMatchObject({
    'shop.customers': 2,
    'shop.orders': 0,
    'shop.items': 0,
    'shop.notes': 0,
    'shop.points': 1,
  });
  const refusals = found.findings.filter(({ severity }) => severity === 'refusal');
  const missing = refusals.filter(
    ({ code, table }) => code === 'privilege_missing' && table === 'shop.orders',
  );
  expect(missing.map(({ privilege }) => privilege)).toEqual(['DELETE', 'INSERT', 'SELECT', 'UPDATE']);
  expect(missing.map(({ remedy }) => remedy)).toContain(`GRANT DELETE ON "shop"."orders" TO "${role}";`);
  expect(refusals).toContainEqual(expect.objectContaining({ code: 'row_security', table: 'shop.notes' }));
  expect(refusals).toContainEqual(
    expect.objectContaining({ code: 'privilege_missing', privilege: 'CREATE', table: null }),
  );
  expect((await preview(A)).findings.filter(({ severity }) => severity === 'refusal')).toEqual([]);
});

test('changes nothing', async () => {
  const sums = `SELECT (SELECT md5(string_agg(c::text, ',' ORDER BY c::text)) FROM shop.customers c) AS customers,
    (SELECT md5(string_agg(i::text, ',' ORDER BY i::text)) FROM shop.items i) AS items`;
  const before = (await client.query(sums)).rows;
  await client.query('BEGIN READ ONLY');
  await preview(A);
  await client.query('COMMIT');
  expect((await client.query(sums)).rows).toEqual(before);
});
