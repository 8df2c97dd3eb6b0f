import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../../erasure/engine-types.js';
import {
  archivesLeft,
  ask,
  checksum,
  checksums,
  countRows,
  createErasureDatabase,
  type ErasureDatabase,
  type Job,
  newJob,
  reach,
} from '../../support/erasure.js';
import { NEIGHBOUR, SMALL_SQL, SMALL_TOTAL, smallRows, smallShop, TENANT } from './small-shop.js';

// The same, whether triggers can be turned off or not.
describe.each([
  ['off', true],
  ['on', false],
])('with triggers %s', (_, fast) => {
  let db: ErasureDatabase;
  let engine: Engine;
  let job: Job;
  let before: Record<string, string>;
  let archived: string;

  const archive = async () => {
    const sums = [];
    for (const name of await archivesLeft(db)) sums.push(await checksum(db.admin, `lethe_small.${name}`));
    return sums.join();
  };

  beforeAll(async () => {
    db = await createErasureDatabase({ declaration: smallShop, schema: SMALL_SQL, fast });
    engine = db.engine();
    await db.admin.query(smallRows(NEIGHBOUR, 1000));
    await db.admin.query(smallRows(TENANT, 0));
  });
  beforeEach(async () => {
    before = await checksums(db.admin, smallShop);
    job = newJob(TENANT);
    await reach(engine, job, 'staged');
    archived = await archive();
  });
  afterEach(async () => {
    await reach(engine, job, 'restored');
    expect(await checksums(db.admin, smallShop)).toEqual(before);
  });
  afterAll(() => db?.drop());

  /** The restore is refused with this, changes nothing, and stays the one thing that can be done. */
  async function expectConflict(table: string, reason: RegExp): Promise<void> {
    const { restorable } = await engine.status(TENANT, job.jobId);
    expect(restorable?.possible).toBe(false);
    expect(restorable?.reasons.join('\n')).toMatch(reason);
    const live = await countRows(db.admin, 'small.accounts');
    await expect(ask(engine, job, 'restored')).rejects.toMatchObject({
      code: 'restore_conflict',
      facts: { table },
      message: expect.stringMatching(reason),
    });
    expect((await engine.status(TENANT, job.jobId)).state).toBe('restoring');
    expect(await archive()).toBe(archived);
    expect(await countRows(db.admin, 'small.accounts')).toBe(live);
    await expect(ask(engine, job, 'purged')).rejects.toMatchObject({ code: 'state_conflict' });
  }

  describe('a restore whose place', () => {
    it('was taken by a unique value says by how many', async () => {
      await db.admin.query(
        `INSERT INTO small.accounts VALUES (5000, '${NEIGHBOUR}', 'a1'), (5001, '${NEIGHBOUR}', 'a2')`,
      );
      await expectConflict(
        'small.accounts',
        /^small\.accounts: 2 rows cannot come back: other rows have taken their place in accounts_name_key/,
      );
      await db.admin.query('DELETE FROM small.accounts WHERE id >= 5000');
    });

    it('was taken by a primary key of a partitioned table says so', async () => {
      await db.admin.query(`INSERT INTO small.visits VALUES (1, '${NEIGHBOUR}', '2026-01-21')`);
      await expectConflict('small.visits', /small\.visits: 1 row cannot come back: .*visits_pkey/);
      await db.admin.query(`DELETE FROM small.visits WHERE tenant_id = '${NEIGHBOUR}' AND id = 1`);
    });
  });

  describe('a restore whose referenced row', () => {
    it('is gone says by how many', async () => {
      await db.admin.query('UPDATE small.notes SET topic = NULL; DELETE FROM small.topics WHERE id = 7');
      await expectConflict(
        'small.notes',
        /^small\.notes: 5 rows cannot come back: the rows of small\.topics .* are gone/,
      );
      await db.admin.query('INSERT INTO small.topics VALUES (7); UPDATE small.notes SET topic = 7');
    });
  });

  describe('a restore into tables that were changed', () => {
    it('finds renamed tables and columns, and fills new columns by their defaults', async () => {
      await db.admin.query(`
      ALTER TABLE small.notes RENAME TO remarks; ALTER TABLE small.remarks RENAME body TO "new Body";
      ALTER TABLE small.remarks ADD stars int NOT NULL DEFAULT 3; ALTER TABLE small.remarks ADD opinion text;
      ALTER SCHEMA small RENAME TO smaller`);
      expect((await engine.status(TENANT, job.jobId)).restorable).toEqual({ possible: true, reasons: [] });
      expect((await ask(engine, job, 'restored')).state).toBe('restored');
      expect(
        await countRows(
          db.admin,
          `smaller.remarks WHERE "new Body" = 'note' AND stars = 3 AND tenant_id = '${TENANT}'`,
        ),
      ).toBe(5);
      await db.admin.query(`
      ALTER SCHEMA smaller RENAME TO small; ALTER TABLE small.remarks DROP stars, DROP opinion;
      ALTER TABLE small.remarks RENAME "new Body" TO body; ALTER TABLE small.remarks RENAME TO notes`);
    });

    it('refuses where a column was dropped', async () => {
      await db.admin.query(
        'CREATE TABLE kept AS SELECT id, topic FROM small.notes; ALTER TABLE small.notes DROP topic',
      );
      await expectConflict(
        'small.notes',
        /small\.notes: 5 rows cannot come back: column topic was dropped since/,
      );
      // The column comes back with another number; the ledger has to be told so.
      await db.admin.query(`
      ALTER TABLE small.notes ADD topic int REFERENCES small.topics;
      UPDATE small.notes n SET topic = k.topic FROM kept k WHERE k.id = n.id; DROP TABLE kept`);
      await db.admin.query(
        `UPDATE lethe_small.deletion_ledger l SET archives = (
         SELECT jsonb_agg(CASE WHEN a->'table'->>'name' = 'notes' THEN jsonb_set(a, '{columns,3,attnum}',
           to_jsonb((SELECT attnum FROM pg_attribute WHERE attrelid = 'small.notes'::regclass AND attname = 'topic'))) ELSE a END)
           FROM jsonb_array_elements(l.archives) a) WHERE job_id = $1`,
        [job.jobId],
      );
    });

    it('refuses where a new column wants a value', async () => {
      await db.admin.query(
        "ALTER TABLE small.accounts ADD region text; UPDATE small.accounts SET region = 'x'; ALTER TABLE small.accounts ALTER region SET NOT NULL",
      );
      await expectConflict('small.accounts', /column region is new, may not be null, and has no default/);
      await db.admin.query('ALTER TABLE small.accounts DROP region');
    });

    it('refuses where a new check refuses the rows', async () => {
      await db.admin.query(
        `ALTER TABLE small.invoices ADD CONSTRAINT small_total CHECK (total < 0) NOT VALID`,
      );
      await expect(ask(engine, job, 'restored')).rejects.toMatchObject({
        code: 'restore_conflict',
        facts: { table: 'small.invoices', sqlstate: '23514' },
      });
      expect(await archive()).toBe(archived);
      await db.admin.query('ALTER TABLE small.invoices DROP CONSTRAINT small_total');
    });
  });

  describe('a reference that was nulled', () => {
    it('is set back only where nobody has given it another value, and a row that is gone is not missed', async () => {
      const neighbours = 1001;
      await db.admin.query(`UPDATE small.staff SET favourite = ${neighbours} WHERE id = 1`);
      await reach(engine, job, 'restored');
      expect(await countRows(db.admin, `small.staff WHERE id = 1 AND favourite = ${neighbours}`)).toBe(1);
      await db.admin.query('UPDATE small.staff SET favourite = 1 WHERE id = 1');
      job = newJob(TENANT);
      await reach(engine, job, 'staged');
      await db.admin.query('DELETE FROM small.staff WHERE id = 1');
      await reach(engine, job, 'restored');
      await db.admin.query('INSERT INTO small.staff VALUES (1, 1)');
    });
  });

  describe('what was staged', () => {
    it('is counted, exported and only then dropped', async () => {
      const lines: string[] = [];
      for await (const line of engine.exportRows(TENANT, job.jobId)) lines.push(line);
      expect(JSON.parse(lines.shift() ?? '')).toMatchObject({ export: { tables: expect.any(Array) } });
      expect(lines.length).toBe(SMALL_TOTAL);
      const note = lines.map((line) => JSON.parse(line)).find(({ table }) => table === 'small.notes');
      expect(note).toEqual({
        table: 'small.notes',
        row: { id: expect.any(Number), tenant_id: TENANT, body: 'note', topic: 7 },
      });
      for await (const _ of engine.exportRows(TENANT, null)) throw new Error('There is no live row.');
      expect(await engine.verify(TENANT, job.jobId)).toMatchObject({ clean: false, rowsLeft: SMALL_TOTAL });
    });
  });
});
