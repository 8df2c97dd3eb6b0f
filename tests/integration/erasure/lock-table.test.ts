import { setTimeout } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Declaration } from '../../../erasure/declaration.js';
import type { Engine, LedgerStatus } from '../../../erasure/engine-types.js';
import { until } from '../../support/conditions.js';
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
} from '../../support/erasure.js';
import { type OwnPostgres, startPostgres } from '../../support/own-postgres.js';

/** A partition a month, each with two indexes: 168 locks, of 240 that the plan counts on. */
const LEAVES = 56;
const ROWS = 5 * LEAVES;
const TENANTS = Array.from({ length: 8 }, (_, n) => `3a000000-0000-4000-8000-00000000000${n}`);
const NEIGHBOUR = '3b000000-0000-4000-8000-000000000001';
/** The first number of the locks that stand for transactions at work. */
const PLACES = `x'6c657468'::int`;
const neighbours = `many.events WHERE tenant_id = '${NEIGHBOUR}'`;
const neighboursOfOneMonth = `many.events_1 WHERE tenant_id = '${NEIGHBOUR}'`;

const many: Declaration = {
  name: 'many',
  schemas: ['many'],
  letheSchema: 'lethe_many',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'none',
  tables: { 'many.events': { action: 'delete' } },
};

const SQL = `
CREATE SCHEMA many;
CREATE TABLE many.events (id int NOT NULL, tenant_id uuid NOT NULL, month int NOT NULL, PRIMARY KEY (id, month)) PARTITION BY LIST (month);
CREATE INDEX ON many.events (tenant_id);
DO $$ BEGIN FOR n IN 1..${LEAVES} LOOP
  EXECUTE format('CREATE TABLE many.events_%s PARTITION OF many.events FOR VALUES IN (%s)', n, n);
END LOOP; END $$;`;

let server: OwnPostgres;
let db: ErasureDatabase;
let before: Record<string, string>;

beforeAll(async () => {
  server = await startPostgres({
    max_connections: '24',
    max_locks_per_transaction: '10',
    // Whatever may hold locks adds to the room for them.
    max_prepared_transactions: '0',
    max_worker_processes: '1',
    max_wal_senders: '0',
    autovacuum: 'off',
    autovacuum_worker_slots: '1',
  });
  db = await createErasureDatabase({ declaration: many, schema: SQL, fast: true, cluster: server.url });
  for (const [place, tenant] of [...TENANTS, NEIGHBOUR].entries()) {
    await db.admin.query(
      `INSERT INTO many.events SELECT ${place} * 1000 + n, '${tenant}', 1 + n % ${LEAVES} FROM generate_series(1, ${ROWS}) n`,
    );
  }
  before = await checksums(db.admin, many);
});
afterAll(async () => {
  await db?.drop();
  await server?.remove();
});

const findings = async (engine: Engine) =>
  (await engine.manifest()).findings
    .filter(({ code }) => code === 'lock_table')
    .map(({ severity }) => severity);

/** Somebody's queries over all partitions for as long as the work takes. Gives how many there were, and what failed. */
async function amongQueries(work: () => Promise<unknown>): Promise<{ queries: number; failed: string[] }> {
  const reader = await db.connect();
  const failed: string[] = [];
  let queries = 0;
  let over = false;
  const reading = (async () => {
    for (; !over; queries++) {
      const rows = await countRows(reader, neighbours).catch((error: { code: string }) => error.code);
      if (rows !== ROWS) failed.push(String(rows));
    }
  })();
  try {
    await work();
  } finally {
    over = true;
    await reading;
    await reader.end();
  }
  return { queries, failed };
}

describe('a lock table that a few deletions at once would fill', () => {
  it('is not filled by them, nobody’s query fails, and every tenant goes and comes back exactly', async () => {
    // One in a transaction each, the other in chunks.
    const engines = [db.engine(), db.engine({ singleTransactionRows: 0, chunkMs: 1 })];
    expect(await findings(engines[0] as Engine)).toEqual(['warning']);
    const jobs = TENANTS.map(newJob);
    const all = (target: 'staged' | 'restored') =>
      Promise.all(jobs.map((job, place) => reach(engines[place % 2] as Engine, job, target)));
    const stage = await amongQueries(() => all('staged'));
    expect(await countRows(db.admin, 'many.events')).toBe(ROWS);
    const restore = await amongQueries(() => all('restored'));
    expect([...stage.failed, ...restore.failed]).toEqual([]);
    expect(Math.min(stage.queries, restore.queries)).toBeGreaterThan(10);
    expect(await checksums(db.admin, many)).toEqual(before);
    expect(await archivesLeft(db)).toEqual([]);
  });

  it('lets one wait for the others, and say why and for whom', async () => {
    const other = await db.connect();
    const [pid] = (await other.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows;
    await other.query(`SELECT pg_advisory_lock(${PLACES}, 7)`);
    const engine = db.engine();
    const job = newJob(TENANTS[0] ?? '');
    const waits = await untilBlockerSeen(engine, job).finally(() => other.end());
    expect(waits).toMatchObject({ state: 'staging', rowsDone: 0 });
    expect(waits.waitingFor).toMatchObject({
      kind: 'lock',
      reason: expect.stringMatching(/^So many locks .* more than half of the 16 transactions/),
      blockers: [expect.stringMatching(new RegExp(`^pid ${pid?.pid} `))],
    });
    expect((await reach(engine, job, 'staged')).rowsDone).toBe(ROWS);
    await reach(engine, job, 'restored');
    expect(await checksums(db.admin, many)).toEqual(before);
  });

  it('lets it have its turn among small ones that are always at work', async () => {
    const small = [await db.connect(), await db.connect()];
    let over = false;
    let turns = 0;
    // One begins before the other ends, if it can within a while: no moment is free of both.
    const working = (async () => {
      for (; !over; turns++) {
        const [now, next] = [small[turns % 2] as pg.Client, small[(turns + 1) % 2] as pg.Client];
        await next.query('BEGIN');
        const begun = until(() => takesPlace(next), { what: 'a place', everyMs: 5 });
        await Promise.race([begun, setTimeout(200)]);
        await now.query('COMMIT');
        await begun;
      }
    })();
    const engine = db.engine();
    const job = newJob(TENANTS[0] ?? '');
    await until(async () => turns > 5, { what: 'the small ones to be at work' });
    await reach(engine, job, 'staged');
    await reach(engine, job, 'restored');
    const meanwhile = turns;
    await until(async () => turns > meanwhile + 5, { what: 'the small ones to go on' });
    over = true;
    await working;
    for (const client of small) await client.end();
    expect(await checksums(db.admin, many)).toEqual(before);
  });
});

const takesPlace = async (client: pg.Client) =>
  (
    await client.query(
      `SELECT FROM generate_series(1, 16) AS place WHERE pg_try_advisory_xact_lock(${PLACES}, place) LIMIT 1`,
    )
  ).rowCount === 1;

/** Requests until one says for whom it waits, which a second connection looks up, and may be late with. */
function untilBlockerSeen(engine: Engine, job: Job): Promise<LedgerStatus> {
  return until(
    async () => {
      const status = await ask(engine, job, 'staged', { timeBudgetMs: 500 });
      const seen = (status.waitingFor?.blockers.length ?? 0) > 0;
      return (seen || status.state === 'staged') && status;
    },
    { what: 'it to say for whom it waits' },
  );
}

describe('a lock table that somebody else has filled', () => {
  it('keeps a deletion from being done, not from being done later', async () => {
    const somebody = await db.connect();
    const engine = db.engine();
    const { planHash } = await engine.manifest();
    const busy = { code: 'database_busy', facts: { sqlstate: '53200' } };

    const first = newJob(TENANTS[1] ?? '');
    await fill(somebody);
    await expect(ask(engine, first, 'staged', { planHash })).rejects.toMatchObject(busy);
    expect(await countRows(somebody, neighboursOfOneMonth)).toBe(ROWS / LEAVES);
    await somebody.query('SELECT pg_advisory_unlock_all()');
    expect(await checksums(db.admin, many)).toEqual(before);

    expect((await reach(engine, first, 'staged')).rowsDone).toBe(ROWS);
    await fill(somebody);
    await expect(ask(engine, first, 'restored')).rejects.toMatchObject(busy);
    await somebody.query('SELECT pg_advisory_unlock_all()');
    expect((await reach(engine, first, 'restored')).rowsDone).toBe(ROWS);
    expect(await checksums(db.admin, many)).toEqual(before);

    const second = newJob(TENANTS[1] ?? '');
    await reach(engine, second, 'staged');
    await fill(somebody);
    await expect(ask(engine, second, 'purged')).rejects.toMatchObject(busy);
    await somebody.query('SELECT pg_advisory_unlock_all()');
    await reach(engine, second, 'purged');
    expect(await engine.verify(second.tenantId, second.jobId)).toMatchObject({ clean: true, rowsLeft: 0 });
    expect(await countRows(db.admin, neighbours)).toBe(ROWS);
    await somebody.end();
  });
});

/** Takes all that is there, and leaves enough for a few small queries. */
async function fill(somebody: pg.Client): Promise<void> {
  let taken = 0;
  const step = 20;
  const lock = (call: string) =>
    somebody.query(`SELECT ${call}(n) FROM generate_series(${taken + 1}, ${taken + step}) n`);
  for (let full = false; !full; ) {
    await lock('pg_advisory_lock').then(
      () => {
        taken += step;
      },
      (error: { code: string }) => {
        expect(error.code).toBe('53200');
        full = true;
      },
    );
  }
  taken -= 2 * step;
  await lock('pg_advisory_unlock');
}

describe('a lock table that one deletion would fill', () => {
  it('has the deletion refused before anything is touched', async () => {
    const now = await checksums(db.admin, many);
    await db.admin.query('CREATE INDEX one_more ON many.events (month, id)');
    const engine = db.engine();
    expect(await findings(engine)).toEqual(['refusal']);
    const job = newJob(TENANTS[2] ?? '');
    await expect(ask(engine, job, 'staged')).rejects.toMatchObject({
      code: 'plan_refused',
      message: expect.stringMatching(/about 224 locks.*room for 240.*max_locks_per_transaction/),
    });
    expect((await engine.status(job.tenantId, job.jobId)).state).toBe('absent');
    expect(await checksums(db.admin, many)).toEqual(now);
    await db.admin.query('DROP INDEX many.one_more');
    expect(await findings(engine)).toEqual(['warning']);
  });
});
