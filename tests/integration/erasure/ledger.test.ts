import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Engine, EngineError, type LedgerState, type Target } from '../../../erasure/engine-types.js';
import { OPEN_STATES, TRANSITIONS } from '../../../erasure/ledger/transitions.js';
import { TRANSITIONS as ON_THE_WIRE } from '../../../protocol/transitions.js';
import { until } from '../../support/conditions.js';
import {
  archivesLeft,
  ask,
  checksum,
  countRows,
  createErasureDatabase,
  type ErasureDatabase,
  type Job,
  newJob,
  reach,
  untilItWaits,
} from '../../support/erasure.js';
import { NEIGHBOUR, SMALL_SQL, SMALL_TOTAL, smallRows, smallShop } from './small-shop.js';

let db: ErasureDatabase;
let engine: Engine;
let others: Engine;
let neighbour: string;
let planHash: string;
let next = 1;

const TABLES = ['accounts', 'notes', 'visits'].map((name) => `small.${name}`);
const neighbours = async () => {
  const sums = [];
  for (const table of TABLES)
    sums.push(await checksum(db.admin, `(SELECT * FROM ${table} WHERE tenant_id = '${NEIGHBOUR}')`));
  return sums.join();
};

beforeAll(async () => {
  db = await createErasureDatabase({ declaration: smallShop, schema: SMALL_SQL });
  engine = db.engine();
  others = db.engine();
  await db.admin.query(smallRows(NEIGHBOUR, 100));
  neighbour = await neighbours();
  ({ planHash } = await engine.manifest());
});
afterAll(async () => {
  if (db) {
    expect(await neighbours()).toBe(neighbour);
    await db.drop();
  }
});

/** A tenant with rows, whom no other test knows. */
async function newTenant(): Promise<string> {
  const tenantId = randomUUID();
  next += 1;
  await db.admin.query(smallRows(tenantId, next * 100));
  return tenantId;
}

async function liveRows(tenantId: string): Promise<number> {
  return (await engine.preview(tenantId)).totalRows;
}

const targets: readonly Target[] = ['staged', 'restored', 'purged'];

describe('the ledger', () => {
  it('answers to every target in every state as the protocol says', () => {
    for (const [state, row] of Object.entries(TRANSITIONS)) {
      for (const target of targets) {
        const ours = row[target];
        const wire = ON_THE_WIRE[state as LedgerState][target];
        const answer = ours === 'done' ? 'done' : typeof ours === 'string' ? ours : 'works';
        expect([state, target, wire.answer === 'refused' ? wire.code : wire.answer]).toEqual([
          state,
          target,
          answer,
        ]);
      }
    }
  });

  it('holds to it under duplicate, late and reordered requests for two jobs of a tenant', async () => {
    const request = fc.record({ job: fc.nat(1), target: fc.constantFrom(...targets) });
    const sequence = fc.array(request, { minLength: 2, maxLength: 7 });
    await fc.assert(
      fc.asyncProperty(sequence, async (requests) => {
        const tenantId = await newTenant();
        const jobs = [newJob(tenantId), newJob(tenantId)] as const;
        const states: [LedgerState, LedgerState] = ['absent', 'absent'];
        let live = SMALL_TOTAL;
        const archived: [number, number] = [0, 0];
        for (const { job, target } of requests) {
          const index = job === 0 ? 0 : 1;
          const state = states[index];
          const answer = TRANSITIONS[state][target];
          const otherOpen = OPEN_STATES.includes(states[1 - index] ?? 'absent');
          const refusal =
            state === 'absent' && target !== 'restored' && otherOpen
              ? 'other_job_open'
              : typeof answer === 'string' && answer !== 'done'
                ? answer
                : null;
          const result = await advance(engine, jobs[index], target);
          if (refusal !== null) {
            expect(result).toBe(refusal);
          } else {
            states[index] = target;
            if (target === 'staged' && answer !== 'done') {
              archived[index] = live;
              live = 0;
            } else if (target === 'restored' && answer !== 'done') {
              live += archived[index];
              archived[index] = 0;
            } else if (target === 'purged') {
              archived[index] = 0;
              live = 0;
            }
            expect(result).toBe(target);
          }
          for (const one of [0, 1] as const) {
            expect((await engine.status(tenantId, jobs[one].jobId)).state).toBe(states[one]);
          }
          const verified = await engine.verify(tenantId, null);
          const sum = (key: 'liveRows' | 'archivedRows') =>
            verified.tables.reduce((total, table) => total + table[key], 0);
          expect([sum('liveRows'), sum('archivedRows')]).toEqual([live, archived[0] + archived[1]]);
        }
        for (const one of [0, 1] as const) {
          if (OPEN_STATES.includes(states[one])) await advance(engine, jobs[one], 'purged');
        }
      }),
      { numRuns: 15, interruptAfterTimeLimit: 8_000 },
    );
  });
});

/** The state that was reached, or the code of the refusal. */
async function advance(one: Engine, job: Job, target: Target): Promise<string> {
  try {
    for (;;) {
      const { state, waitingFor } = await one.advance({ ...job, target, planHash, timeBudgetMs: 5_000 });
      if (state === target || waitingFor === null) return state;
    }
  } catch (error) {
    if (error instanceof EngineError) return error.code;
    throw error;
  }
}

describe('requests at the same time, from several processes', () => {
  it.each(targets)('for %s end the same, with the same counts', async (target) => {
    const job = newJob(await newTenant());
    if (target === 'restored') await reach(engine, job, 'staged');
    const answers = await Promise.all(
      [engine, others, engine, others].map((one) => advance(one, job, target)),
    );
    expect(new Set(answers)).toEqual(new Set([target]));
    const status = await engine.status(job.tenantId, job.jobId);
    expect(status.rowsDone).toBe(SMALL_TOTAL);
    expect(await liveRows(job.tenantId)).toBe(target === 'restored' ? SMALL_TOTAL : 0);
    await advance(engine, job, target === 'staged' ? 'purged' : target);
    expect(await archivesLeft(db)).toEqual([]);
  });

  it('for stage and its own compensation never leave half of it', async () => {
    for (let round = 0; round < 4; round++) {
      const job = newJob(await newTenant());
      const answers = await Promise.all([
        advance(engine, job, 'staged'),
        advance(others, job, 'restored'),
        advance(others, job, 'staged'),
      ]);
      expect(answers[1]).toBe('restored');
      expect((await engine.status(job.tenantId, job.jobId)).state).toBe('restored');
      expect(await liveRows(job.tenantId)).toBe(SMALL_TOTAL);
      expect(await advance(engine, job, 'staged')).toBe('state_conflict');
    }
    expect(await archivesLeft(db)).toEqual([]);
  });

  it('for two tenants do not stand in each other’s way', async () => {
    const jobs = [newJob(await newTenant()), newJob(await newTenant())];
    for (const target of ['staged', 'restored'] as const) {
      const states = await Promise.all(
        jobs.map((job, place) => advance(place === 0 ? engine : others, job, target)),
      );
      expect(states).toEqual([target, target]);
    }
    for (const { tenantId } of jobs) expect(await liveRows(tenantId)).toBe(SMALL_TOTAL);
  });

  it('for two jobs of one tenant let one begin', async () => {
    const tenantId = await newTenant();
    const jobs = [newJob(tenantId), newJob(tenantId)];
    const states = await Promise.all(
      jobs.map((job, place) => advance(place === 0 ? engine : others, job, 'staged')),
    );
    expect(states.sort()).toEqual(['other_job_open', 'staged']);
  });
});

describe('a database that came back from a backup', () => {
  it('which knows nothing of the job is purged from the beginning, fenced and waited for', async () => {
    const job = newJob(await newTenant());
    const writer = await db.connect();
    await writer.query(`BEGIN; INSERT INTO small.notes VALUES (99, '${job.tenantId}', 'late')`);
    const waiting = await untilItWaits(engine, job, 'purged');
    expect(waiting).toMatchObject({ state: 'purging', waitingFor: { kind: 'older_transaction' } });
    await writer.query('COMMIT');
    expect(await ask(engine, job, 'purged')).toMatchObject({ state: 'purged', rowsDone: SMALL_TOTAL + 1 });
    expect(await engine.verify(job.tenantId, job.jobId)).toMatchObject({ clean: true, horizonPassed: true });
    await expect(
      db.admin.query(`INSERT INTO small.notes VALUES (98, '${job.tenantId}', 'later')`),
    ).rejects.toMatchObject({ code: '23514' });
  });

  it('with rows of a purged tenant is swept by the same request, and the counts are added', async () => {
    const job = newJob(await newTenant());
    await reach(engine, job, 'purged');
    await db.admin.query(
      `SET lethe.engine = 'on'; INSERT INTO small.notes VALUES (97, '${job.tenantId}', 'back'); RESET lethe.engine`,
    );
    expect(await engine.verify(job.tenantId, job.jobId)).toMatchObject({ clean: false, rowsLeft: 1 });
    expect(await ask(engine, job, 'purged')).toMatchObject({ state: 'purged', rowsDone: SMALL_TOTAL + 1 });
    expect(await engine.verify(job.tenantId, job.jobId)).toMatchObject({ clean: true });
  });

  it('with a job that nobody knows any more goes with the job that supersedes it', async () => {
    const unknown = newJob(await newTenant());
    await reach(engine, unknown, 'staged');
    const job = newJob(unknown.tenantId);
    await expect(ask(engine, job, 'purged')).rejects.toMatchObject({
      code: 'other_job_open',
      facts: { jobId: unknown.jobId, state: 'staged' },
    });
    const purged = await ask(engine, job, 'purged', { supersedesJobId: unknown.jobId });
    expect(purged).toMatchObject({ state: 'purged', rowsDone: SMALL_TOTAL });
    expect((await engine.manifest()).openJobs.map(({ jobId }) => jobId)).not.toContain(unknown.jobId);
    expect(await engine.verify(job.tenantId, job.jobId)).toMatchObject({ clean: true, rowsLeft: 0 });
  });

  it('as another database finds tables by their names, and takes its horizon anew', async () => {
    const job = newJob(await newTenant());
    const before = await checksum(db.admin, 'small.notes');
    const { planHash: hash } = await reach(engine, job, 'staged');
    // As after a dump and reload: other OIDs, other numbers of columns, transaction ids of another cluster.
    await db.admin.query(
      `UPDATE lethe_small.deletion_ledger SET database_oid = 1, horizon = '9000000000000'::xid8,
         archives = regexp_replace(regexp_replace(archives::text, '"oid": \\d+', '"oid": 1', 'g'),
                                   '"attnum": (\\d+)', '"attnum": 9\\1', 'g')::jsonb WHERE job_id = $1`,
      [job.jobId],
    );
    expect((await engine.status(job.tenantId, job.jobId)).restorable).toEqual({
      possible: true,
      reasons: [],
    });
    const verified = await until(async () => {
      const found = await engine.verify(job.tenantId, job.jobId);
      return found.horizonPassed && found;
    });
    expect(verified.rowsLeft).toBe(SMALL_TOTAL);
    expect(Number(verified.horizon)).toBeLessThan(9_000_000_000_000);
    expect(hash).toBe(planHash);
    await reach(engine, job, 'restored');
    expect(await checksum(db.admin, 'small.notes')).toBe(before);
  });
});

describe('a tombstone', () => {
  it('belongs to its job: another job’s restore does not lift it', async () => {
    const tenantId = await newTenant();
    const stays = newJob(tenantId);
    await reach(engine, stays, 'purged');
    await ask(engine, newJob(tenantId), 'restored');
    expect(await countRows(db.admin, `lethe_small.tenant_tombstones WHERE job_id = '${stays.jobId}'`)).toBe(
      1,
    );
  });
});
