import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EndedStatus } from '../../../protocol/jobs.js';
import type { Records } from '../../../records/types.js';
import { endAs } from '../../support/certificates.js';
import {
  ended,
  expectProblem,
  OWNER,
  open,
  openTestRecords,
  PLAN_HASH,
  SAGA,
  staged,
  type TestRecords,
  valid,
} from './support.js';

let test: TestRecords;
let records: Records;
let other: Records;
beforeAll(async () => {
  test = await openTestRecords();
  ({ records, other } = test);
});
afterAll(() => test?.close());

describe('runs', () => {
  it('get their epoch at their first write, and the same one again', async () => {
    const { job_id } = await open(records);
    expect(await records.beginRun(job_id, 'one')).toBe(1);
    expect(await records.beginRun(job_id, 'two')).toBe(2);
    expect(await records.beginRun(job_id, 'one')).toBe(1);
    expect(await other.beginRun(job_id, 'two')).toBe(2);
    expect(await records.beginRun((await open(records)).job_id, 'two')).toBe(1);
  });

  it('many at once: each its own', async () => {
    const { job_id } = await open(records);
    const begin = (_: unknown, index: number) =>
      (index % 2 ? records : other).beginRun(job_id, `run-${index}`);
    const epochs = await Promise.all(Array.from({ length: 12 }, begin));
    expect(epochs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
  });
});

describe('writes of a run', () => {
  it('late and out of order: only the newest counts', async () => {
    const { job_id } = await open(records);
    const epoch = await records.beginRun(job_id, 'one');
    expect(
      await records.updateJob(job_id, { epoch, number: 3 }, { status: 'in_progress', phase: 'stage' }),
    ).toBe(true);
    expect(await records.updateJob(job_id, { epoch, number: 2 }, { phase: 'check' })).toBe(false);
    // The answer was lost, so it is sent once more.
    expect(await records.updateJob(job_id, { epoch, number: 3 }, { phase: 'stage' })).toBe(true);
    expect(valid(await records.getJob(job_id))).toMatchObject({ status: 'in_progress', phase: 'stage' });
  });

  it('of a run that was replaced are dropped, however high their numbers', async () => {
    const { job_id } = await open(records);
    const old = await records.beginRun(job_id, 'old');
    await records.updateJob(job_id, { epoch: old, number: 500 }, { phase: 'stage', status: 'in_progress' });
    const young = await records.beginRun(job_id, 'young');
    expect(await records.updateJob(job_id, { epoch: old, number: 501 }, { phase: 'window' })).toBe(false);
    expect(await records.updateJob(job_id, { epoch: young, number: 1 }, { phase: 'open' })).toBe(true);
    expect(await records.beginRun(job_id, 'old')).toBe(old);
    expect(await records.updateJob(job_id, { epoch: old, number: 502 }, { phase: 'window' })).toBe(false);
    expect((await records.getJob(job_id)).phase).toBe('open');
  });

  it('shuffled over two processes: the last pair stands', async () => {
    const { job_id } = await open(records);
    const epoch = await records.beginRun(job_id, 'one');
    const numbers = [7, 3, 12, 1, 9, 5, 11, 2, 8, 4, 10, 6];
    await Promise.all(
      numbers.map((number, index) =>
        (index % 2 ? records : other).updateJob(job_id, { epoch, number }, { rowsTotal: number }),
      ),
    );
    expect((await records.getJob(job_id)).rows_total).toBe(12);
  });

  it('set and clear every field', async () => {
    const { job_id } = await open(records);
    const epoch = await records.beginRun(job_id, 'one');
    const since = new Date().toISOString();
    const waitingFor = {
      kind: 'older_transaction' as const,
      since,
      until: since,
      who_can_act: 'operator',
      next_action: 'End it.',
    };
    const patch = {
      status: 'waiting',
      phase: 'stage',
      waitingFor,
      outcome: 'Waits.',
      previewHash: PLAN_HASH,
      rowsTotal: 7_000_000_000,
      stagedAt: since,
    } as const;
    await records.updateJob(job_id, { epoch, number: 1 }, patch);
    expect(valid(await records.getJob(job_id))).toMatchObject({
      status: 'waiting',
      phase: 'stage',
      waiting_for: waitingFor,
      outcome: 'Waits.',
      preview_hash: PLAN_HASH,
      rows_total: 7_000_000_000,
      staged_at: since,
    });
    await records.updateJob(job_id, { epoch, number: 2 }, { waitingFor: null, outcome: null });
    expect(valid(await records.getJob(job_id))).toMatchObject({
      status: 'waiting',
      waiting_for: null,
      outcome: null,
    });
  });
});

describe('what services tell', () => {
  it('is entered and kept up, and only purged rows count as deleted', async () => {
    const { job_id } = await open(records);
    const at = new Date().toISOString();
    const error = {
      code: 'database_busy',
      message: 'Locked.',
      table: 'a.b',
      privilege: null,
      sqlstate: '55P03',
      at,
    };
    const wait = { kind: 'lock' as const, since: at, reason: 'A lock (55P03).', blockers: ['pid 7'] };
    await records.updateService(job_id, {
      name: 'orders',
      planHash: PLAN_HASH,
      state: 'staging',
      counts: [{ table: 'orders.orders', rows: 5 }],
      rowsDone: 5,
      rowsTotal: 9,
      addAttempts: 2,
      lastError: error,
      waitingFor: wait,
    });
    await records.updateService(job_id, { name: 'tenant', role: 'tenant_directory', reversible: false });
    await records.updateService(job_id, { name: 'orders', addAttempts: 1 });
    const job = valid(await records.getJob(job_id));
    expect(job.rows_deleted).toBe(0);
    expect(job.services).toMatchObject([
      {
        name: 'orders',
        state: 'staging',
        attempts: 3,
        rows_done: 5,
        rows_total: 9,
        last_error: error,
        waiting_for: wait,
      },
      { name: 'tenant', role: 'tenant_directory', reversible: false, state: 'absent', counts: [] },
    ]);
    await records.updateService(job_id, {
      name: 'orders',
      state: 'purged',
      lastError: null,
      waitingFor: null,
      verifiedAt: at,
      counts: [
        { table: 'orders.orders', rows: 5 },
        { table: 'orders.items', rows: 4 },
      ],
    });
    const purged = valid(await records.getJob(job_id));
    expect(purged.rows_deleted).toBe(9);
    expect(purged.services[0]).toMatchObject({ last_error: null, waiting_for: null, verified_at: at });
  });

  it('by an older run, or after the end, is dropped', async () => {
    const { job_id } = await staged(records);
    await records.updateService(job_id, { name: 'orders', state: 'staged', epoch: 2 });
    await records.updateService(job_id, { name: 'orders', state: 'staging', epoch: 1 });
    expect((await records.getJob(job_id)).services[0]?.state).toBe('staged');
    await records.decideAbort(job_id, 'failure', SAGA);
    await records.endJob(job_id, { epoch: 3, number: 1 }, 'compensated', 'Over.');
    await records.updateService(job_id, { name: 'orders', state: 'staging', epoch: 4 });
    expect((await records.getJob(job_id)).services[0]?.state).toBe('staged');
  });

  it('all at once: nothing is lost, and nobody waits for ever', async () => {
    const { job_id } = await open(records);
    const epoch = await records.beginRun(job_id, 'one');
    const names = Array.from({ length: 12 }, (_, index) => `service${index}`);
    await Promise.all([
      ...names.map((name) => records.recordStageRequest(job_id, name)),
      ...names.map((name) => other.updateService(job_id, { name, addAttempts: 1 })),
      ...names.map((name) => records.updateService(job_id, { name, addAttempts: 1, state: 'staging' })),
      ...names.map((_, number) => other.updateJob(job_id, { epoch, number }, { phase: 'stage' })),
    ]);
    const { services } = valid(await records.getJob(job_id));
    expect(services).toHaveLength(12);
    for (const one of services) {
      expect(one).toMatchObject({ attempts: 2, state: 'staging', stage_requested_at: expect.any(String) });
    }
  });
});

describe('ends', () => {
  const order = { epoch: 1, number: 99 };

  it('is never left: not by a later run, not by another end', async () => {
    const job = await ended(records, 'completed');
    valid(job);
    const epoch = await records.beginRun(job.job_id, 'later');
    expect(await records.updateJob(job.job_id, { epoch, number: 1 }, { status: 'in_progress' })).toBe(false);
    expect(await records.endJob(job.job_id, { epoch, number: 2 }, 'completed', 'Another word.')).toEqual(job);
    expect(await records.endJob(job.job_id, { epoch, number: 3 }, 'compensated', 'Another end.')).toEqual(
      job,
    );
    expect(await records.getJob(job.job_id)).toEqual(job);
    const ends = (await records.auditTrail(job.job_id)).filter(({ action }) => action === 'job ended');
    expect(ends).toHaveLength(1);
  });

  it('by a run that was replaced is dropped', async () => {
    const { job_id } = await staged(records);
    const old = await records.beginRun(job_id, 'old');
    await records.beginRun(job_id, 'young');
    await records.decideAbort(job_id, 'failure', SAGA);
    const told = await records.endJob(job_id, { epoch: old, number: 99 }, 'compensated', 'Too early.');
    expect(told).toMatchObject({ status: 'compensating', ended_at: null });
  });

  it.each<[string, EndedStatus[]]>([
    ['nothing decided', []],
    ['proceed', ['completed']],
    ['cancel', ['cancelled']],
    ['failure, touched', ['compensated']],
    ['refusal, touched', ['compensated']],
    ['refusal, untouched', ['refused']],
    ['failure, untouched', ['refused', 'compensated']],
  ])('%s: only %j', async (decided, allowed) => {
    for (const status of ['completed', 'compensated', 'cancelled', 'refused'] as const) {
      const { job_id } = await (decided.endsWith('untouched') ? open(records) : staged(records));
      if (decided === 'proceed') await records.decideProceed(job_id);
      else if (decided.startsWith('failure')) await records.decideAbort(job_id, 'failure', SAGA);
      else if (decided.startsWith('refusal')) await records.decideAbort(job_id, 'refusal', SAGA);
      else if (decided === 'cancel') await records.decideAbort(job_id, 'cancel', OWNER);
      if (allowed.includes(status)) {
        const job = valid(await endAs(records, job_id, order, status, 'So it ended.'));
        expect(job).toMatchObject({ status, phase: 'ended', outcome: 'So it ended.', reversible: false });
      } else {
        await expectProblem(records.endJob(job_id, order, status, 'So it ended.'), 'state_conflict');
        expect((await records.getJob(job_id)).ended_at).toBeNull();
      }
    }
  });

  it('completed marks the tenant as erased, and no other end does', async () => {
    const gone = await ended(records, 'completed');
    expect(await records.isErased(gone.tenant_id)).toBe(true);
    for (const status of ['compensated', 'cancelled', 'refused'] as const) {
      expect(await records.isErased((await ended(records, status)).tenant_id)).toBe(false);
    }
  });
});
