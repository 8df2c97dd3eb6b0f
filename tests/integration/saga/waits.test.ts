/** Dates, windows, and what may have changed until they are over. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { OPERATOR, openTestSaga, type SagaWorker, type TestSaga } from '../../support/saga.js';

let saga: TestSaga;
let worker: SagaWorker;

beforeAll(async () => {
  saga = await openTestSaga();
  worker = await saga.startWorker();
});
afterAll(() => saga?.close());
afterEach(() => saga.settle());

const inMs = (milliseconds: number) => new Date(Date.now() + milliseconds).toISOString();

describe('the date', () => {
  it('is waited for with nothing touched, may be moved, and is not early', async () => {
    const tenantId = saga.tenant();
    const first = inMs(3_600_000);
    const job = await saga.request(tenantId, { start_at: first });
    const waits = await saga.until(job, ({ status }) => status === 'waiting');
    expect(waits.waiting_for).toMatchObject({ kind: 'date', until: first });
    saga.expectUntouched(tenantId);
    const startAt = inMs(400);
    const moved = await saga.records.reschedule(job.job_id, startAt, OPERATOR);
    await saga.runs.wake(moved, 'rescheduled');
    const ended = await saga.untilEnded(job);
    expect(ended.status).toBe('completed');
    const asked = ended.services.map(({ stage_requested_at }) => Date.parse(stage_requested_at ?? ''));
    expect(Math.min(...asked)).toBeGreaterThanOrEqual(Date.parse(startAt));
  });

  it('that was moved while Temporal was away is told by the reconciler', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, { start_at: inMs(3_600_000) });
    await saga.until(job, ({ status }) => status === 'waiting');
    await saga.records.reschedule(job.job_id, inMs(300), OPERATOR);
    await saga.reconciler.runOnce();
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'completed' });
  });
});

describe('the window', () => {
  it('keeps everything staged until it is over', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, {}, 1_000);
    const waits = await saga.until(job, ({ waiting_for }) => waiting_for?.kind === 'window');
    expect(waits).toMatchObject({ status: 'waiting', reversible: true, decision: null });
    expect(saga.orders.archived(tenantId)).toBe(3);
    expect(saga.isSuspended(tenantId)).toBe(true);
    const ended = await saga.untilEnded(job);
    const stagedFor = Date.parse(ended.decided_at ?? '') - Date.parse(ended.staged_at ?? '');
    expect(ended.status).toBe('completed');
    expect(stagedFor).toBeGreaterThanOrEqual(1_000);
    saga.expectGone(tenantId);
  });
});

describe('right before the pivot', () => {
  it('a service that a backup has brought back is staged again', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, {}, 3_000);
    await saga.until(job, ({ phase }) => phase === 'window');
    saga.orders.forget(tenantId, job.job_id);
    saga.orders.rows.set(tenantId, ['o1', 'o2', 'o3', 'o4']);
    const ended = await saga.untilEnded(job);
    expect(ended).toMatchObject({ status: 'completed', rows_deleted: 7 });
    const stagings = saga
      .proxy('orders')
      .seen.filter(({ target, jobId }) => target === 'staged' && jobId === job.job_id);
    expect(stagings).toHaveLength(2);
    saga.expectGone(tenantId);
  });

  it('a service that went back by itself means that all go back', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, {}, 3_000);
    await saga.until(job, ({ phase }) => phase === 'window');
    saga.orders.put(tenantId, job.job_id, 'restored');
    saga.orders.rows.set(tenantId, ['o1', 'o2', 'o3']);
    const ended = await saga.untilEnded(job);
    expect(ended).toMatchObject({ status: 'compensated', abort_cause: 'failure' });
    expect(ended.outcome).toContain('orders: state_conflict');
    saga.expectUntouched(tenantId);
  });

  it('a table that came since the check, and that nobody has accepted, means that all go back', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, {}, 3_000);
    await saga.until(job, ({ phase }) => phase === 'window');
    saga.orders.unaccepted = ['orders.vouchers'];
    const ended = await saga.untilEnded(job);
    saga.orders.unaccepted = [];
    expect(ended).toMatchObject({ status: 'compensated', abort_cause: 'failure' });
    expect(ended.outcome).toContain('on orders.vouchers');
    saga.expectUntouched(tenantId);
  });

  it('another registry than at the check means that all go back', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, {}, 3_000);
    await saga.until(job, ({ phase }) => phase === 'window');
    await worker.stop();
    const before = saga.registry;
    saga.registry = [...before, { name: 'loyalty', url: 'http://127.0.0.1:9', role: 'participant' }];
    worker = await saga.startWorker();
    const ended = await saga.untilEnded(job);
    expect(ended.status).toBe('compensated');
    expect(ended.outcome).toContain('loyalty: registry_changed');
    saga.expectUntouched(tenantId);
    await worker.stop();
    saga.registry = before;
    worker = await saga.startWorker();
  });
});
