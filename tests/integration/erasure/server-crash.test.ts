import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, LedgerStatus } from '../../../erasure/engine-types.js';
import { until } from '../../support/conditions.js';
import {
  archivesLeft,
  checksum,
  checksums,
  countRows,
  createErasureDatabase,
  type ErasureDatabase,
  type Job,
  newJob,
} from '../../support/erasure.js';
import { type OwnPostgres, startPostgres } from '../../support/own-postgres.js';
import { LARGE_SQL, largeRows, largeShop, largeTotal, NEIGHBOUR, ORPHANS, TENANT } from './large-shop.js';

const ACCOUNTS = 10;
const TOTAL = largeTotal(ACCOUNTS);

let server: OwnPostgres;
let db: ErasureDatabase;
let engine: Engine;
let planHash: string;
/** A superuser's connection to the server as it runs now. */
let admin: pg.Client;

beforeAll(async () => {
  server = await startPostgres();
  db = await createErasureDatabase({
    declaration: largeShop,
    schema: LARGE_SQL,
    fast: true,
    cluster: server.url,
  });
  admin = db.admin;
  await admin.query(largeRows(NEIGHBOUR, 1000, ACCOUNTS));
  await admin.query(largeRows(TENANT, 0, ACCOUNTS));
  await admin.query('ANALYZE');
  // What a service has written is not what is tried here; commits are not waited for on this server.
  await admin.query('CHECKPOINT');
  // Chunks of a block.
  engine = db.engine({ singleTransactionRows: 0, chunkMs: 1 });
  planHash = (await engine.manifest()).planHash;
});
afterAll(async () => {
  await db?.drop();
  await server?.remove();
});

type Goal = 'staged' | 'restored' | 'purged';

function ask(job: Job, target: Goal, timeBudgetMs: number): Promise<LedgerStatus> {
  return engine.advance({ ...job, target, timeBudgetMs, ...(target === 'staged' && { planHash }) });
}

async function comeBack(): Promise<void> {
  await server.process.restart();
  admin = await db.connect();
}

/** Steps until so many rows are done. */
async function stepTo(job: Job, target: Goal, rows = Number.POSITIVE_INFINITY): Promise<LedgerStatus> {
  for (let steps = 0; steps < 400; steps++) {
    const status = await ask(job, target, 0);
    if (status.state === target || status.rowsDone >= rows) return status;
  }
  throw new Error(`not ${target} within 400 steps`);
}

async function rowsDone(job: Job): Promise<number> {
  return (await engine.status(TENANT, job.jobId, { restorable: false })).rowsDone;
}

/** Every row is in one place, or has gone for good and is counted; no key is broken, and nobody else lost a row. */
async function expectSound(job: Job, target: Goal, others: string): Promise<void> {
  const { rowsLeft } = await engine.verify(TENANT, null);
  expect(rowsLeft).toBe(target === 'purged' ? TOTAL - (await rowsDone(job)) : TOTAL);
  expect(await countRows(admin, ORPHANS)).toBe(0);
  expect(await neighbours()).toBe(others);
}

async function neighbours(): Promise<string> {
  let sums = '';
  for (const table of ['accounts', 'categories', 'projects', 'logs', 'visits'])
    sums += await checksum(admin, `(SELECT * FROM large.${table} WHERE tenant_id = '${NEIGHBOUR}')`);
  return sums;
}

/** Crashes right after an answer, and once more at work; then lets it come to its end. */
async function throughCrashes(job: Job, target: Goal): Promise<LedgerStatus> {
  const others = await neighbours();
  const answered = await stepTo(job, target, TOTAL / 4);
  expect(answered.state).not.toBe(target);
  await server.process.kill('SIGQUIT');
  await expect(ask(job, target, 0)).rejects.toMatchObject({ code: 'database_unavailable' });
  await comeBack();
  // What was said to be done is done, although other commits are not waited for on this server.
  expect(await rowsDone(job)).toBeGreaterThanOrEqual(answered.rowsDone);
  await expectSound(job, target, others);

  const working = ask(job, target, 60_000).catch((error: unknown) => error);
  const seen = await until(
    async () => {
      const rows = await rowsDone(job);
      return rows > answered.rowsDone + 10 && rows;
    },
    { what: 'some more chunks', everyMs: 5 },
  );
  await server.process.kill('SIGQUIT');
  expect(await working).toMatchObject({ name: 'EngineError', code: expect.stringMatching(/^database_/) });
  await comeBack();
  expect(await rowsDone(job)).toBeGreaterThanOrEqual(seen);
  await expectSound(job, target, others);
  const ended = await stepTo(job, target);
  await expectSound(job, target, others);
  return ended;
}

describe('a server that crashes in the middle of chunks', () => {
  it('loses no row, and keeps what it has answered; the tenant goes on from there, and comes back exactly', async () => {
    const before = await checksums(admin, largeShop);
    const job = newJob(TENANT);
    expect(await throughCrashes(job, 'staged')).toMatchObject({ rowsDone: TOTAL, waitingFor: null });
    expect(await throughCrashes(job, 'restored')).toMatchObject({ rowsDone: TOTAL });
    expect(await checksums(admin, largeShop)).toEqual(before);
    expect(await archivesLeft({ ...db, admin })).toEqual([]);
  });

  it('purges what is left, with counts to the row', async () => {
    const job = newJob(TENANT);
    expect(await throughCrashes(job, 'purged')).toMatchObject({ rowsDone: TOTAL, rowsTotal: TOTAL });
    expect(await engine.verify(TENANT, job.jobId)).toMatchObject({ clean: true, horizonPassed: true });
  });
});
