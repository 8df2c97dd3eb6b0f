import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Checksums, differingTables, readChecksums, totalRows } from '../../../local/checksums.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

const ONE = '11111111-1111-4111-8111-111111111111';
const OTHER = '22222222-2222-4222-8222-222222222222';

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase({ template: 'empty' });
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(`
    CREATE SCHEMA shop;
    CREATE TABLE shop.orders (id int PRIMARY KEY, tenant_id uuid NOT NULL, at timestamptz);
    CREATE TABLE shop.lines (order_id int NOT NULL REFERENCES shop.orders, "Text" text);
    CREATE TABLE shop.notes (line text, order_id int REFERENCES shop.orders ON DELETE SET NULL)`);
});
afterAll(async () => {
  await client?.end();
  await database?.drop();
});

beforeEach(() =>
  client.query(`
    TRUNCATE shop.orders, shop.lines, shop.notes;
    INSERT INTO shop.orders VALUES (1, '${ONE}', '2026-01-01Z'), (2, '${OTHER}', NULL), (3, '${OTHER}', NULL);
    INSERT INTO shop.lines VALUES (1, 'bread'), (1, 'bread'), (2, 'rolls'), (3, NULL);
    INSERT INTO shop.notes VALUES ('nobody''s', 1)`),
);

function read(whose: { only?: string; except?: string } = {}): Promise<Checksums> {
  return readChecksums({ databaseUrl: database.url, schemas: ['shop'], ...whose });
}

function rowsOf(checksums: Checksums): Record<string, number> {
  return Object.fromEntries(Object.entries(checksums).map(([name, { rows }]) => [name, rows]));
}

describe('checksums', () => {
  it.each([
    ['a value that changed', 'UPDATE shop.lines SET "Text" = \'cake\' WHERE order_id = 2', ['shop.lines']],
    ['a null that was filled', "UPDATE shop.orders SET at = '2026-01-01Z' WHERE id = 2", ['shop.orders']],
    ['one of two identical rows gone', "DELETE FROM shop.lines WHERE ctid = '(0,1)'", ['shop.lines']],
    ['two identical rows more', "INSERT INTO shop.lines VALUES (3, 'x'), (3, 'x')", ['shop.lines']],
    ['a reference that was lost', 'UPDATE shop.notes SET order_id = NULL', ['shop.notes']],
  ])('see %s', async (_, change, tables) => {
    const before = await read();
    await client.query(change);
    expect(differingTables(before, await read())).toEqual(tables);
  });

  it('do not see in which order rows lie, nor who asks', async () => {
    const before = await read();
    await client.query(`
      WITH gone AS (DELETE FROM shop.lines RETURNING *) INSERT INTO shop.lines SELECT * FROM gone ORDER BY order_id DESC;
      ALTER DATABASE ${database.name} SET DateStyle = 'German'; ALTER DATABASE ${database.name} SET TimeZone = 'Asia/Tokyo'`);
    expect(await read()).toEqual(before);
  });

  it("tell a tenant's rows from all others, also of tables without the tenant's column", async () => {
    const [only, except] = await Promise.all([read({ only: ONE }), read({ except: ONE })]);
    expect(rowsOf(only)).toEqual({ 'shop.lines': 2, 'shop.notes': 0, 'shop.orders': 1 });
    expect(rowsOf(except)).toEqual({ 'shop.lines': 2, 'shop.notes': 1, 'shop.orders': 2 });
    expect(totalRows(only) + totalRows(except)).toBe(totalRows(await read()));
  });
});
