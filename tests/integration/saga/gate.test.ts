/** Approval, legal holds, the halt and the cap, as a run lives through them. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { JobView } from '../../../protocol/jobs.js';
import type { WakeReason } from '../../../protocol/workflow.js';
import type { Actor } from '../../../records/types.js';
import { OPERATOR, openTestSaga, type TestSaga } from '../../support/saga.js';

const APPROVER: Actor = { kind: 'user', id: randomUUID(), role: 'approver' };
const MANY = 100;
let saga: TestSaga;

beforeAll(async () => {
  saga = await openTestSaga({ gate: { capPerHour: 8 } });
  await saga.startWorker();
});
afterAll(() => saga?.close());
afterEach(() => saga.settle());

const waitsFor = (job: JobView, kind: string) =>
  saga.until(job, ({ status, waiting_for }) => status === 'waiting' && waiting_for?.kind === kind);
const wake = async (job: JobView, because: WakeReason) => saga.runs.wake(await saga.job(job), because);

async function approve(job: JobView): Promise<JobView> {
  const { approval_hash } = await saga.job(job);
  const approved = await saga.records.approve(job.job_id, approval_hash ?? '', 'it is right', APPROVER);
  await wake(job, 'approval');
  return approved;
}

describe('approval', () => {
  it('is waited for with nothing touched; what has changed meanwhile needs another one', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, { require_approval: true });
    const first = await waitsFor(job, 'approval');
    expect(first).toMatchObject({ phase: 'approval', reversible: true, approval_required: true });
    saga.expectUntouched(tenantId);

    saga.orders.rows.set(tenantId, ['o1', 'o2', 'o3', 'o4']);
    await approve(job);
    const second = await saga.until(
      job,
      ({ approval_hash, waiting_for }) =>
        approval_hash !== first.approval_hash && waiting_for?.kind === 'approval',
    );
    expect(second.approval_change).toContain('7 rows where 6 were approved');
    expect(second.waiting_for?.next_action).toContain('orders 3 to 4');
    expect(saga.orders.archived(tenantId)).toBe(0);
    expect(saga.isSuspended(tenantId)).toBe(false);

    await approve(job);
    const ended = await saga.untilEnded(job);
    expect(ended).toMatchObject({ status: 'completed', approval_change: null });
    expect(ended.approvals.map(({ approval_hash }) => approval_hash)).toEqual([
      first.approval_hash,
      second.approval_hash,
    ]);
    saga.expectGone(tenantId);
  });

  it('is refused: the job ends with the reason, and nothing was touched', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, { require_approval: true });
    const { approval_hash } = await waitsFor(job, 'approval');
    await saga.records.reject(job.job_id, approval_hash ?? '', 'Not this customer.', APPROVER);
    await wake(job, 'approval');
    const ended = await saga.untilEnded(job);
    expect(ended).toMatchObject({ status: 'refused', abort_cause: 'refusal' });
    expect(ended.outcome).toBe('Rejected: Not this customer. Nothing was touched.');
    expect((await saga.closed(job)).status.name).toBe('FAILED');
    saga.expectUntouched(tenantId);
  });

  it.each([
    ['more rows are archived than were approved', '6 rows where 5 were approved'],
    ['a plan changes before its stage', 'orders has another plan'],
  ])('%s: every row comes back, and a successor waits for an approval of its own', async (what, change) => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, { require_approval: true });
    await waitsFor(job, 'approval');
    const held = saga.holdIn('suspend', tenantId);
    await approve(job);
    await held.reached;
    if (what.startsWith('more')) saga.orders.rows.set(tenantId, ['o1', 'o2', 'o3', 'o4']);
    else saga.orders.planHash = 'f'.repeat(64);
    held.release();
    const ended = await saga.untilEnded(job);
    expect(ended).toMatchObject({ status: 'compensated', abort_cause: 'failure' });
    expect(ended.outcome).toContain(change);
    expect(saga.orders.rows.get(tenantId)?.slice(0, 3)).toEqual(['o1', 'o2', 'o3']);
    expect([saga.orders.archived(tenantId), saga.sales.archived(tenantId)]).toEqual([0, 0]);
    expect(saga.isSuspended(tenantId)).toBe(false);

    await saga.closed(job);
    await saga.reconciler.runOnce();
    const next = await saga.records.getJob(ended.continued_by ?? '');
    const waiting = await waitsFor(next, 'approval');
    expect(waiting).toMatchObject({ replay_of: job.job_id, requested_by: OPERATOR.id, approvals: [] });
    expect(waiting.approval_hash).not.toBe(ended.approval_hash);
    await approve(next);
    expect(await saga.untilEnded(next)).toMatchObject({ status: 'completed' });
    saga.expectGone(tenantId);
  });
});

describe('a legal hold', () => {
  it('keeps a staged job where it is, past its window, until it is lifted', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, {}, 4_000);
    await waitsFor(job, 'window');
    const hold = await saga.records.placeHold(tenantId, 'a lawsuit', APPROVER);
    await wake(job, 'hold');
    expect(await waitsFor(job, 'hold')).toMatchObject({ phase: 'window', reversible: true });
    await saga.until(job, ({ phase, waiting_for }) => phase === 'pivot' && waiting_for?.kind === 'hold');
    expect(saga.orders.archived(tenantId)).toBe(3);
    await saga.records.liftHold(hold.hold_id, 'settled', APPROVER);
    // Nobody could tell the run; the reconciler does.
    await saga.reconciler.runOnce();
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'completed' });
    saga.expectGone(tenantId);
  });

  it('lets an operator bring everything back while it stands', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, {}, 60_000);
    await waitsFor(job, 'window');
    await saga.records.placeHold(tenantId, 'a lawsuit', APPROVER);
    await wake(job, 'hold');
    await waitsFor(job, 'hold');
    await saga.cancel(job);
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'cancelled' });
    saga.expectUntouched(tenantId);
  });
});

describe('the halt', () => {
  it('stops a stage between two slices, a job that has not begun, and no other; then both go on', async () => {
    const [large, later] = [saga.tenant(), saga.tenant()];
    saga.orders.slices = MANY;
    const job = await saga.request(large);
    await saga.until(job, ({ services }) => services.some(({ state }) => state === 'staging'));
    await saga.records.halt('a script went wild', OPERATOR);
    try {
      expect(await waitsFor(job, 'halt')).toMatchObject({ phase: 'stage', decision: null });
      expect(saga.orders.stateOf(large, job.job_id)).toBe('staging');
      const other = await saga.request(later);
      await waitsFor(other, 'halt');
      saga.expectUntouched(later);
      saga.orders.slices = 1;
      await saga.records.resume('mended', OPERATOR);
      await wake(job, 'halt');
      await wake(other, 'halt');
      for (const one of [job, other])
        expect(await saga.untilEnded(one)).toMatchObject({ status: 'completed' });
      saga.expectGone(large);
      saga.expectGone(later);
    } finally {
      await saga.records.resume('for the other tests', OPERATOR);
    }
  });

  it('and brings back what was asked to come back, while it stands', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, {}, 60_000);
    await waitsFor(job, 'window');
    await saga.records.halt('the wrong kind of id', OPERATOR);
    try {
      await saga.cancel(job);
      expect(await saga.untilEnded(job)).toMatchObject({ status: 'cancelled' });
      saga.expectUntouched(tenantId);
    } finally {
      await saga.records.resume('for the other tests', OPERATOR);
    }
  });
});

describe('the cap', () => {
  it('lets the next one wait with nothing touched, and says until when', async () => {
    for (let asked = 0; asked < 12; asked += 1) {
      const tenantId = saga.tenant();
      const job = await saga.request(tenantId);
      const now = await saga.until(
        job,
        ({ ended_at, waiting_for }) => !!ended_at || waiting_for?.kind === 'cap',
      );
      if (now.ended_at !== null) continue;
      expect(asked).toBeGreaterThan(0);
      expect(Date.parse(now.waiting_for?.until ?? '')).toBeGreaterThan(Date.now() + 3_000_000);
      saga.expectUntouched(tenantId);
      await saga.cancel(job);
      expect(await saga.untilEnded(job)).toMatchObject({ status: 'cancelled' });
      return;
    }
    throw new Error('Nobody had to wait.');
  });
});
