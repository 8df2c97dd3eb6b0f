import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../../erasure/engine-types.js';
import {
  countRows,
  createErasureDatabase,
  type ErasureDatabase,
  newJob,
  reach,
  untilItWaits,
} from '../../support/erasure.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { SMALL_SQL, SMALL_TOTAL, smallRows, smallShop, TENANT } from './small-shop.js';

let db: ErasureDatabase;
let other: TestDatabase;
let engine: Engine;
let stranger: pg.Client;
let writer: pg.Client;

beforeAll(async () => {
  db = await createErasureDatabase({ declaration: smallShop, schema: SMALL_SQL });
  engine = db.engine();
  writer = await db.connect();
  other = await createTestDatabase({ template: 'empty' });
  stranger = new pg.Client({ connectionString: other.url });
  stranger.on('error', () => undefined);
  await stranger.connect();
});
beforeEach(async () => {
  await db.admin.query('DELETE FROM lethe_small.tenant_tombstones; DELETE FROM lethe_small.deletion_ledger');
  await db.admin.query(smallRows(TENANT, 0));
});
afterEach(async () => {
  await stranger.query('ROLLBACK');
  await writer.query('ROLLBACK');
});
afterAll(async () => {
  await stranger?.end();
  await other?.drop();
  await db?.drop();
});

// Transaction ids are the cluster's, so these stand before every horizon that is taken.
describe('a transaction that began before the fence', () => {
  it('is not waited for in another database, running or prepared', async () => {
    await stranger.query(`BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION '${other.name}'`);
    await stranger.query('BEGIN; SELECT pg_current_xact_id()');
    const job = newJob(TENANT);
    expect(await reach(engine, job, 'staged')).toMatchObject({ rowsDone: SMALL_TOTAL, waitingFor: null });
    await reach(engine, job, 'purged');
    expect(await engine.verify(TENANT, job.jobId)).toMatchObject({ clean: true, horizonPassed: true });
    await stranger.query('ROLLBACK');
    await stranger.query(`ROLLBACK PREPARED '${other.name}'`);
  });

  it('is waited for and named in this one, while others of another database are not', async () => {
    await stranger.query('BEGIN; SELECT pg_current_xact_id()');
    await writer.query(`BEGIN; INSERT INTO small.notes VALUES (900, '${TENANT}', 'late')`);
    const job = newJob(TENANT);
    const waiting = await untilItWaits(engine, job, 'staged');
    expect(waiting.waitingFor?.kind).toBe('older_transaction');
    const [pid] = (await writer.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows;
    expect(waiting.waitingFor?.blockers.join()).toMatch(new RegExp(`^pid ${pid?.pid} `));
    expect(waiting.waitingFor?.blockers).toHaveLength(1);
    await writer.query('COMMIT');
    expect((await reach(engine, job, 'staged')).rowsDone).toBe(SMALL_TOTAL + 1);
    await reach(engine, job, 'purged');
    expect(await countRows(db.admin, `small.notes WHERE tenant_id = '${TENANT}'`)).toBe(0);
  });
});
