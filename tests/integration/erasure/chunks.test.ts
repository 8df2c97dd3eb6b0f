import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Engine,
  EngineError,
  type EngineLimits,
  type LedgerStatus,
} from '../../../erasure/engine-types.js';
import { until } from '../../support/conditions.js';
import {
  archivesLeft,
  checksums,
  countRows,
  createErasureDatabase,
  type ErasureDatabase,
  type Job,
  newJob,
} from '../../support/erasure.js';
import { LARGE_SQL, largeRows, largeShop, largeTotal, NEIGHBOUR, ORPHANS, TENANT } from './large-shop.js';

/** Every table in chunks of a block. */
const TINY: Partial<EngineLimits> = { singleTransactionRows: 0, chunkMs: 1 };
const ACCOUNTS = 10;
const TOTAL = largeTotal(ACCOUNTS);

let db: ErasureDatabase;
/** Restores all at once. */
let whole: Engine;
let planHash: string;
let before: Record<string, string>;

beforeAll(async () => {
  db = await createErasureDatabase({ declaration: largeShop, schema: LARGE_SQL, fast: true });
  await db.admin.query(largeRows(NEIGHBOUR, 1000, ACCOUNTS));
  await db.admin.query(largeRows(TENANT, 0, ACCOUNTS));
  await db.admin.query('ANALYZE');
  whole = db.engine();
  planHash = (await whole.manifest()).planHash;
});
beforeEach(async () => {
  // What was dead would make further blocks.
  await db.admin.query('VACUUM');
  before = await checksums(db.admin, largeShop);
});
afterEach(async () => {
  await db.admin.query('DELETE FROM lethe_large.tenant_tombstones; DELETE FROM lethe_large.deletion_ledger');
  expect(await countRows(db.admin, ORPHANS)).toBe(0);
  expect(await archivesLeft(db)).toEqual([]);
});
afterAll(() => db?.drop());

/** One step, then the answer. */
function step(engine: Engine, job: Job, target: 'staged' | 'restored' | 'purged', timeBudgetMs = 0) {
  return engine.advance({ ...job, target, timeBudgetMs, ...(target === 'staged' && { planHash }) });
}

/** Steps until it is there; `each` between any two. */
async function stepTo(
  engine: () => Engine,
  job: Job,
  target: 'staged' | 'restored' | 'purged',
  each: (status: LedgerStatus, steps: number) => Promise<unknown> = async () => undefined,
): Promise<LedgerStatus> {
  for (let steps = 1; steps < 400; steps++) {
    const status = await step(engine(), job, target);
    if (status.state === target) return status;
    await each(status, steps);
  }
  throw new Error(`not ${target} within 400 steps`);
}

/** Whether triggers may be turned off. */
async function silence(may: boolean): Promise<void> {
  const role = `"${db.role}"`;
  await db.admin.query(
    may
      ? `GRANT SET ON PARAMETER session_replication_role TO ${role}`
      : `REVOKE SET ON PARAMETER session_replication_role FROM ${role}`,
  );
}

/** A process that is gone with all its connections, whatever they were at. */
async function kill(): Promise<void> {
  await db.admin.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1 AND datname = current_database()`,
    [db.role],
  );
}

function progressOf({ jobId }: Job): Promise<{ table: string; at: number; notBefore?: string } | null> {
  return db.admin
    .query<{ progress: { table: string; at: number } | null }>(
      'SELECT progress FROM lethe_large.deletion_ledger WHERE job_id = $1',
      [jobId],
    )
    .then(({ rows }) => rows[0]?.progress ?? null);
}

describe('a tenant that goes in chunks', () => {
  it.each(['on', 'off'])(
    'goes on in another process after each chunk, breaks no key in between, and comes back likewise, with triggers %s',
    async (triggers) => {
      await silence(triggers === 'off');
      const engines = [db.engine(TINY), db.engine(TINY)];
      let turn = 0;
      const job = newJob(TENANT);
      const tables = new Set<string>();
      let last = 0;
      const alternate = () => engines[turn++ % 2] as Engine;
      const staged = await stepTo(alternate, job, 'staged', async (status) => {
        expect(status.rowsDone).toBeGreaterThanOrEqual(last);
        last = status.rowsDone;
        expect(await countRows(db.admin, ORPHANS)).toBe(0);
        tables.add((await progressOf(job))?.table ?? '');
      });
      expect(staged).toMatchObject({ rowsDone: TOTAL, rowsTotal: TOTAL });
      expect([...tables].filter((table) => table.startsWith('large.')).sort()).toEqual(
        [...Object.keys(largeShop.tables), 'large.staff'].sort(),
      );
      expect(await progressOf(job)).toBeNull();
      const restored = await stepTo(alternate, job, 'restored', async () => {
        expect(await countRows(db.admin, ORPHANS)).toBe(0);
        expect(await countRows(db.admin, 'lethe_large.tenant_tombstones')).toBe(1);
      });
      expect(restored).toMatchObject({ rowsDone: TOTAL, rowsTotal: TOTAL });
      expect(await checksums(db.admin, largeShop)).toEqual(before);
      expect(await countRows(db.admin, 'lethe_large.tenant_tombstones')).toBe(0);
    },
  );

  it('loses and doubles nothing, however often it is killed in the middle of chunks', async () => {
    const job = newJob(TENANT);
    const engines = [db.engine(TINY), db.engine(TINY)];
    const killed = async (target: 'staged' | 'restored') => {
      for (let steps = 1; steps < 400; steps++) {
        const asked = step(engines[steps % 2] as Engine, job, target, 300).catch((error: unknown) => {
          if (error instanceof EngineError && error.code.startsWith('database_')) return null;
          throw error;
        });
        if (steps % 2 > 0) {
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 100));
          await kill();
        }
        if ((await asked)?.state === target) return;
      }
      throw new Error(`not ${target}`);
    };
    await killed('staged');
    const archived = await db.admin.query<{ rows: number }>(
      `SELECT sum((a->>'rows')::int)::int AS rows FROM lethe_large.deletion_ledger, jsonb_array_elements(archives) a`,
    );
    expect(archived.rows[0]?.rows).toBe(TOTAL);
    await killed('restored');
    expect(await checksums(db.admin, largeShop)).toEqual(before);
  });
});

describe('rows that others write while chunks go', () => {
  it('are archived as they were written last, or were never there, behind the walk as before it', async () => {
    const job = newJob(TENANT);
    const writer = await db.connect();
    const engine = db.engine(TINY);
    const rows = await db.admin.query<{ id: string }>(
      `SELECT id FROM large.accounts WHERE tenant_id = '${TENANT}' ORDER BY n`,
    );
    const ids = rows.rows.map(({ id }) => id);
    const wanted = new Map<string, string | null>();
    let count = 0;
    const write = (sql: string, values: unknown[]) =>
      writer.query(sql, values).then(
        ({ rowCount }) => rowCount ?? 0,
        () => 0,
      );
    await stepTo(
      () => engine,
      job,
      'staged',
      async (_, steps) => {
        if (steps > 60) return;
        const id = randomUUID();
        const account = ids[steps % ids.length];
        // A new row, which may land in any block; one that moves; children of what is still there; one less.
        if (await write(`INSERT INTO large.accounts VALUES ($1, '${TENANT}', -1, 'new')`, [id]))
          wanted.set(id, 'new');
        if (await write('UPDATE large.accounts SET pad = $2 WHERE id = $1', [account, `moved ${steps}`]))
          wanted.set(account ?? '', `moved ${steps}`);
        count += await write(`INSERT INTO large.orders (account_id, pad) VALUES ($1, 'late')`, [account]);
        count += await write(
          `INSERT INTO large.lines SELECT max(id), 7, 'late' FROM large.orders WHERE account_id = $1 HAVING max(id) IS NOT NULL`,
          [account],
        );
        if (steps % 9 === 0 && (await write(`DELETE FROM large.accounts WHERE id = $1`, [id])))
          wanted.delete(id);
      },
    );
    expect(await countRows(db.admin, `large.accounts WHERE tenant_id = '${TENANT}'`)).toBe(0);
    expect(count).toBeGreaterThan(10);
    const status = await stepTo(() => engine, job, 'restored');
    expect(status.rowsDone).toBe(TOTAL + count + [...wanted.values()].filter((pad) => pad === 'new').length);
    const found = await db.admin.query<{ id: string; pad: string }>(
      `SELECT id, pad FROM large.accounts WHERE tenant_id = '${TENANT}' AND length(pad) < 100`,
    );
    expect(new Map(found.rows.map(({ id, pad }) => [id, pad]))).toEqual(wanted);
    expect(await countRows(db.admin, `large.orders WHERE pad = 'late'`)).toBeGreaterThan(5);
    await db.admin.query(`
      DELETE FROM large.orders WHERE pad = 'late'; DELETE FROM large.accounts WHERE n = -1;
      DELETE FROM large.lines WHERE pad = 'late';
      UPDATE large.accounts SET pad = repeat('x', 1800) WHERE pad LIKE 'moved %'`);
    expect(await checksums(db.admin, largeShop)).toEqual(before);
  });

  it('and refer to the tenant’s without being its own send it back in the middle, exactly', async () => {
    const job = newJob(TENANT);
    const engine = db.engine(TINY);
    const refers = `INSERT INTO large.categories SELECT 5000, '${NEIGHBOUR}', min(id) FROM large.categories
                     WHERE tenant_id = '${TENANT}' HAVING min(id) IS NOT NULL`;
    const failed = await stepTo(
      () => engine,
      job,
      'staged',
      async ({ rowsDone }) => {
        const there = await countRows(db.admin, 'large.categories WHERE id = 5000');
        if (rowsDone > 20 && there === 0) await db.admin.query(refers);
      },
    ).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'reference_conflict', facts: { table: 'large.categories' } });
    expect(await engine.status(TENANT, job.jobId)).toMatchObject({ state: 'restoring', rowsDone: 0 });
    await expect(step(engine, job, 'staged')).rejects.toMatchObject({ code: 'state_conflict' });
    await stepTo(() => engine, job, 'restored');
    await db.admin.query('DELETE FROM large.categories WHERE id = 5000');
    expect(await checksums(db.admin, largeShop)).toEqual(before);
  });
});

describe('a restore in chunks', () => {
  it('that stops in the middle has every row in one place, and goes on when the cause is gone', async () => {
    const job = newJob(TENANT);
    const engine = db.engine(TINY);
    await stepTo(() => whole, job, 'staged');
    // Nobody can know beforehand what a check will say.
    await db.admin.query(
      `ALTER TABLE large.orders ADD CONSTRAINT no_more CHECK (account_id IS NULL) NOT VALID`,
    );
    await expect(stepTo(() => engine, job, 'restored')).rejects.toMatchObject({
      code: 'restore_conflict',
      message: expect.stringMatching(/no_more.*What is not back yet is in the archive/),
    });
    const { rowsDone, state } = await engine.status(TENANT, job.jobId);
    expect(state).toBe('restoring');
    expect(rowsDone).toBeGreaterThan(0);
    expect(rowsDone).toBeLessThan(TOTAL);
    expect(await countRows(db.admin, 'lethe_large.tenant_tombstones')).toBe(1);
    await expect(step(engine, job, 'purged')).rejects.toMatchObject({ code: 'state_conflict' });
    await db.admin.query('ALTER TABLE large.orders DROP CONSTRAINT no_more');
    expect(await stepTo(() => engine, job, 'restored')).toMatchObject({ rowsDone: TOTAL });
    expect(await checksums(db.admin, largeShop)).toEqual(before);
  });
});

describe('what may be taken of the server', () => {
  it('makes chunks of a transaction that takes too long', async () => {
    const job = newJob(TENANT);
    const engine = db.engine({ singleTransactionMs: 5, chunkMs: 20 });
    const seen: unknown[] = [];
    await stepTo(
      () => engine,
      job,
      'staged',
      async () => seen.push((await progressOf(job))?.table),
    );
    expect(seen).toContain('large.logs');
    await stepTo(() => whole, job, 'restored');
    expect(await checksums(db.admin, largeShop)).toEqual(before);
  });

  it('lets no more log be written a second than it may, whoever goes on', async () => {
    const limit = 20_000;
    const engine = db.engine({ ...TINY, walBytesPerSecond: limit });
    const job = newJob(TENANT);
    const archived = async () => {
      const { rows } = await db.admin.query<{ bytes: number }>(
        `SELECT COALESCE(sum((a->>'rows')::int), 0)::float8 * 1800 AS bytes
           FROM lethe_large.deletion_ledger, jsonb_array_elements(archives) a`,
      );
      return rows[0]?.bytes ?? 0;
    };
    // What was archived is the least that was written. Others write as well, which makes it wait longer.
    const paused = await until(
      async () => {
        const [began, bytes] = [Date.now(), await archived()];
        const { rowsDone } = await step(engine, job, 'staged');
        const { notBefore } = (await progressOf(job)) ?? {};
        const written = (await archived()) - bytes;
        return notBefore && written > 0 ? { began, written, rowsDone, until: Date.parse(notBefore) } : null;
      },
      { what: 'a chunk that is followed by a pause', everyMs: 1 },
    );
    expect(paused.until - paused.began).toBeGreaterThan(
      Math.min((paused.written / limit) * 1_000, 30_000) - 50,
    );
    if (paused.until > Date.now() + 100)
      expect((await step(db.engine(TINY), job, 'staged')).rowsDone).toBe(paused.rowsDone);
    await db.admin.query(`UPDATE lethe_large.deletion_ledger SET progress = progress - 'notBefore'`);
    await stepTo(() => whole, job, 'restored');
    expect(await checksums(db.admin, largeShop)).toEqual(before);
  });

  it('has a deletion wait for its turn where as many are at work as may be', async () => {
    const others = await db.connect();
    const places = (call: string) =>
      others.query(`SELECT ${call}(x'6c657468'::int, place) FROM generate_series(1, 2) AS place`);
    const engine = db.engine({ ...TINY, concurrentWork: 2 });
    const job = newJob(TENANT);
    await places('pg_advisory_lock');
    const waits = await until(
      async () => {
        const status = await step(engine, job, 'staged', 50);
        return status.waitingFor && status;
      },
      { what: 'the deletion to wait', everyMs: 1 },
    );
    expect(waits).toMatchObject({ state: 'staging', rowsDone: 0, waitingFor: { kind: 'lock' } });
    expect(waits.waitingFor?.reason).toMatch(/^2 transactions of deletions are at work/);
    await places('pg_advisory_unlock');
    await until(async () => (await step(engine, job, 'staged')).rowsDone > 0, { what: 'rows to go' });
    await stepTo(() => whole, job, 'restored');
    expect(await checksums(db.admin, largeShop)).toEqual(before);
  });
});

describe('a purge', () => {
  it('of a tenant that is half staged goes on in chunks, and nobody else loses a row', async () => {
    const engine = db.engine(TINY);
    const job = newJob(TENANT);
    const neighbour = await neighbours(db.admin);
    for (let done = 0; done < TOTAL / 3; ) done = (await step(engine, job, 'staged')).rowsDone;
    const purged = await stepTo(
      () => engine,
      job,
      'purged',
      async (_, steps) => steps % 7 === 0 && kill(),
    ).catch(() => stepTo(() => engine, job, 'purged'));
    expect(purged).toMatchObject({ rowsDone: TOTAL, rowsTotal: TOTAL });
    expect(await engine.verify(TENANT, job.jobId)).toMatchObject({ clean: true, rowsLeft: 0 });
    expect(await neighbours(db.admin)).toEqual(neighbour);
    await db.admin.query(
      'DELETE FROM lethe_large.tenant_tombstones; DELETE FROM lethe_large.deletion_ledger',
    );
    await db.admin.query('DELETE FROM large.staff WHERE id < 1000');
    await db.admin.query(largeRows(TENANT, 0, ACCOUNTS));
  });

  it('without a stage goes in chunks as well, with counts to the row', async () => {
    const engine = db.engine(TINY);
    const job = newJob(TENANT);
    const neighbour = await neighbours(db.admin);
    let chunks = 0;
    const purged = await stepTo(
      () => engine,
      job,
      'purged',
      async () => {
        chunks += (await progressOf(job)) === null ? 0 : 1;
        expect(await countRows(db.admin, ORPHANS)).toBe(0);
      },
    );
    expect(chunks).toBeGreaterThan(20);
    expect(purged).toMatchObject({ rowsDone: TOTAL, rowsTotal: TOTAL });
    expect(await neighbours(db.admin)).toEqual(neighbour);
  });
});

/** Checksums of what is not the tenant's. */
async function neighbours(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ sum: string }>(
    ['accounts', 'categories', 'projects', 'logs', 'visits']
      .map(
        (table) =>
          `SELECT '${table} ' || count(*) || md5(string_agg(t::text, '' ORDER BY t::text)) AS sum FROM large.${table} t WHERE tenant_id <> '${TENANT}'`,
      )
      .join(' UNION ALL '),
  );
  return rows.map(({ sum }) => sum);
}
