import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Engine, LedgerStatus } from '../../../erasure/engine-types.js';
import {
  archivesLeft,
  ask,
  checksums,
  countRows,
  createErasureDatabase,
  type ErasureDatabase,
  type Job,
  newJob,
  reach,
  untilBlocked,
  untilItWaits,
} from '../../support/erasure.js';
import { NEIGHBOUR, SMALL_SQL, SMALL_TOTAL, smallRows, smallShop, TENANT } from './small-shop.js';

let db: ErasureDatabase;
let engine: Engine;
let somebody: pg.Client;
let before: Record<string, string>;

beforeAll(async () => {
  db = await createErasureDatabase({ declaration: smallShop, schema: SMALL_SQL });
  engine = db.engine({ lockTimeoutMs: 400 });
  somebody = await db.connect();
  await db.admin.query(smallRows(NEIGHBOUR, 1000));
});
beforeEach(async () => {
  await db.admin.query('DELETE FROM lethe_small.tenant_tombstones; DELETE FROM lethe_small.deletion_ledger');
  if ((await countRows(db.admin, `small.notes WHERE tenant_id = '${TENANT}'`)) === 0) {
    await db.admin.query(smallRows(TENANT, 0));
  }
  before = await checksums(db.admin, smallShop);
});
afterEach(async () => {
  await somebody.query('ROLLBACK');
});
afterAll(() => db?.drop());

describe('a table that somebody has locked', () => {
  it('is waited for, with who holds it and since when, and the job goes on after', async () => {
    const job = newJob(TENANT);
    await somebody.query('BEGIN');
    await somebody.query('LOCK TABLE small.notes IN SHARE MODE');
    const first = await ask(engine, job, 'staged');
    expect(first).toMatchObject({ state: 'staging', rowsDone: 0 });
    expect(first.waitingFor).toMatchObject({
      kind: 'lock',
      reason: 'canceling statement due to lock timeout (55P03) on small.notes',
    });
    expect(first.waitingFor?.blockers.join()).toMatch(/^pid \d+ \(user postgres/);
    const second = await ask(engine, job, 'staged');
    expect(second.waitingFor?.since).toEqual(first.waitingFor?.since);
    expect((await engine.status(TENANT, job.jobId)).waitingFor).toMatchObject({ kind: 'lock' });
    await somebody.query('ROLLBACK');
    expect(await reach(engine, job, 'staged')).toMatchObject({ rowsDone: SMALL_TOTAL, waitingFor: null });
    await reach(engine, job, 'restored');
    expect(await checksums(db.admin, smallShop)).toEqual(before);
  });

  it('does not keep a job from being restored that has moved nothing of it', async () => {
    const job = newJob(TENANT);
    await somebody.query('BEGIN');
    await somebody.query('LOCK TABLE small.accounts IN ACCESS EXCLUSIVE MODE');
    expect(await ask(engine, job, 'staged')).toMatchObject({
      state: 'staging',
      waitingFor: { kind: 'lock' },
    });
    expect((await ask(engine, job, 'restored')).state).toBe('restored');
    await somebody.query('ROLLBACK');
    expect(await checksums(db.admin, smallShop)).toEqual(before);
    expect(await countRows(db.admin, 'lethe_small.tenant_tombstones')).toBe(0);
  });

  it('that took the stage only so far is restored while the lock is still held', async () => {
    const job = newJob(TENANT);
    await somebody.query('BEGIN');
    await somebody.query('LOCK TABLE small.notes IN SHARE MODE');
    expect((await ask(engine, job, 'staged')).state).toBe('staging');
    expect((await ask(engine, job, 'restored')).state).toBe('restored');
    await somebody.query('ROLLBACK');
    expect(await checksums(db.admin, smallShop)).toEqual(before);
    await db.admin.query(
      `INSERT INTO small.notes VALUES (950, '${TENANT}', 'writable again'); DELETE FROM small.notes WHERE id = 950`,
    );
  });

  it('ends a short slice in time, and no statement of it stays behind', async () => {
    const job = newJob(TENANT);
    const patient = db.engine({ lockTimeoutMs: 60_000 });
    await somebody.query('BEGIN');
    await somebody.query('LOCK TABLE small.notes IN SHARE MODE');
    await untilItWaits(patient, job, 'staged');
    const began = Date.now();
    const status = await ask(patient, job, 'staged', { timeBudgetMs: 500 });
    expect(status.waitingFor).not.toBeNull();
    expect(Date.now() - began).toBeLessThan(3_000);
    expect(
      await countRows(
        db.admin,
        `pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      ),
    ).toBe(0);
    await somebody.query('ROLLBACK');
    await ask(patient, job, 'restored');
  });
});

describe('a server that ends our connection', () => {
  /** Holds the tables up so that the work stops in its middle, ends the session that does it, and lets go. */
  async function interrupted(
    job: Job,
    lock: string,
    work: () => Promise<LedgerStatus>,
  ): Promise<LedgerStatus> {
    await somebody.query('BEGIN');
    await somebody.query(lock);
    const patient = work();
    patient.catch(() => undefined);
    const pid = await untilBlocked(db, job);
    await db.admin.query('SELECT pg_terminate_backend($1)', [pid]);
    await somebody.query('ROLLBACK');
    return patient;
  }

  it('in the middle of a move loses nothing, and the same request goes on', async () => {
    const job = newJob(TENANT);
    const patient = db.engine();
    const status = await interrupted(job, 'SELECT FROM small.accounts WHERE id = 3 FOR UPDATE', () =>
      ask(patient, job, 'staged'),
    );
    expect(status).toMatchObject({ state: 'staged', rowsDone: SMALL_TOTAL });
    await reach(engine, job, 'restored');
    expect(await checksums(db.admin, smallShop)).toEqual(before);
    expect(await archivesLeft(db)).toEqual([]);
  });

  it('in the middle of a restore brings every row back once', async () => {
    const job = newJob(TENANT);
    const patient = db.engine();
    await reach(engine, job, 'staged');
    const status = await interrupted(job, 'LOCK TABLE small.lines IN SHARE MODE', () =>
      ask(patient, job, 'restored'),
    );
    expect(status).toMatchObject({ state: 'restored', rowsDone: SMALL_TOTAL });
    expect(await checksums(db.admin, smallShop)).toEqual(before);
    expect(await archivesLeft(db)).toEqual([]);
  });

  it('in the middle of a purge leaves nothing of the tenant, and the counts right', async () => {
    const job = newJob(TENANT);
    const patient = db.engine();
    await reach(engine, job, 'staged');
    const status = await interrupted(
      job,
      'SELECT FROM small.accounts; LOCK TABLE lethe_small.deletion_ledger IN SHARE MODE',
      () => ask(patient, job, 'purged'),
    );
    expect(status).toMatchObject({ state: 'purged', rowsDone: SMALL_TOTAL });
    expect(await engine.verify(TENANT, job.jobId)).toMatchObject({ clean: true, horizonPassed: true });
    expect(await archivesLeft(db)).toEqual([]);
  });
});

describe('a database that does not answer', () => {
  it('is an error to be asked again after, without the URL', async () => {
    const { createEngine } = await import('../../../erasure/engine.js');
    const secret = 'hush-hush';
    const gone = createEngine({
      databaseUrl: `postgres://nobody:${secret}@127.0.0.1:1/none`,
      declaration: smallShop,
      limits: { lockTimeoutMs: 100, longestTransactionMs: 1_000 },
    });
    const error = await gone.ready().catch((one: Error) => one);
    expect(error).toMatchObject({ name: 'EngineError', code: 'database_unavailable' });
    expect(String(error)).not.toContain(secret);
    await gone.close();
  });
});
