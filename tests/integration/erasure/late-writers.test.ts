import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../../erasure/engine-types.js';
import {
  ask,
  checksums,
  countRows,
  createErasureDatabase,
  type ErasureDatabase,
  newJob,
  reach,
  untilBlocked,
  untilItWaits,
} from '../../support/erasure.js';
import { NEIGHBOUR, SMALL_SQL, SMALL_TOTAL, smallRows, smallShop, TENANT } from './small-shop.js';

// The same, whether triggers can be turned off or not.
describe.each([
  ['off', true],
  ['on', false],
])('with triggers %s', (_, fast) => {
  let db: ErasureDatabase;
  let engine: Engine;
  let writer: pg.Client;

  beforeAll(async () => {
    db = await createErasureDatabase({ declaration: smallShop, schema: SMALL_SQL, fast });
    engine = db.engine();
    writer = await db.connect();
    await db.admin.query(smallRows(NEIGHBOUR, 1000));
  });
  beforeEach(async () => {
    await db.admin.query(
      'DELETE FROM lethe_small.tenant_tombstones; DELETE FROM lethe_small.deletion_ledger',
    );
    if ((await countRows(db.admin, `small.notes WHERE tenant_id = '${TENANT}'`)) === 0) {
      await db.admin.query(smallRows(TENANT, 0));
    }
  });
  afterEach(() => writer.query('ROLLBACK'));
  afterAll(() => db?.drop());

  const NOTE = `INSERT INTO small.notes VALUES (900, '${TENANT}', 'late')`;

  describe.each(['READ COMMITTED', 'REPEATABLE READ'])('a %s writer that began before the fence', (level) => {
    it('is waited for when it has written, and what it wrote is archived and comes back', async () => {
      const job = newJob(TENANT);
      await writer.query(`BEGIN ISOLATION LEVEL ${level}`);
      await writer.query(NOTE);
      const before = await untilItWaits(engine, job, 'staged');
      expect(before).toMatchObject({ state: 'staging', waitingFor: { kind: 'older_transaction' } });
      const again = await untilItWaits(engine, job, 'staged');
      expect(again.waitingFor?.since).toEqual(before.waitingFor?.since);
      await writer.query('COMMIT');
      const staged = await reach(engine, job, 'staged');
      expect(staged).toMatchObject({ rowsDone: SMALL_TOTAL + 1, waitingFor: null });
      expect(await engine.verify(TENANT, job.jobId)).toMatchObject({
        rowsLeft: SMALL_TOTAL + 1,
        horizonPassed: true,
      });
      await reach(engine, job, 'restored');
      expect(await countRows(db.admin, 'small.notes WHERE id = 900')).toBe(1);
      await db.admin.query('DELETE FROM small.notes WHERE id = 900');
    });

    it('is waited for when it has only looked, and cannot write behind the sweep', async () => {
      const job = newJob(TENANT);
      await writer.query(`BEGIN ISOLATION LEVEL ${level}`);
      await writer.query('SELECT count(*) FROM small.notes');
      const status = await untilItWaits(engine, job, 'staged');
      const late = await writer.query(NOTE).then(
        () => 'written',
        (error: { code: string }) => error.code,
      );
      if (level === 'READ COMMITTED') {
        // It sees the tombstone at its next statement: nobody has to wait for it.
        expect(status.state).toBe('staged');
        expect(late).toBe('23514');
        await writer.query('ROLLBACK');
      } else {
        expect(status).toMatchObject({ state: 'staging', waitingFor: { kind: 'older_transaction' } });
        expect(status.waitingFor?.blockers.join()).toMatch(/pid \d+ \(user postgres/);
        expect(late).toBe('written');
        await writer.query('COMMIT');
      }
      const staged = await reach(engine, job, 'staged');
      expect(staged.rowsDone).toBe(level === 'READ COMMITTED' ? SMALL_TOTAL : SMALL_TOTAL + 1);
      const purged = await reach(engine, job, 'purged');
      expect(purged.rowsDone).toBe(staged.rowsDone);
      expect(await engine.verify(TENANT, job.jobId)).toMatchObject({ clean: true, horizonPassed: true });
    });

    it('that rolls back leaves nothing to sweep', async () => {
      const job = newJob(TENANT);
      await writer.query(`BEGIN ISOLATION LEVEL ${level}`);
      await writer.query(NOTE);
      await untilItWaits(engine, job, 'staged');
      await writer.query('ROLLBACK');
      expect((await reach(engine, job, 'staged')).rowsDone).toBe(SMALL_TOTAL);
      await reach(engine, job, 'restored');
    });

    it('that updates a row while it is moved is archived with its last value', async () => {
      const job = newJob(TENANT);
      await writer.query(`BEGIN ISOLATION LEVEL ${level}`);
      await writer.query(`UPDATE small.notes SET body = 'changed late' WHERE id = 1`);
      const staging = ask(engine, job, 'staged');
      await untilBlocked(db, job);
      await writer.query('COMMIT');
      await staging;
      await reach(engine, job, 'staged');
      await reach(engine, job, 'restored');
      expect(await countRows(db.admin, `small.notes WHERE body = 'changed late'`)).toBe(1);
      await db.admin.query(`UPDATE small.notes SET body = 'note' WHERE id = 1`);
    });
  });

  describe('a child that comes in while its parent is moved', () => {
    it.each([
      ['cascade', `INSERT INTO small.lines VALUES (1, 77, 'late')`, 'small.lines WHERE line = 77'],
      ['set null', `INSERT INTO small.staff VALUES (77, 2)`, 'small.staff WHERE id = 77 AND favourite = 2'],
      ['no action', `INSERT INTO small.invoices VALUES (77, 3, 1)`, 'small.invoices WHERE id = 77'],
    ])('by a key with %s is archived, not lost', async (_, insert, found) => {
      const before = await checksums(db.admin, smallShop);
      const job = newJob(TENANT);
      await writer.query('BEGIN');
      await writer.query(insert);
      const staging = ask(engine, job, 'staged');
      await untilBlocked(db, job);
      await writer.query('COMMIT');
      await staging;
      await reach(engine, job, 'staged');
      await reach(engine, job, 'restored');
      expect(await countRows(db.admin, found)).toBe(1);
      await db.admin.query(`DELETE FROM ${found}`);
      expect(await checksums(db.admin, smallShop)).toEqual(before);
    });

    it('after it was moved is refused by its key', async () => {
      const job = newJob(TENANT);
      await reach(engine, job, 'staged');
      await expect(writer.query(`INSERT INTO small.lines VALUES (1, 78, 'late')`)).rejects.toMatchObject({
        code: '23503',
      });
      await reach(engine, job, 'restored');
    });
  });

  describe('a row that moves to another partition meanwhile', () => {
    it('is moved once', async () => {
      const job = newJob(TENANT);
      await writer.query('BEGIN');
      await writer.query(`UPDATE small.visits SET at = '2026-02-20' WHERE id = 1`);
      const staging = ask(engine, job, 'staged');
      await untilBlocked(db, job);
      await writer.query('COMMIT');
      await staging;
      expect((await reach(engine, job, 'staged')).rowsDone).toBe(SMALL_TOTAL);
      await reach(engine, job, 'restored');
      expect(await countRows(db.admin, `small.visits_2 WHERE id = 1`)).toBe(1);
      await db.admin.query(`UPDATE small.visits SET at = '2026-01-21' WHERE id = 1`);
    });
  });

  describe('a prepared transaction', () => {
    it('holds the wait up, is named, and what it wrote is swept', async () => {
      const job = newJob(TENANT);
      const server = new URL(db.database.url);
      await writer.query('BEGIN');
      await writer.query(NOTE);
      await writer.query(`PREPARE TRANSACTION 'late ${job.jobId}'`);
      try {
        const status = await untilItWaits(engine, job, 'staged');
        expect(status.state).toBe('staging');
        expect(status.waitingFor?.blockers.join()).toContain(
          `prepared transaction "late ${job.jobId}" (user postgres`,
        );
        expect(status.waitingFor?.blockers.join()).toContain(server.pathname.slice(1));
      } finally {
        await writer.query(`COMMIT PREPARED 'late ${job.jobId}'`);
      }
      expect((await reach(engine, job, 'staged')).rowsDone).toBe(SMALL_TOTAL + 1);
      await reach(engine, job, 'restored');
      await db.admin.query('DELETE FROM small.notes WHERE id = 900');
    });
  });

  describe('the neighbour', () => {
    it('may write all the while', async () => {
      const job = newJob(TENANT);
      await reach(engine, job, 'staged');
      await db.admin.query(
        `INSERT INTO small.notes VALUES (1901, '${NEIGHBOUR}', 'new'); DELETE FROM small.notes WHERE id = 1901`,
      );
      await reach(engine, job, 'restored');
    });
  });
});
