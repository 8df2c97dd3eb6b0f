import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../../erasure/engine-types.js';
import { until } from '../../support/conditions.js';
import {
  ask,
  checksums,
  countRows,
  type ErasureDatabase,
  type Job,
  newJob,
  reach,
  untilBlocked,
  untilWaiting,
} from '../../support/erasure.js';
import {
  createOrphanShop,
  expectUntouched,
  maySilence,
  orphanRows,
  orphanShop,
  TINY,
  unchecked,
  WAYS,
} from './orphan-shop.js';
import { TENANT } from './small-shop.js';

let db: ErasureDatabase;
let job: Job;
let before: Record<string, string>;

beforeAll(async () => {
  db = await createOrphanShop();
});
beforeEach(async () => {
  job = newJob(TENANT);
  before = await checksums(db.admin, orphanShop);
});
afterEach(() => expectUntouched(db, before));
afterAll(() => db?.drop());

const restorable = async (engine: Engine) => (await engine.status(TENANT, job.jobId)).restorable;

describe('a row that had its parent when it went', () => {
  it.each(WAYS)('is a conflict without it, beside orphans of the same key (%s)', async (_, limits) => {
    const engine = db.engine(limits);
    await reach(engine, job, 'staged');
    await unchecked(db, `DELETE FROM small.places`);
    expect(await restorable(engine)).toEqual({
      possible: false,
      reasons: [
        expect.stringMatching(
          /^small.stays: 6 rows cannot come back: the rows of small.places .* stays_place/,
        ),
      ],
    });
    expect(await engine.conflicts(TENANT, job.jobId)).toMatchObject([
      { table: 'small.stays', rows: 6, keys: expect.arrayContaining([{ id: '2' }, { id: '12' }]) },
    ]);
    await expect(ask(engine, job, 'restored')).rejects.toMatchObject({
      code: 'restore_conflict',
      facts: { table: 'small.stays' },
      message: expect.stringContaining('6 rows cannot come back'),
    });
    await db.admin.query(`INSERT INTO small.places SELECT 'north ' || g, 1 FROM generate_series(1, 12) g`);
    await reach(engine, job, 'restored');
  });
});

describe('rows that are put aside', () => {
  it.each(WAYS)('take what refers to them along, and no orphan for being one (%s)', async (_, limits) => {
    const engine = db.engine(limits);
    await reach(engine, job, 'staged');
    // The tags 7 and 12 are about this note, and 2, 6, 8 and 10 hang on the latter.
    await db.admin.query('ALTER TABLE small.notes ADD CONSTRAINT late CHECK (id <> 3)');
    const breakGlass = { reason: 'the customer cannot wait', by: 'a person' };
    for (let state = ''; state !== 'restored'; )
      state = (await ask(engine, job, 'restored', { conflicts: 'skip-row', breakGlass })).state;
    const back = await db.admin.query<{ id: number }>('SELECT id FROM small.tags WHERE id < 1000 ORDER BY 1');
    expect(back.rows.map(({ id }) => id)).toEqual([1, 3, 4, 5, 9, 11]);
    expect(await countRows(db.admin, `small.notes WHERE tenant_id = '${TENANT}'`)).toBe(4);
    await reach(engine, newJob(TENANT), 'purged');
    await db.admin.query(`ALTER TABLE small.notes DROP CONSTRAINT late;
      DELETE FROM lethe_small.tenant_tombstones; DELETE FROM lethe_small.deletion_ledger`);
    await unchecked(db, orphanRows(TENANT, 0));
  });
});

describe('a parent that goes between two chunks', () => {
  const step = (engine: Engine, target: 'staged' | 'restored') =>
    ask(engine, job, target, { timeBudgetMs: 0 });

  it('makes orphans of those that go after it, and a conflict of those that went before', async () => {
    const engine = db.engine(TINY);
    const left = async () => {
      const { rows: found } = await db.admin.query<{ area: string }>(
        `SELECT area FROM small.stays WHERE tenant_id = '${TENANT}' AND area LIKE 'north %'`,
      );
      return found.map(({ area }) => area);
    };
    const all = await left();
    await until(async () => (await step(engine, 'staged')) && (await left()).length < all.length, {
      what: 'a chunk of stays',
    });
    const stay = await left();
    expect(stay).not.toEqual([]);
    const gone = all.find((area) => !stay.includes(area));
    await unchecked(db, `DELETE FROM small.places WHERE area IN ('${gone}', '${stay[0]}')`);
    await reach(engine, job, 'staged');
    expect((await restorable(engine))?.reasons).toEqual([
      expect.stringMatching('^small.stays: 1 row cannot come back: the rows of small.places'),
    ]);
    await db.admin.query(`INSERT INTO small.places VALUES ('${gone}', 1)`);
    await reach(engine, job, 'restored');
    await db.admin.query(`INSERT INTO small.places VALUES ('${stay[0]}', 1)`);
  });

  it('is missed also on the way back, by orphans of another key', async () => {
    const engine = db.engine(TINY);
    await reach(engine, job, 'staged');
    await until(async () => (await step(engine, 'restored')).rowsDone > 0, { what: 'a row to be back' });
    expect(await countRows(db.admin, `small.tags WHERE tenant_id = '${TENANT}'`)).toBe(0);
    await unchecked(db, 'DELETE FROM small.topics WHERE id = 8');
    await expect(reach(engine, job, 'restored')).rejects.toMatchObject({
      code: 'restore_conflict',
      message: expect.stringMatching(/small.tags: .* small.topics .* What is not back yet is in the archive/),
    });
    await db.admin.query('INSERT INTO small.topics VALUES (8)');
    await reach(engine, job, 'restored');
  });
});

describe('an orphan', () => {
  it.each(WAYS)('of one key is a conflict where what another refers to is gone (%s)', async (_, limits) => {
    const engine = db.engine(limits);
    await reach(engine, job, 'staged');
    // Orphans alone refer to it, so that no trigger of a key looks.
    await unchecked(db, 'DELETE FROM small.topics WHERE id = 8');
    expect(await restorable(engine)).toMatchObject({ possible: false });
    await expect(ask(engine, job, 'restored')).rejects.toMatchObject({
      code: 'restore_conflict',
      message: expect.stringMatching(/small.tags: 2 rows cannot come back: the rows of small.topics/),
    });
    await db.admin.query('INSERT INTO small.topics VALUES (8)');
    await reach(engine, job, 'restored');
  });

  it('holds what else it refers to until it is back', async () => {
    const engine = db.engine();
    await reach(engine, job, 'staged');
    const writer = await db.connect();
    await writer.query(
      'BEGIN; SET LOCAL session_replication_role = replica; DELETE FROM small.topics WHERE id = 8',
    );
    const restoring = ask(engine, job, 'restored').then(
      () => 'restored',
      (error: { code: string }) => error.code,
    );
    await untilBlocked(db, job);
    await writer.query('COMMIT');
    expect(await restoring).toBe('restore_conflict');
    await db.admin.query('INSERT INTO small.topics VALUES (8)');
    await reach(engine, job, 'restored');
  });

  it.each(WAYS)('does not come back under a key that was validated since (%s)', async (_, limits) => {
    const engine = db.engine(limits);
    await db.admin.query(`CREATE TABLE public.aside AS SELECT * FROM small.stays WHERE id > 1000;
      DELETE FROM small.stays WHERE id > 1000`);
    await reach(engine, job, 'staged');
    await db.admin.query('ALTER TABLE small.stays VALIDATE CONSTRAINT stays_place');
    expect((await restorable(engine))?.reasons).toEqual([
      expect.stringMatching(/^small.stays: 6 rows cannot .* validated since: drop it/),
    ]);
    await expect(ask(engine, job, 'restored')).rejects.toMatchObject({
      code: 'restore_conflict',
      facts: { table: 'small.stays' },
    });
    await db.admin.query(`ALTER TABLE small.stays DROP CONSTRAINT stays_place;
      INSERT INTO small.stays SELECT * FROM public.aside; DROP TABLE public.aside;
      ALTER TABLE small.stays ADD CONSTRAINT stays_place FOREIGN KEY (area, n) REFERENCES small.places MATCH FULL NOT VALID`);
    await reach(engine, job, 'restored');
  });

  it('that is on its way back is seen by whoever validates the key', async () => {
    const engine = db.engine();
    await unchecked(db, 'UPDATE small.tags SET note = 1001 WHERE id BETWEEN 1001 AND 1004');
    await reach(engine, job, 'staged');
    const [holder, validator] = [await db.connect(), await db.connect()];
    await holder.query('BEGIN; SELECT FROM small.topics WHERE id = 8 FOR UPDATE');
    const restoring = ask(engine, job, 'restored');
    await untilBlocked(db, job);
    const validating = validator
      .query('ALTER TABLE small.tags VALIDATE CONSTRAINT tags_note')
      .catch((error: { code: string }) => error.code);
    await untilWaiting(db, validator);
    await holder.query('ROLLBACK');
    expect((await restoring).state).toBe('restored');
    expect(await validating).toBe('23503');
    await unchecked(db, 'UPDATE small.tags SET note = 9000 WHERE id BETWEEN 1001 AND 1004');
  });

  it('waits in the archive while the role may not turn triggers off any more, and says so', async () => {
    const engine = db.engine();
    await reach(engine, job, 'staged');
    await maySilence(db, false);
    expect([...((await restorable(engine))?.reasons ?? [])].sort()).toEqual(
      ['notes: 2', 'stays: 6', 'tags: 6'].map((rows) =>
        expect.stringMatching(`^small.${rows} rows cannot .* session_replication_role`),
      ),
    );
    await expect(ask(engine, job, 'restored')).rejects.toMatchObject({ code: 'restore_conflict' });
    await maySilence(db, true);
    expect(await restorable(engine)).toEqual({ possible: true, reasons: [] });
    await reach(engine, job, 'restored');
  });

  it('does not slip past a unique constraint that was made deferrable since', async () => {
    const engine = db.engine();
    await reach(engine, job, 'staged');
    await db.admin.query('ALTER TABLE small.tags ADD CONSTRAINT late UNIQUE (id) DEFERRABLE');
    expect((await restorable(engine))?.reasons).toEqual([
      expect.stringMatching(/^small.tags: 6 rows cannot .* deferrable/),
    ]);
    await expect(ask(engine, job, 'restored')).rejects.toMatchObject({ code: 'restore_conflict' });
    await db.admin.query('ALTER TABLE small.tags DROP CONSTRAINT late');
    await reach(engine, job, 'restored');
  });
});
