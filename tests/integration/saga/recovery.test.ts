/** Terminate, reset, and Temporal forgetting a run: the job ends as its decision says, whatever happened to its run. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { JobView } from '../../../protocol/jobs.js';
import { workflowIdOf } from '../../../protocol/workflow.js';
import { until } from '../../support/conditions.js';
import { type HeldPhase, OPERATOR, openTestSaga, type TestSaga } from '../../support/saga.js';

let saga: TestSaga;

beforeAll(async () => {
  saga = await openTestSaga();
  await saga.startWorker();
});
afterAll(() => saga?.close());
afterEach(() => saga.settle());

const handleOf = (job: JobView, runId?: string) =>
  saga.client.workflow.getHandle(workflowIdOf(job.tenant_id), runId);

/** Where a workflow task of this run ended: the points that a run can be reset to. */
async function taskEnds(job: JobView, runId: string): Promise<number[]> {
  const { events = [] } = await handleOf(job, runId).fetchHistory();
  return (events ?? [])
    .filter((event) => event.workflowTaskCompletedEventAttributes)
    .map((event) => Number(event.eventId));
}

/** Ends of tasks that had something done, which a run that is reset to there has to have done again. */
async function tasksThatWrite(job: JobView, runId: string): Promise<Set<number>> {
  const { events } = await handleOf(job, runId).fetchHistory();
  return new Set(
    (events ?? []).flatMap(
      ({ activityTaskScheduledEventAttributes, markerRecordedEventAttributes: marker }) => {
        const local = marker?.markerName === 'core_local_activity' ? marker : null;
        const called = activityTaskScheduledEventAttributes ?? local;
        return called ? [Number(called.workflowTaskCompletedEventId)] : [];
      },
    ),
  );
}

async function isIdle(job: JobView, runId: string): Promise<boolean> {
  const { raw } = await handleOf(job, runId).describe();
  return !raw.pendingWorkflowTask && (raw.pendingActivities ?? []).length === 0;
}

async function reset(job: JobView, runId: string, taskEnd: number): Promise<string> {
  const { runId: next } = await saga.client.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId: workflowIdOf(job.tenant_id), runId },
    reason: 'a test',
    workflowTaskFinishEventId: taskEnd as never,
    requestId: randomUUID(),
  });
  return next ?? '';
}

describe('a terminated run', () => {
  const forward: readonly HeldPhase[] = [
    'check',
    'suspend',
    'stage',
    'pivot',
    'purge',
    'directory',
    'verify',
  ];

  it.each(forward)('is replaced, and the deletion completed, when it ended in %s', async (phase) => {
    const tenantId = saga.tenant();
    const held = saga.holdIn(phase, tenantId);
    const job = await saga.request(tenantId);
    await held.reached;
    await handleOf(job).terminate();
    held.release();
    expect((await saga.reconciler.runOnce())?.started).toContain(job.job_id);
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'completed', rows_deleted: 6 });
    expect((await saga.closed(job)).status.name).toBe('COMPLETED');
    saga.expectGone(tenantId);
  });

  it('is replaced, and every row brought back, when it ended in restore', async () => {
    const tenantId = saga.tenant();
    const held = saga.holdIn('restore', tenantId);
    saga.proxy('sales').fault = ({ target }) =>
      target === 'staged' ? { status: 409, code: 'privilege_missing' } : null;
    const job = await saga.request(tenantId);
    await held.reached;
    await handleOf(job).terminate();
    saga.settle();
    held.release();
    await saga.reconciler.runOnce();
    const ended = await saga.untilEnded(job);
    expect(ended).toMatchObject({ status: 'compensated', abort_cause: 'failure' });
    expect(ended.outcome).toContain('sales: privilege_missing');
    expect((await saga.closed(job)).status.name).toBe('FAILED');
    saga.expectUntouched(tenantId);
  });

  it('leaves the window where it was', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, {}, 3_600_000);
    const before = await saga.until(job, ({ phase }) => phase === 'window');
    await handleOf(job).terminate();
    await saga.reconciler.runOnce();
    const after = await saga.until(job, ({ phase, waiting_for }) => phase === 'window' && !!waiting_for);
    expect(after.staged_at).toBe(before.staged_at);
    expect(after.waiting_for?.until).toBe(before.waiting_for?.until);
    await saga.cancel(job);
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'cancelled' });
    saga.expectUntouched(tenantId);
  });

  it('is not replaced while it lives', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, {}, 3_600_000);
    await saga.until(job, ({ phase }) => phase === 'window');
    const { runId } = await saga.describe(job);
    expect((await saga.reconciler.runOnce())?.started).not.toContain(job.job_id);
    expect((await saga.describe(job)).runId).toBe(runId);
    // Temporal was away when somebody cancelled: the record alone was told.
    await saga.records.decideAbort(job.job_id, 'cancel', OPERATOR);
    expect((await saga.reconciler.runOnce())?.cancelled).toContain(job.job_id);
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'cancelled' });
    expect((await saga.closed(job)).status.name).toBe('CANCELLED');
  });
});

describe('a record that does not answer', () => {
  it('is asked by an activity, which Temporal shows, until it does', async () => {
    const tenantId = saga.tenant();
    const locker = await saga.pool.connect();
    await locker.query('BEGIN; LOCK TABLE lethe_records.deletion_job_runs IN ACCESS EXCLUSIVE MODE');
    let job: JobView;
    try {
      job = await saga.request(tenantId);
      const pending = await until(
        async () => {
          const pending = (await saga.describe(job)).raw.pendingActivities ?? [];
          return pending.length > 0 && pending.map((one) => one.activityType?.name);
        },
        { what: 'an activity' },
      );
      expect(pending).toEqual(['readJob']);
    } finally {
      await locker.query('ROLLBACK');
      locker.release();
    }
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'completed' });
    saga.expectGone(tenantId);
  });
});

describe('a run that is reset', () => {
  it('goes on from every earlier task while everything is staged', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, {}, 3_600_000);
    const first = await saga.until(job, ({ phase }) => phase === 'window');
    const { runId } = await saga.describe(job);
    await until(() => isIdle(job, runId), { what: 'the run to do nothing but wait' });
    const ends = await taskEnds(job, runId);
    expect(ends.length).toBeGreaterThan(3);
    const writes = await tasksThatWrite(job, runId);
    expect(writes.size).toBeGreaterThan(3);
    for (const end of ends) {
      const before = await epochOf(job);
      const next = await reset(job, runId, end);
      // A task of its own shows that the new run is at it, its first write that the record knows, its wait that it has
      // come through. One that is reset to where it only waited on has nothing to write.
      await until(async () => (await taskEnds(job, next)).some((own) => own > end), {
        what: `the run that was reset to ${end} to go on`,
      });
      if (writes.has(end)) await until(async () => (await epochOf(job)) > before);
      await saga.until(job, ({ phase, status }) => phase === 'window' && status === 'waiting');
      expect((await saga.describe(job)).runId).toBe(next);
    }
    expect((await saga.job(job)).staged_at).toBe(first.staged_at);
    await saga.cancel(job);
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'cancelled' });
    saga.expectUntouched(tenantId);
  });

  it('only goes forward once the decision is to proceed', async () => {
    const tenantId = saga.tenant();
    const held = saga.holdIn('verify', tenantId);
    const job = await saga.request(tenantId);
    await held.reached;
    const { runId } = await saga.describe(job);
    const ends = await taskEnds(job, runId);
    for (const end of ends) await reset(job, runId, end);
    held.release();
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'completed', rows_deleted: 6 });
    expect((await saga.closed(job)).status.name).toBe('COMPLETED');
    saga.expectGone(tenantId);
  });

  it('just ends where its job has ended, and leaves the next job of the tenant alone', async () => {
    const tenantId = saga.tenant();
    const first = await saga.request(tenantId, {}, 3_600_000);
    await saga.until(first, ({ phase }) => phase === 'window');
    const { runId } = await saga.describe(first);
    const ends = await taskEnds(first, runId);
    await saga.cancel(first);
    await saga.untilEnded(first);
    await saga.closed(first);
    const second = await saga.request(tenantId, {}, 3_600_000);
    await saga.until(second, ({ phase }) => phase === 'window');

    await reset(first, runId, ends[2] ?? 0);
    expect((await saga.closed(first)).status.name).toBe('CANCELLED');
    await saga.reconciler.runOnce();
    await saga.until(second, ({ phase, status }) => phase === 'window' && status === 'waiting');
    expect((await saga.describe(second)).memo?.job_id).toBe(second.job_id);
    expect(saga.orders.stateOf(tenantId, second.job_id)).toBe('staged');
    await saga.cancel(second);
    expect(await saga.untilEnded(second)).toMatchObject({ status: 'cancelled' });
    saga.expectUntouched(tenantId);
  });
});

async function epochOf(job: JobView): Promise<number> {
  const { rows } = await saga.pool.query<{ epoch: number }>(
    'SELECT epoch FROM lethe_records.deletion_jobs WHERE job_id = $1',
    [job.job_id],
  );
  return rows[0]?.epoch ?? -1;
}
