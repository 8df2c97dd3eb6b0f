/** The reference services stand for what real schemas look like: every shape that the engine is right on is there. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { declarations } from '../../../services/registry.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

let database: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterAll(async () => {
  await client?.end();
  await database?.drop();
});

const schemas = declarations.flatMap((one) => one.schemas);

async function found(text: string): Promise<string[]> {
  const { rows } = await client.query<{ value: string }>(text, [schemas]);
  return rows.map(({ value }) => value);
}

const OF_SERVICES = `c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> '_prisma_migrations'
  AND c.relnamespace::regnamespace::text = ANY ($1)`;

const columns = (condition: string) => `
  SELECT c.oid::regclass || '.' || a.attname AS value
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
   WHERE ${OF_SERVICES} AND a.attnum > 0 AND NOT a.attisdropped AND ${condition} ORDER BY 1`;

const keys = (condition: string) => `
  SELECT c.oid::regclass || '.' || k.conname AS value FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
   WHERE ${OF_SERVICES} AND ${condition} ORDER BY 1`;

const NULLABLE = `EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey) AND NOT a.attnotnull)`;

const typed = (...names: string[]) =>
  columns(`t.typname IN (${names.map((name) => `'${name}'`).join(', ')})`);

describe('the twelve services have', () => {
  it.each([
    ['tables whose key is of several columns', keys(`k.contype = 'p' AND cardinality(k.conkey) > 1`)],
    ['keys that refer by several columns', keys(`k.contype = 'f' AND cardinality(k.conkey) > 1`)],
    ['trees', keys(`k.contype = 'f' AND k.conrelid = k.confrelid`)],
    ['keys that cascade', keys(`k.contype = 'f' AND k.confdeltype = 'c'`)],
    ['keys that set null', keys(`k.contype = 'f' AND k.confdeltype = 'n'`)],
    ['keys that restrict', keys(`k.contype = 'f' AND k.confdeltype = 'r'`)],
    ['nullable keys without an action', keys(`k.contype = 'f' AND k.confdeltype = 'a' AND ${NULLABLE}`)],
    ['generated columns', columns(`a.attgenerated <> ''`)],
    ['identities that take a value', columns(`a.attidentity = 'd'`)],
    ['identities that take none', columns(`a.attidentity = 'a'`)],
    ['names that have to be quoted', columns('quote_ident(a.attname) <> a.attname')],
    ['columns of an enum', columns(`t.typtype = 'e'`)],
    ['arrays of an enum', columns(`(SELECT e.typtype FROM pg_type e WHERE e.oid = t.typelem) = 'e'`)],
    ['arrays', columns(`t.typcategory = 'A'`)],
    ['ranges', columns(`t.typtype = 'r'`)],
    ['jsonb', typed('jsonb')],
    ['bytea', typed('bytea')],
    ['inet', typed('inet')],
    ['intervals', typed('interval')],
    ['dates', typed('date')],
    ['times', typed('time')],
    ['times with a time zone', typed('timestamptz')],
    ['exact and inexact numbers', typed('numeric', 'float4', 'float8')],
  ])('%s', async (_shape, query) => {
    expect((await found(query)).length).toBeGreaterThan(1);
  });

  it('two tables with a partition a month, more than a year of them, and one for the rest', async () => {
    const { rows } = await client.query(
      `SELECT c.oid::regclass::text AS root, count(*)::int AS leaves,
              count(*) FILTER (WHERE pg_get_expr(l.relpartbound, l.oid) = 'DEFAULT')::int AS for_the_rest
         FROM pg_class c JOIN pg_inherits i ON i.inhparent = c.oid JOIN pg_class l ON l.oid = i.inhrelid
        WHERE c.relkind = 'p' AND c.relnamespace::regnamespace::text = ANY ($1) GROUP BY c.oid ORDER BY 1`,
      [schemas],
    );
    expect(rows).toEqual([
      { root: 'pos.pos_transactions', leaves: 17, for_the_rest: 1 },
      { root: 'sales.sales_records', leaves: 17, for_the_rest: 1 },
    ]);
  });

  it('no key from one service to another', async () => {
    expect(
      await found(
        keys(
          `k.contype = 'f' AND k.confrelid NOT IN (SELECT oid FROM pg_class WHERE relnamespace = c.relnamespace)`,
        ),
      ),
    ).toEqual([]);
  });

  it('an index for every tenant column and every referencing key', async () => {
    const unindexed = (columnsOf: string) => `NOT EXISTS (
      SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indpred IS NULL
         AND (i.indkey::int2[])[0:cardinality(${columnsOf}) - 1] @> ${columnsOf})`;
    expect(await found(columns(`a.attname = 'tenant_id' AND ${unindexed('ARRAY[a.attnum]')}`))).toEqual([]);
    expect(await found(keys(`k.contype = 'f' AND ${unindexed('k.conkey')}`))).toEqual([]);
  });

  it('no trigger but the fence', async () => {
    expect(
      await found(
        `SELECT t.tgname AS value FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
          WHERE ${OF_SERVICES} AND NOT t.tgisinternal AND t.tgname NOT LIKE 'lethe\\_fence\\_%'`,
      ),
    ).toEqual([]);
  });
});
