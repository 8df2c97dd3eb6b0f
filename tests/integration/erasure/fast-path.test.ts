import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readCatalog } from '../../../erasure/catalog/read.js';
import type { Declaration } from '../../../erasure/declaration.js';
import type { Engine } from '../../../erasure/engine-types.js';
import { makePlan } from '../../../erasure/plan/make-plan.js';
import { label } from '../../../erasure/quote.js';
import {
  ask,
  checksums,
  countRows,
  createErasureDatabase,
  type ErasureDatabase,
  type Job,
  newJob,
  reach,
  untilBlocked,
  untilSessionsEnd,
  untilWaiting,
} from '../../support/erasure.js';
import { NEIGHBOUR, SMALL_SQL, SMALL_TOTAL, smallRows, smallShop, TENANT } from './small-shop.js';

// A child without an index on what it refers by, and many rows of others.
const MORE_SQL = `
CREATE TABLE small.marks (id int PRIMARY KEY, invoice int, line int,
  FOREIGN KEY (invoice, line) REFERENCES small.lines ON DELETE SET NULL);
CREATE TABLE small.debts (id int PRIMARY KEY, tenant_id uuid NOT NULL, owed_by int NOT NULL REFERENCES small.accounts);
INSERT INTO small.marks SELECT n, NULL, NULL FROM generate_series(1, 500) n;
CREATE FUNCTION small.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'fired'; END $$;
`;

const shop: Declaration = {
  ...smallShop,
  tables: { ...smallShop.tables, 'small.debts': { action: 'delete' } },
};

let db: ErasureDatabase;
let engine: Engine;
let writer: pg.Client;
let another: pg.Client;
let before: Record<string, string>;

beforeAll(async () => {
  db = await createErasureDatabase({ declaration: shop, schema: SMALL_SQL + MORE_SQL, fast: true });
  engine = db.engine();
  writer = await db.connect();
  another = await db.connect();
  await db.admin.query(smallRows(NEIGHBOUR, 1000));
  await db.admin.query(smallRows(TENANT, 0));
  before = await checksums(db.admin, shop);
});
afterEach(async () => {
  await writer.query('ROLLBACK');
  await another.query('ROLLBACK');
});
afterAll(() => db?.drop());

/** By label of the unit's tables: null where triggers are off, else why not. */
async function obstacles(): Promise<Record<string, string | null>> {
  const client = await db.connect(db.role);
  const plan = makePlan(await readCatalog(client, shop), shop);
  const labels = new Map(plan.catalog.tables.map((table) => [table.oid, label(table)]));
  return Object.fromEntries(
    plan.units.flatMap(({ tableOids }, place) =>
      tableOids.map((oid) => [labels.get(oid) ?? '', plan.fastPath[place] ?? null]),
    ),
  );
}

async function ended(own: Engine, { jobId }: Job): Promise<void> {
  await own.close();
  await untilSessionsEnd(db, jobId);
}

async function stagedAndRestored(): Promise<void> {
  const job = newJob(TENANT);
  expect((await reach(engine, job, 'staged')).rowsDone).toBe(SMALL_TOTAL);
  await reach(engine, job, 'restored');
  expect(await checksums(db.admin, shop)).toEqual(before);
}

describe('a role that may turn triggers off', () => {
  it('has every table moved that way', async () => {
    expect(new Set(Object.values(await obstacles()))).toEqual(new Set([null]));
  });

  it('has no row of a table without an index looked at once for each row that goes', async () => {
    const scans = async () => {
      const { rows } = await db.admin.query<{ scans: string }>(
        `SELECT pg_stat_get_numscans('small.marks'::regclass) AS scans`,
      );
      return Number(rows[0]?.scans);
    };
    const job = newJob(TENANT);
    const first = await scans();
    const own = db.engine();
    await reach(own, job, 'staged');
    await ended(own, job);
    const seen = (await scans()) - first;
    await reach(engine, job, 'restored');
    expect(await checksums(db.admin, shop)).toEqual(before);
    // 24 lines go: a trigger for each would be as many scans on top of the questions that are asked anyway.
    expect(seen).toBeLessThan(24);
  });

  it('loses that right, and everything is as it was, with triggers on', async () => {
    await db.admin.query(`REVOKE SET ON PARAMETER session_replication_role FROM ${db.role}`);
    expect(await obstacles()).toMatchObject({
      'small.notes': expect.stringContaining('may not set session_replication_role'),
    });
    await stagedAndRestored();
    await db.admin.query(`GRANT SET ON PARAMETER session_replication_role TO ${db.role}`);
  });

  it.each(['REPLICA', 'ALWAYS'])(
    'keeps them on for a table with a trigger that is enabled %s',
    async (enabled) => {
      await db.admin.query(`
      CREATE TRIGGER loud BEFORE DELETE ON small.notes FOR EACH ROW EXECUTE FUNCTION small.refuse();
      ALTER TABLE small.notes ENABLE ${enabled} TRIGGER loud`);
      expect(await obstacles()).toMatchObject({
        'small.notes': expect.stringContaining('fires also where triggers are off'),
        'small.visits': null,
      });
      if (enabled === 'REPLICA') await stagedAndRestored();
      else
        await expect(ask(engine, newJob(TENANT), 'staged')).rejects.toMatchObject({ code: 'plan_refused' });
      await db.admin.query('DROP TRIGGER loud ON small.notes');
    },
  );
});

describe('with triggers off, a row that refers to one that goes', () => {
  it('and was committed while the DELETE waited is seen, and nothing is lost', async () => {
    const job = newJob(TENANT);
    await writer.query('BEGIN');
    await writer.query('SELECT FROM small.accounts WHERE id = 6 FOR KEY SHARE');
    const staging = ask(engine, job, 'staged');
    await untilBlocked(db, job);
    await writer.query('INSERT INTO small.staff VALUES (77, 6)');
    await writer.query('COMMIT');
    await staging;
    await reach(engine, job, 'staged');
    expect(await countRows(db.admin, 'small.staff WHERE id = 77 AND favourite IS NULL')).toBe(1);
    await reach(engine, job, 'restored');
    expect(await countRows(db.admin, 'small.staff WHERE id = 77 AND favourite = 6')).toBe(1);
    await db.admin.query('DELETE FROM small.staff WHERE id = 77');
    expect(await checksums(db.admin, shop)).toEqual(before);
  });

  it.each([
    ['no action', `INSERT INTO small.invoices VALUES (77, 6, 1)`, 'small.invoices WHERE id = 77'],
    ['cascade', `INSERT INTO small.lines VALUES (12, 77, 'late')`, 'small.lines WHERE line = 77'],
  ])('by a key with %s, and was committed while the DELETE waited, goes too', async (_, insert, found) => {
    const job = newJob(TENANT);
    const parent = insert.includes('invoices')
      ? 'small.accounts WHERE id = 6'
      : 'small.invoices WHERE id = 12';
    await writer.query('BEGIN');
    await writer.query(`SELECT FROM ${parent} FOR KEY SHARE`);
    const staging = ask(engine, job, 'staged');
    await untilBlocked(db, job);
    await writer.query(insert);
    await writer.query('COMMIT');
    await staging;
    expect((await reach(engine, job, 'staged')).rowsDone).toBe(SMALL_TOTAL + 1);
    await reach(engine, job, 'restored');
    expect(await countRows(db.admin, found)).toBe(1);
    await db.admin.query(`DELETE FROM ${found}`);
    expect(await checksums(db.admin, shop)).toEqual(before);
  });

  it('and comes after the DELETE waits for it, and is refused by its key', async () => {
    const job = newJob(TENANT);
    await writer.query('BEGIN');
    await writer.query('SELECT FROM small.accounts WHERE id = 6 FOR KEY SHARE');
    const staging = ask(engine, job, 'staged');
    await untilBlocked(db, job);
    // The rows before the sixth are deleted already, and not committed.
    const late = another.query('INSERT INTO small.staff VALUES (78, 1)').then(
      () => 'written',
      (error: { code: string }) => error.code,
    );
    await untilWaiting(db, another);
    await writer.query('COMMIT');
    await staging;
    expect(await late).toBe('23503');
    expect((await reach(engine, job, 'staged')).rowsDone).toBe(SMALL_TOTAL);
    await reach(engine, job, 'restored');
    expect(await checksums(db.admin, shop)).toEqual(before);
  });

  it.each(['COMMIT', 'ROLLBACK'])(
    'and is deleted by somebody else meanwhile (%s) is archived once, or not at all',
    async (end) => {
      const job = newJob(TENANT);
      await writer.query('BEGIN');
      await writer.query('DELETE FROM small.lines WHERE invoice_id = 3');
      const staging = ask(engine, job, 'staged');
      await untilBlocked(db, job);
      await writer.query(end);
      await staging;
      expect((await reach(engine, job, 'staged')).rowsDone).toBe(
        end === 'COMMIT' ? SMALL_TOTAL - 2 : SMALL_TOTAL,
      );
      await reach(engine, job, 'restored');
      if (end === 'COMMIT') {
        await db.admin.query(`INSERT INTO small.lines SELECT 3, l, 'bread' FROM generate_series(1, 2) l`);
      }
      expect(await checksums(db.admin, shop)).toEqual(before);
    },
  );

  it("and is another tenant's keeps everything where it is", async () => {
    const job = newJob(TENANT);
    await writer.query('BEGIN');
    await writer.query('SELECT FROM small.accounts WHERE id = 6 FOR KEY SHARE');
    const staging = ask(engine, job, 'staged').then(
      () => 'staged',
      (error: { code: string }) => error.code,
    );
    await untilBlocked(db, job);
    await writer.query(`INSERT INTO small.debts VALUES (1, '${NEIGHBOUR}', 6)`);
    await writer.query('COMMIT');
    expect(await staging).toBe('reference_conflict');
    await reach(engine, job, 'restored');
    await db.admin.query('DELETE FROM small.debts');
    expect(await checksums(db.admin, shop)).toEqual(before);
  });
});

describe('what comes back with triggers off', () => {
  it('is not looked up row by row', async () => {
    const scans = async () => {
      const { rows } = await db.admin.query<{ scans: string }>(
        `SELECT pg_stat_get_numscans('small.invoices_pkey'::regclass) AS scans`,
      );
      return Number(rows[0]?.scans);
    };
    const job = newJob(TENANT);
    const first = db.engine();
    await reach(first, job, 'staged');
    await ended(first, job);
    const begun = await scans();
    const own = db.engine();
    await reach(own, job, 'restored');
    await ended(own, job);
    // 24 lines refer to invoices: a trigger for each would look as often.
    expect((await scans()) - begun).toBeLessThan(24);
    expect(await checksums(db.admin, shop)).toEqual(before);
  });

  it('is checked by triggers all the same where it refers to what was not moved', async () => {
    const job = newJob(TENANT);
    await reach(engine, job, 'staged');
    await db.admin.query('UPDATE small.notes SET topic = 8; DELETE FROM small.topics WHERE id = 7');
    await expect(ask(engine, job, 'restored')).rejects.toMatchObject({ code: 'restore_conflict' });
    await db.admin.query('INSERT INTO small.topics VALUES (7); UPDATE small.notes SET topic = 7');
    await reach(engine, job, 'restored');
    expect(await checksums(db.admin, shop)).toEqual(before);
  });

  it('meets a unique constraint that waits for the end, which is checked by a trigger', async () => {
    await db.admin.query(`ALTER TABLE small.accounts DROP CONSTRAINT accounts_name_key,
      ADD CONSTRAINT name_later UNIQUE (name) DEFERRABLE INITIALLY DEFERRED`);
    const job = newJob(TENANT);
    await reach(engine, job, 'staged');
    await db.admin.query(`UPDATE small.accounts SET name = 'a1' WHERE id = 1001`);
    await expect(ask(engine, job, 'restored')).rejects.toMatchObject({ code: 'restore_conflict' });
    await db.admin.query(`UPDATE small.accounts SET name = 'a1001' WHERE id = 1001`);
    await reach(engine, job, 'restored');
    expect(await checksums(db.admin, shop)).toEqual(before);
  });

  it.each(['TRIGGER', 'REPLICA TRIGGER', 'ALWAYS TRIGGER'])(
    'meets a new trigger (ENABLE %s) as any insert does',
    async (enabled) => {
      const job = newJob(TENANT);
      await reach(engine, job, 'staged');
      await db.admin.query(`
      CREATE TRIGGER loud BEFORE INSERT ON small.notes FOR EACH ROW EXECUTE FUNCTION small.refuse();
      ALTER TABLE small.notes ENABLE ${enabled} loud`);
      if (enabled === 'REPLICA TRIGGER') {
        expect((await reach(engine, job, 'restored')).state).toBe('restored');
      } else {
        await expect(ask(engine, job, 'restored')).rejects.toMatchObject({ code: 'restore_conflict' });
      }
      await db.admin.query('DROP TRIGGER loud ON small.notes');
      await reach(engine, job, 'restored');
      expect(await checksums(db.admin, shop)).toEqual(before);
    },
  );
});
