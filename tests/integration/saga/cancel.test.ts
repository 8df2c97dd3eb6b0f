/** Cancelling, by the API's path and by Temporal's: one decision, whoever comes first, and everything agrees with it. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { workflowIdOf } from '../../../protocol/workflow.js';
import { until } from '../../support/conditions.js';
import { type HeldPhase, openTestSaga, type SagaWorker, type TestSaga } from '../../support/saga.js';

let saga: TestSaga;
let worker: SagaWorker;

beforeAll(async () => {
  saga = await openTestSaga();
  worker = await saga.startWorker();
});
afterAll(() => saga?.close());
afterEach(() => saga.settle());

const cancelInTemporal = (tenantId: string) =>
  saga.client.workflow.getHandle(workflowIdOf(tenantId)).cancel();
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

describe('before the pivot', () => {
  const phases: readonly HeldPhase[] = ['check', 'suspend', 'stage', 'pivot'];
  const paths = ['api', 'temporal'] as const;

  it.each(phases.flatMap((phase) => paths.map((path) => [phase, path] as const)))(
    'brings everything back in %s, asked by %s',
    async (phase, path) => {
      const tenantId = saga.tenant();
      const held = saga.holdIn(phase, tenantId);
      const job = await saga.request(tenantId);
      await held.reached;
      await (path === 'api' ? saga.cancel(job) : cancelInTemporal(tenantId));
      await saga.until(job, ({ decision }) => decision === 'abort');
      held.release();
      const ended = await saga.untilEnded(job);
      expect(ended).toMatchObject({ status: 'cancelled', abort_cause: 'cancel' });
      expect((await saga.closed(job)).status.name).toBe('CANCELLED');
      saga.expectUntouched(tenantId);
    },
  );

  it.each(paths)('ends the waits at once, asked by %s', async (path) => {
    const waiting = [
      { tenantId: saga.tenant(), options: { start_at: inAnHour() }, windowMs: 0, kind: 'date' },
      { tenantId: saga.tenant(), options: {}, windowMs: 3_600_000, kind: 'window' },
    ];
    for (const { tenantId, options, windowMs, kind } of waiting) {
      const job = await saga.request(tenantId, options, windowMs);
      const waits = await saga.until(job, ({ waiting_for }) => waiting_for?.kind === kind);
      expect(waits).toMatchObject({ status: 'waiting', reversible: true });
      await (path === 'api' ? saga.cancel(job) : cancelInTemporal(tenantId));
      expect(await saga.untilEnded(job)).toMatchObject({ status: 'cancelled' });
      expect((await saga.closed(job)).status.name).toBe('CANCELLED');
      saga.expectUntouched(tenantId);
    }
  });

  it('is heard although it comes before the first task', async () => {
    await worker.stop();
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId);
    await cancelInTemporal(tenantId);
    worker = await saga.startWorker();
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'cancelled' });
    expect((await saga.closed(job)).status.name).toBe('CANCELLED');
    saga.expectUntouched(tenantId);
  });

  it('closes the run as canceled although Temporal was never asked to', async () => {
    const tenantId = saga.tenant();
    const held = saga.holdIn('stage', tenantId);
    const job = await saga.request(tenantId);
    await held.reached;
    await saga.records.decideAbort(job.job_id, 'cancel', { kind: 'user', id: 'owner', role: 'owner' });
    held.release();
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'cancelled' });
    expect((await saga.closed(job)).status.name).toBe('CANCELLED');
    saga.expectUntouched(tenantId);
  });
});

describe('after the pivot', () => {
  it('is noted, and the deletion goes on', async () => {
    const tenantId = saga.tenant();
    const held = saga.holdIn('purge', tenantId);
    const job = await saga.request(tenantId);
    await held.reached;
    const stands = await saga.records.decideAbort(job.job_id, 'cancel', {
      kind: 'user',
      id: 'owner',
      role: 'owner',
    });
    expect(stands.decision).toBe('proceed');
    await cancelInTemporal(tenantId);
    const handle = saga.client.workflow.getHandle(workflowIdOf(tenantId));
    await until(async () => (await handle.query<{ cancel_ignored: boolean }>('status')).cancel_ignored);
    held.release();
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'completed', reversible: false });
    expect((await saga.closed(job)).status.name).toBe('COMPLETED');
    saga.expectGone(tenantId);
  });
});

describe('raced against the pivot', () => {
  const RACES = 20;

  it('has one winner each time, and rows, record and Temporal agree with it', async () => {
    const races = Array.from({ length: RACES }, async (_, index) => {
      const tenantId = saga.tenant();
      const held = saga.holdIn('pivot', tenantId);
      const job = await saga.request(tenantId);
      await held.reached;
      held.release();
      await new Promise((resolve) => setTimeout(resolve, index * 8));
      await (index % 2 === 0 ? saga.cancel(job) : cancelInTemporal(tenantId).catch(() => undefined));
      const ended = await saga.untilEnded(job, 40_000);
      const run = await saga.closed(job);
      if (ended.decision === 'proceed') {
        expect([ended.status, run.status.name]).toEqual(['completed', 'COMPLETED']);
        saga.expectGone(tenantId);
      } else {
        expect([ended.status, run.status.name]).toEqual(['cancelled', 'CANCELLED']);
        saga.expectUntouched(tenantId);
      }
      return ended.status;
    });
    expect(await Promise.all(races)).toHaveLength(RACES);
  });
});
