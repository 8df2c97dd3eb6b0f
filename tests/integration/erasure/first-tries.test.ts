import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Declaration } from '../../../erasure/declaration.js';
import type { EngineLimits, Target } from '../../../erasure/engine-types.js';
import {
  archivesLeft,
  checksum,
  checksums,
  countRows,
  createErasureDatabase,
  type ErasureDatabase,
  type Job,
  newJob,
  reach,
  untilSessionsEnd,
} from '../../support/erasure.js';

const TENANT = '4a000000-0000-4000-8000-000000000001';
const NEIGHBOUR = '4b000000-0000-4000-8000-000000000002';

const tries: Declaration = {
  name: 'tries',
  schemas: ['tries'],
  letheSchema: 'lethe_tries',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'none',
  tables: {
    'tries.visits': { action: 'delete' },
    'tries.logs': { action: 'delete' },
  },
};

const VISITS = 200;
/** Rows of the tenant's that fill a block each. */
const LOGS = 80;
const TOTAL = VISITS + LOGS;

const SQL = `
CREATE SCHEMA tries;
-- Each tenant in a partition of its own, and a tree in each.
CREATE TABLE tries.visits (id int NOT NULL, tenant_id uuid NOT NULL, month int NOT NULL, before int,
  PRIMARY KEY (id, month), FOREIGN KEY (before, month) REFERENCES tries.visits) PARTITION BY LIST (month);
CREATE TABLE tries.visits_1 PARTITION OF tries.visits FOR VALUES IN (1);
CREATE TABLE tries.visits_2 PARTITION OF tries.visits FOR VALUES IN (2);
CREATE TABLE tries.logs (id int PRIMARY KEY, tenant_id uuid NOT NULL, said text STORAGE PLAIN);
-- Many rows that refer to none, and no index to know it by.
CREATE TABLE tries.marks (id int PRIMARY KEY, log int REFERENCES tries.logs ON DELETE SET NULL);
INSERT INTO tries.marks SELECT n, NULL FROM generate_series(1, 5000) n;`;

/** Of both tenants in one transaction, as a bulk load does it. */
const ROWS = `BEGIN;
INSERT INTO tries.visits SELECT n, '${TENANT}', 1, CASE WHEN n > 3 THEN n / 2 END FROM generate_series(1, ${VISITS}) n;
INSERT INTO tries.visits SELECT n, '${NEIGHBOUR}', 2, CASE WHEN n > 3 THEN n / 2 END FROM generate_series(1, ${VISITS}) n;
INSERT INTO tries.logs SELECT n, '${TENANT}', repeat('y', 7000) FROM generate_series(1, ${LOGS}) n;
INSERT INTO tries.logs SELECT 100000 + n, '${NEIGHBOUR}', 'short' FROM generate_series(1, 50) n;
COMMIT`;

/** Of a block each. */
const CHUNKS: Partial<EngineLimits> = { singleTransactionRows: 0, chunkMs: 1 };

let db: ErasureDatabase;
let before: Record<string, string>;

beforeAll(async () => {
  db = await createErasureDatabase({ declaration: tries, schema: SQL, fast: true });
  await db.admin.query(ROWS);
  await db.admin.query('ANALYZE');
});
beforeEach(async () => {
  await db.admin.query('VACUUM');
  before = await checksums(db.admin, tries);
});
afterAll(() => db?.drop());

/** What it does is rolled back. */
async function tried<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await db.connect();
  await client.query('BEGIN');
  try {
    return await work(client);
  } finally {
    await client.query('ROLLBACK');
    await client.end();
  }
}

/** Every session has ended after it: what they did is then known for certain. */
async function reached(limits: Partial<EngineLimits>, job: Job, target: Target): Promise<void> {
  const engine = db.engine(limits);
  expect((await reach(engine, job, target)).rowsDone).toBe(TOTAL);
  await engine.close();
  await untilSessionsEnd(db);
}

async function neighbours(): Promise<string[]> {
  const of = (table: string) =>
    checksum(db.admin, `(SELECT * FROM tries.${table} WHERE tenant_id = '${NEIGHBOUR}')`);
  return [await of('visits'), await of('logs')];
}

describe('rows that are known by their place and by who wrote them', () => {
  it('are also other tenants’, in another partition', async () => {
    const others = await tried(async (client) => {
      await client.query(
        `CREATE TEMP TABLE taken AS SELECT ctid AS place, xmin AS by FROM tries.visits WHERE tenant_id = '${TENANT}'`,
      );
      await client.query(
        'DELETE FROM tries.visits v USING taken WHERE v.ctid = taken.place AND v.xmin = taken.by',
      );
      return VISITS - (await countRows(client, `tries.visits WHERE tenant_id = '${NEIGHBOUR}'`));
    });
    expect(others).toBe(VISITS);
  });

  it.each<[string, Partial<EngineLimits>]>([
    ['in one transaction', {}],
    ['in chunks', CHUNKS],
  ])('and stay where they are when the tenant goes %s', async (_, limits) => {
    const theirs = await neighbours();
    const job = newJob(TENANT);
    await reached(limits, job, 'staged');
    expect(await countRows(db.admin, `tries.visits WHERE tenant_id = '${TENANT}'`)).toBe(0);
    expect(await neighbours()).toEqual(theirs);
    await reached(limits, job, 'restored');
    expect(await checksums(db.admin, tries)).toEqual(before);
    expect(await archivesLeft(db)).toEqual([]);
  });
});

/** What PostgreSQL counts of a stage. */
async function countedOfStage(limits: Partial<EngineLimits>, counter: string): Promise<number> {
  const read = async () => {
    const { rows } = await db.admin.query<{ count: number }>(`SELECT ${counter}::float8 AS count`);
    return rows[0]?.count ?? 0;
  };
  const job = newJob(TENANT);
  const first = await read();
  await reached(limits, job, 'staged');
  const last = await read();
  await reached({}, job, 'restored');
  expect(await checksums(db.admin, tries)).toEqual(before);
  return last - first;
}

describe('rows that go in chunks', () => {
  it('are not looked for by each chunk among what the chunks before it have left dead', async () => {
    const read = await countedOfStage(CHUNKS, `pg_stat_get_blocks_fetched('tries.logs'::regclass)`);
    expect(read).toBeGreaterThan(LOGS);
    // To read all that is dead for each block would be half the square of them.
    expect(read).toBeLessThan(20 * LOGS);
  });
});

describe('a large table that refers to what goes, without an index', () => {
  it('is read for every single row, where a trigger asks for each', async () => {
    const read = await tried(async (client) => {
      await client.query(`DELETE FROM tries.logs WHERE tenant_id = '${TENANT}'`);
      const { rows } = await client.query<{ scans: number }>(
        `SELECT pg_stat_get_xact_numscans('tries.marks'::regclass)::float8 AS scans`,
      );
      return rows[0]?.scans;
    });
    expect(read).toBe(LOGS);
  });

  it.each<[string, Partial<EngineLimits>]>([
    ['in one transaction', {}],
    ['in chunks', { singleTransactionRows: 0, chunkMs: 100 }],
  ])('is read a few times in all, when the tenant goes %s', async (_, limits) => {
    const read = await countedOfStage(limits, `pg_stat_get_numscans('tries.marks'::regclass)`);
    expect(read).toBeLessThan(LOGS / 2);
  });
});
