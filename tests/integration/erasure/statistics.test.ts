import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Declaration } from '../../../erasure/declaration.js';
import type { Engine } from '../../../erasure/engine-types.js';
import {
  archivesLeft,
  checksums,
  createErasureDatabase,
  type ErasureDatabase,
  type Job,
  newJob,
  reach,
  untilBlocked,
} from '../../support/erasure.js';

const TENANT = '5a000000-0000-4000-8000-000000000001';
/** Of the neighbour, in each table. */
const ROWS = 12_000;
const NEIGHBOUR = '5b000000-0000-4000-8000-000000000002';
/** Has to be quoted in a list of values, and is the first of all in order. */
const SECRET = `!o'neil, "b\\ob" {x}@example.org`;

// Statistics of the tenant's column would be a reason of their own: tables have none of it, but where it is tried.
const table = (name: string, more = '', end = '') => `
  CREATE TABLE big.${name} (id int NOT NULL, tenant_id uuid NOT NULL, email text, status text NOT NULL DEFAULT 'open' ${more}) ${end};
  ALTER TABLE big.${name} ALTER tenant_id SET STATISTICS 0, ALTER id SET STATISTICS 0; CREATE INDEX ON big.${name} (tenant_id);`;
const rows = (name: string) => `
  INSERT INTO big.${name} (id, tenant_id, email, status)
    SELECT n, '${NEIGHBOUR}', 'user' || n || '@example.org', (ARRAY['open', 'closed'])[1 + n % 2] FROM generate_series(1, ${ROWS}) n;`;

const PLAIN = ['people', 'indexed', 'counted', 'computed', 'known', 'bequeathed'];
const SCHEMA = `CREATE SCHEMA big; CREATE DOMAIN big.address AS inet;
  ${PLAIN.map((name) => table(name)).join('')}
  ALTER TABLE big.known ALTER tenant_id SET STATISTICS -1;
  CREATE INDEX ON big.indexed (lower(email));
  CREATE STATISTICS big.both (mcv) ON email, status FROM big.counted;
  ALTER TABLE big.computed ADD domain text GENERATED ALWAYS AS (split_part(email, '@', 2)) STORED;
  ${table('typed', ', tags text[], span int4range, address big.address, code char(9)')}
  ${table('heirs', '', 'INHERITS (big.bequeathed)')}
  ${table('parted', '', 'PARTITION BY RANGE (id)')}
  CREATE TABLE big.parted_1 PARTITION OF big.parted FOR VALUES FROM (0) TO (9000);
  CREATE TABLE big.parted_2 PARTITION OF big.parted FOR VALUES FROM (9000) TO (1000000);
  ${[...PLAIN, 'typed', 'heirs', 'parted'].map(rows).join('')}
  ${[...PLAIN, 'typed', 'heirs', 'parted_1', 'parted_2'].map((name) => `ALTER TABLE big.${name} SET (autovacuum_enabled = off);`).join('')}`;

const declaration: Declaration = {
  name: 'big',
  schemas: ['big'],
  letheSchema: 'lethe_big',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'trigger',
  tables: Object.fromEntries(
    [...PLAIN, 'typed', 'heirs', 'parted'].map((name) => [`big.${name}`, { action: 'delete' as const }]),
  ),
};

let db: ErasureDatabase;
let engine: Engine;
let job: Job;
let before: Record<string, string>;

beforeAll(async () => {
  db = await createErasureDatabase({ declaration, schema: SCHEMA });
  engine = db.engine();
  await db.admin.query('ANALYZE');
  before = await checksums(db.admin, declaration);
});
beforeEach(() => {
  job = newJob(TENANT);
});
afterEach(async () => {
  await db.admin.query('DELETE FROM lethe_big.tenant_tombstones');
  expect(await checksums(db.admin, declaration)).toEqual(before);
  expect(await archivesLeft(db)).toEqual([]);
});
afterAll(() => db?.drop());

/** Rows of the tenant; what is not given is as with everybody. */
const add = (name: string, values: Readonly<Record<string, unknown>> = {}, count = 3) =>
  db.admin.query(
    `INSERT INTO big.${name} (${['id', 'tenant_id', ...Object.keys(values)].join(', ')})
     SELECT ${[`${ROWS} + n`, `'${TENANT}'`, ...Object.keys(values).map((_, place) => `$${place + 1}`)].join(', ')}
       FROM generate_series(1, ${count}) n`,
    Object.values(values),
  );

/** Versions of what PostgreSQL keeps about the tables: others after an ANALYZE. */
async function statistics(...names: string[]): Promise<string[]> {
  const found = await db.admin.query<{ version: string }>(
    `SELECT DISTINCT s.xmin::text AS version FROM pg_statistic s
      WHERE s.starelid = ANY ($1::regclass[]) ORDER BY 1`,
    [names.map((name) => `big.${name}`)],
  );
  return found.rows.map(({ version }) => version);
}

/** Tables whose statistics hold the text. */
async function holding(text: string): Promise<string[]> {
  const values = ['most_common_vals', 'histogram_bounds', 'most_common_elems'].map(
    (column) => `COALESCE(${column}::text, '{}')::text[]`,
  );
  const found = await db.admin.query<{ name: string }>(
    `SELECT DISTINCT tablename::text AS name FROM pg_stats
      WHERE schemaname = 'big' AND $1 = ANY (${values.join(' || ')}) ORDER BY 1`,
    [text],
  );
  return found.rows.map(({ name }) => name);
}

async function erase(): Promise<void> {
  await reach(engine, job, 'staged');
  await reach(engine, job, 'purged');
}

describe('a purge of few rows in large tables', () => {
  it('leaves statistics alone that hold nothing but what others have as well', async () => {
    await add('people', { email: SECRET });
    await add('parted', { email: SECRET });
    await add('known', { email: SECRET });
    await add('typed', { email: SECRET });
    expect(await holding('open')).toEqual(expect.arrayContaining(['people', 'parted', 'parted_2', 'known']));
    const tables = ['people', 'parted', 'parted_1', 'parted_2', 'known', 'typed'];
    const asTheyWere = await statistics(...tables);
    await erase();
    expect(await statistics(...tables)).toEqual(asTheyWere);
    expect(await holding(SECRET)).toEqual([]);
  });

  it.each([
    ['the least value of a histogram', 1],
    ['a most common value', 500],
  ])('makes statistics anew that hold a value of theirs as %s', async (_, count) => {
    await add('people', { email: SECRET }, count);
    await add('known', { email: 'user1@example.org' }, count);
    await db.admin.query('ANALYZE big.people');
    expect(await holding(SECRET)).toEqual(['people']);
    const untouched = await statistics('known');
    await erase();
    expect(await holding(SECRET)).toEqual([]);
    expect(await statistics('known')).toEqual(untouched);
  });

  it('does so where the tenant itself is such a value', async () => {
    await add('known');
    await db.admin.query('ANALYZE big.known');
    expect(await holding(TENANT)).toEqual(['known']);
    await erase();
    expect(await holding(TENANT)).toEqual([]);
  });

  it.each([
    ['an element of an array', { tags: ['!first', 'second'] }, '!first'],
    ['a padded value', { code: '!ab' }, '!ab      '],
    ['a value whose type casts to another text than it shows', { address: '0.0.0.1' }, '0.0.0.1'],
  ])('does so for %s', async (_, values, shown) => {
    await add('typed', values);
    await db.admin.query('ANALYZE big.typed');
    expect(await holding(shown)).toEqual(['typed']);
    await erase();
    expect(await holding(shown)).toEqual([]);
  });

  it('does so for statistics of a whole tree of partitions, which its leaves do not have', async () => {
    await add('parted', { email: SECRET });
    await db.admin.query(`ANALYZE big.parted;
      DELETE FROM pg_statistic WHERE starelid IN ('big.parted_1'::regclass, 'big.parted_2'::regclass)`);
    expect(await holding(SECRET)).toEqual(['parted']);
    await erase();
    expect(await holding(SECRET)).toEqual([]);
  });

  it('does so for statistics of a single partition', async () => {
    await add('parted', { email: SECRET });
    await db.admin.query('ANALYZE big.parted_2');
    expect(await holding(SECRET)).toEqual(['parted_2']);
    await erase();
    expect(await holding(SECRET)).toEqual([]);
  });

  it('does so for a table that it inherits from, which lost nothing', async () => {
    await add('heirs', { email: SECRET });
    await db.admin.query(
      `ANALYZE big.bequeathed; DELETE FROM pg_statistic WHERE starelid = 'big.heirs'::regclass`,
    );
    expect(await holding(SECRET)).toEqual(['bequeathed']);
    await erase();
    expect(await holding(SECRET)).toEqual([]);
  });

  it.each([
    ['expressions of an index', 'indexed', { email: SECRET }],
    ['several columns together', 'counted', { email: SECRET }],
    ['a generated column', 'computed', { email: SECRET }],
    ['ranges', 'typed', { span: '[1,7)' }],
  ])('makes those of %s anew, whose values cannot be compared', async (_, name, values) => {
    await add(name, values);
    await db.admin.query(`ANALYZE big.${name}`);
    const [version] = await statistics(name);
    await erase();
    expect(await statistics(name)).not.toContain(version);
  });

  it.each([
    [
      'hides from the role by row security',
      'ALTER TABLE big.parted_2 % ROW LEVEL SECURITY',
      'ENABLE',
      'DISABLE',
    ],
    ['does not show to the role', '% SELECT ON big.parted_2 %% ROLE', 'REVOKE', 'GRANT'],
  ])('makes those anew of a tree whose partition PostgreSQL %s', async (_, statement, on, off) => {
    const sql = (verb: string) =>
      statement
        .replace('%%', verb === 'REVOKE' ? 'FROM' : 'TO')
        .replace('%', verb)
        .replace('ROLE', db.role);
    await add('parted', { email: SECRET });
    await db.admin.query('ANALYZE big.parted_2');
    await db.admin.query(sql(on));
    await erase();
    await db.admin.query(sql(off));
    expect(await holding(SECRET)).toEqual([]);
  });

  it('makes all anew where the role may not read what would be compared', async () => {
    await add('people', { email: SECRET });
    await add('known');
    await db.admin.query('ANALYZE big.people; REVOKE SELECT ON pg_stats FROM PUBLIC');
    const untouched = await statistics('known');
    await erase();
    await db.admin.query('GRANT SELECT ON pg_stats TO PUBLIC');
    expect(await holding(SECRET)).toEqual([]);
    expect(await statistics('known')).not.toEqual(untouched);
  });

  it('finds what a row leaves there that comes late and has no archive', async () => {
    await add('people');
    await reach(engine, job, 'staged');
    await db.admin.query('SET session_replication_role = replica');
    await add('people', { email: SECRET });
    await db.admin.query('SET session_replication_role = origin; ANALYZE big.people');
    expect(await holding(SECRET)).toEqual(['people']);
    await reach(engine, job, 'purged');
    expect(await holding(SECRET)).toEqual([]);
  });

  it('does not overlook an ANALYZE that read the rows while they were there, and has not committed', async () => {
    await add('people', { email: SECRET });
    const [blocker, analyst] = [await db.connect(), await db.connect()] as [pg.Client, pg.Client];
    // Later than the transactions that are waited for, and before the rows are moved.
    await blocker.query('BEGIN; LOCK TABLE big.heirs IN SHARE MODE');
    const staged = reach(engine, job, 'staged');
    await untilBlocked(db, job);
    await analyst.query('BEGIN; ANALYZE big.people');
    await blocker.query('COMMIT');
    await staged;
    const purged = reach(engine, job, 'purged');
    await Promise.race([untilBlocked(db, job), purged]);
    await analyst.query('COMMIT');
    expect(await holding(SECRET)).toEqual(['people']);
    await purged;
    expect(await holding(SECRET)).toEqual([]);
    await blocker.end();
    await analyst.end();
  });

  it('makes several anew in one transaction, and a view in one of its own', async () => {
    await db.admin.query(`CREATE MATERIALIZED VIEW big.open AS SELECT email FROM big.people;
      CREATE MATERIALIZED VIEW big.closed AS SELECT email FROM big.people; ANALYZE big.open, big.closed`);
    await add('people', { email: SECRET });
    await add('counted', { email: SECRET });
    await add('indexed', { email: SECRET });
    await db.admin.query('ANALYZE big.people');
    await erase();
    const versions = await statistics('people', 'counted', 'indexed');
    const [open, closed] = [await statistics('open'), await statistics('closed')];
    await db.admin.query('DROP MATERIALIZED VIEW big.open, big.closed');
    expect(await holding(SECRET)).toEqual([]);
    expect(versions).toHaveLength(1);
    expect(new Set([...versions, ...open, ...closed]).size).toBe(3);
  });
});
