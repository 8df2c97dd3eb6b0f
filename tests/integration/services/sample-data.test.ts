import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Checksums, readChecksums, totalRows } from '../../../local/checksums.js';
import { readOwnedTables, serviceSchemas } from '../../../local/row-owners.js';
import { FEWEST_ROWS, type SeededTenant, seedTenants } from '../../../services/sample-data/load.js';
import { samples } from '../../../services/sample-data/samples.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

const ROWS = 12_000;
/** What no tenant owns, and no deletion may touch. */
const NOBODYS = ['external.cities', 'external.city_holidays', 'external.city_weather', 'tenant.users'];

let database: TestDatabase;
let client: pg.Client;
let tenants: SeededTenant[];
let first: SeededTenant;
let second: SeededTenant;
let all: Checksums;
let firstRows: Checksums;

function seed(url: string, name: string, rowsPerTenant = ROWS): Promise<SeededTenant[]> {
  return seedTenants({ databaseUrl: url, tenants: 2, rowsPerTenant, seed: name });
}

beforeAll(async () => {
  database = await createTestDatabase({ template: 'platform' });
  tenants = await seed(database.url, 'bakeries');
  const [one, other] = tenants;
  if (!one || !other) throw new Error('Two tenants were asked for.');
  first = one;
  second = other;
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  all = await readChecksums({ databaseUrl: database.url });
  firstRows = await readChecksums({ databaseUrl: database.url, only: first.tenantId });
});
afterAll(async () => {
  await client?.end();
  await database?.drop();
});

async function numbers(text: string, values: unknown[] = []): Promise<Record<string, number>> {
  const { rows } = await client.query<Record<string, string>>(text, values);
  return Object.fromEntries(Object.entries(rows[0] ?? {}).map(([name, value]) => [name, Number(value)]));
}

describe('sample data', () => {
  it('fills every table of every service for each tenant', async () => {
    const tables = Object.keys(all).filter((name) => !NOBODYS.includes(name));
    expect(tables.length).toBeGreaterThanOrEqual(60);
    for (const { tenantId } of tenants) {
      const rows = await readChecksums({ databaseUrl: database.url, only: tenantId });
      expect(tables.filter((name) => rows[name]?.rows === 0)).toEqual([]);
    }
  });

  it('tells the exact number of rows, by table and in all', async () => {
    for (const tenant of tenants) {
      const found = await readChecksums({ databaseUrl: database.url, only: tenant.tenantId });
      const counted = Object.fromEntries(
        Object.entries(found)
          .filter(([, { rows }]) => rows > 0)
          .map(([name, { rows }]) => [name.replaceAll('"', ''), rows]),
      );
      expect(counted).toEqual(tenant.rowsOf);
      expect(tenant.rows).toBe(totalRows(found));
      expect(tenant.rows).toBe(ROWS);
    }
  });

  it('counts neither users nor shared rows, and makes the shared ones once', async () => {
    const of = (name: string) => all[name]?.rows ?? 0;
    const templates = await numbers(
      'SELECT count(*) AS shared FROM notification.notification_templates WHERE tenant_id IS NULL',
    );
    const nobodys = NOBODYS.reduce((sum, name) => sum + of(name), 0) + (templates.shared ?? 0);
    expect(totalRows(all)).toBe(2 * ROWS + nobodys);
    expect(NOBODYS.map(of).every((rows) => rows > 0)).toBe(true);
  });

  it('gives a tenant one owner, an admin and members', async () => {
    const { rows } = await client.query(
      `SELECT role::text, count(*)::int AS members, bool_or(user_id = $2) AS named FROM tenant.tenant_members
       WHERE tenant_id = $1 GROUP BY tenant_members.role ORDER BY tenant_members.role`,
      [first.tenantId, first.ownerUserId],
    );
    expect(rows).toEqual([
      { role: 'owner', members: 1, named: true },
      { role: 'admin', members: expect.any(Number), named: false },
      { role: 'member', members: expect.any(Number), named: false },
    ]);
  });

  it('lets no row of a tenant refer to a row of another', async () => {
    const tables = await readOwnedTables(client);
    const { rows: keys } = await client.query<{
      child: number;
      parent: number;
      joined: string;
      name: string;
    }>(
      `SELECT k.conrelid::int AS child, k.confrelid::int AS parent, k.conname AS name,
         (SELECT string_agg(format('p.%I = c.%I', theirs.attname, mine.attname), ' AND ')
          FROM unnest(k.conkey, k.confkey) AS pair(own, other)
          JOIN pg_attribute mine ON mine.attrelid = k.conrelid AND mine.attnum = pair.own
          JOIN pg_attribute theirs ON theirs.attrelid = k.confrelid AND theirs.attnum = pair.other) AS joined
       FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0`,
    );
    let checked = 0;
    for (const { child, parent, joined, name } of keys) {
      const one = tables.find(({ oid }) => oid === child);
      const other = tables.find(({ oid }) => oid === parent);
      const mine = one?.condition('c', '$1');
      const theirs = other?.condition('p', '$2');
      if (!mine || !theirs) continue;
      const text = `SELECT count(*) AS rows FROM ${one?.name} AS c JOIN ${other?.name} AS p ON ${joined} WHERE (${mine}) AND (${theirs})`;
      expect(await numbers(text, [first.tenantId, second.tenantId]), name).toEqual({ rows: 0 });
      checked += 1;
    }
    expect(checked).toBeGreaterThan(50);
  });

  it('names products of other services by the ids of the same tenant', async () => {
    const lost = await numbers(
      `SELECT count(*) AS rows FROM sales.sales_records AS r
       LEFT JOIN inventory.products AS p ON p.id = r.product_id AND p.tenant_id = r.tenant_id
       WHERE p.name IS DISTINCT FROM r.product_name`,
    );
    expect(lost).toEqual({ rows: 0 });
  });

  it('leaves each nullable reference out sometimes, and sets it sometimes', async () => {
    const { rows: columns } = await client.query<{ name: string; column: string }>(
      `SELECT DISTINCT k.conrelid::regclass::text AS name, a.attname AS column
       FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
       JOIN pg_namespace n ON n.oid = k.connamespace
       WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT a.attnotnull AND n.nspname = ANY ($1)`,
      [serviceSchemas()],
    );
    expect(columns.map(({ name, column }) => `${name}.${column}`)).toContain(
      'orders.orders.latest_status_id',
    );
    for (const { name, column } of columns) {
      const found = await numbers(
        `SELECT count(x) AS set, count(*) - count(x) AS left FROM (SELECT ${pg.escapeIdentifier(column)} AS x FROM ${name}) AS rows`,
      );
      expect(Math.min(found.set ?? 0, found.left ?? 0), `${name}.${column}`).toBeGreaterThan(0);
    }
  });

  it('spreads sales over the months, and leaves some to the default partition', async () => {
    for (const table of ['sales.sales_records', 'pos.pos_transactions']) {
      const { rows } = await client.query<{ leaf: string; rows: number }>(
        `SELECT tableoid::regclass::text AS leaf, count(*)::int AS rows FROM ${table} WHERE tenant_id = $1 GROUP BY 1`,
        [first.tenantId],
      );
      const leaves = rows.map(({ leaf }) => leaf);
      expect(leaves.filter((leaf) => /_20\d\d_\d\d$/.test(leaf)).length).toBeGreaterThanOrEqual(12);
      expect(leaves).toContain(`${table}_default`);
    }
  });

  it('makes the same rows of the same seed, ids included', async () => {
    const other = await createTestDatabase({ template: 'platform' });
    try {
      expect(await seed(other.url, 'bakeries')).toEqual(tenants);
      expect(await readChecksums({ databaseUrl: other.url })).toEqual(all);
    } finally {
      await other.drop();
    }
  });

  it('adds other tenants without a seed, and touches no row that is there', async () => {
    const [added] = await seedTenants({ databaseUrl: database.url, tenants: 1, rowsPerTenant: 1 });
    if (!added) throw new Error('A tenant was asked for.');
    expect(tenants.map(({ tenantId }) => tenantId)).not.toContain(added.tenantId);
    expect(added.rows).toBe(FEWEST_ROWS);
    expect(Object.values(added.rowsOf).every((rows) => rows > 0)).toBe(true);
    expect(Object.keys(added.rowsOf)).toHaveLength(
      samples.flatMap(({ tables }) => tables).filter((table) => table.counted !== false).length,
    );
    expect(await readChecksums({ databaseUrl: database.url, only: first.tenantId })).toEqual(firstRows);
  });

  it('refuses a seed that is there already, and says what to do', async () => {
    await expect(seed(database.url, 'bakeries')).rejects.toThrow(/already.*Choose another seed/);
    expect(await readChecksums({ databaseUrl: database.url, only: first.tenantId })).toEqual(firstRows);
  });
});
