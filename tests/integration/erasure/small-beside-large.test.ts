/** A tenant of few rows in tables that are another one's almost alone. */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Declaration } from '../../../erasure/declaration.js';
import {
  checksums,
  createErasureDatabase,
  type ErasureDatabase,
  newJob,
  reach,
  untilSessionsEnd,
} from '../../support/erasure.js';

const SMALL = '5a000000-0000-4000-8000-000000000001';
const LARGE = '5b000000-0000-4000-8000-000000000002';

const menus: Declaration = {
  name: 'menus',
  schemas: ['menus'],
  letheSchema: 'lethe_menus',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'none',
  tables: Object.fromEntries(
    ['orders', 'items', 'options'].map((name) => [`menus.${name}`, { action: 'delete' }]),
  ),
};

const ORDERS = { small: 100, large: 10_000 };

const rowsOf = (tenant: string, orders: number, first: number) => `
INSERT INTO menus.orders SELECT ${first} + n, '${tenant}', repeat('x', 100) FROM generate_series(1, ${orders}) n;
INSERT INTO menus.items SELECT ${first} + n, ${first} + 1 + n % ${orders}, repeat('x', 100) FROM generate_series(1, ${3 * orders}) n;
INSERT INTO menus.options SELECT ${first} + n, ${first} + 1 + n % ${3 * orders} FROM generate_series(1, ${3 * orders}) n;`;
// The small tenant came last, so that its rows lie behind all others.
const SQL = `
CREATE SCHEMA menus;
CREATE TABLE menus.orders (id int PRIMARY KEY, tenant_id uuid NOT NULL, said text);
CREATE INDEX ON menus.orders (tenant_id);
CREATE TABLE menus.items (id int PRIMARY KEY, order_id int NOT NULL REFERENCES menus.orders, said text);
CREATE INDEX ON menus.items (order_id);
CREATE TABLE menus.options (id int PRIMARY KEY, item_id int NOT NULL REFERENCES menus.items);
CREATE INDEX ON menus.options (item_id);
${rowsOf(LARGE, ORDERS.large, 0)}
${rowsOf(SMALL, ORDERS.small, 1_000_000)}
ANALYZE`;

let db: ErasureDatabase;
beforeAll(async () => {
  db = await createErasureDatabase({ declaration: menus, schema: SQL, fast: true });
});
afterAll(() => db?.drop());

/** How often an order was looked up by its key, which the rows of every tenant lead to. */
async function lookups(client: pg.ClientBase, scope: '' | 'xact_'): Promise<number> {
  const { rows } = await client.query<{ scans: number }>(
    `SELECT pg_stat_get_${scope}numscans('menus.orders_pkey'::regclass)::float8 AS scans`,
  );
  return rows[0]?.scans ?? 0;
}

describe('rows of a small tenant', () => {
  it('are sought among those of the large one, where a plain EXISTS asks for them', async () => {
    const client = await db.connect();
    await client.query('BEGIN');
    const { rows } = await client.query<{ found: boolean }>(
      `SELECT EXISTS (SELECT FROM menus.options WHERE item_id IN (
         SELECT id FROM menus.items WHERE order_id IN (SELECT id FROM menus.orders WHERE tenant_id = '${SMALL}'))) AS found`,
    );
    expect(rows).toEqual([{ found: true }]);
    const asked = await lookups(client, 'xact_');
    await client.query('ROLLBACK');
    await client.end();
    expect(asked).toBeGreaterThanOrEqual(ORDERS.large);
  });

  it('go, and come back, without that', async () => {
    const before = await checksums(db.admin, menus);
    const first = await lookups(db.admin, '');
    const engine = db.engine();
    const job = newJob(SMALL);
    expect((await reach(engine, job, 'staged')).rowsDone).toBe(7 * ORDERS.small);
    await reach(engine, job, 'restored');
    await engine.close();
    await untilSessionsEnd(db);
    expect((await lookups(db.admin, '')) - first).toBeLessThan(ORDERS.large / 5);
    expect(await checksums(db.admin, menus)).toEqual(before);
  });
});
