/** Brings runs to each of their ends and waits, and writes down what Temporal knows of them. */
import { renameSync } from 'node:fs';
import { afterAll, beforeAll, it } from 'vitest';
import type { JobView } from '../../protocol/jobs.js';
import { workflowIdOf } from '../../protocol/workflow.js';
import type { Actor } from '../../records/types.js';
import { until } from '../support/conditions.js';
import { OPERATOR, openTestSaga, type TestSaga } from '../support/saga.js';
import { keepHistory } from './keep-history.js';

const HOURS = 3_600_000;
const APPROVER: Actor = { kind: 'user', id: 'an-approver', role: 'approver' };
let saga: TestSaga;

beforeAll(async () => {
  saga = await openTestSaga({
    settings: { attentionRetryEveryMs: HOURS },
    // As many as go on the ways before the one that waits for the cap.
    gate: { capPerHour: 16 },
  });
  await saga.startWorker();
});
afterAll(() => saga?.close());

const handleOf = (job: JobView) => saga.client.workflow.getHandle(workflowIdOf(job.tenant_id));
const inHours = () => new Date(Date.now() + HOURS).toISOString();
const waits = (job: JobView, kind: string) =>
  saga.until(job, ({ status, waiting_for }) => status === 'waiting' && waiting_for?.kind === kind);
const approve = async (job: JobView) => {
  const { approval_hash: hash } = await saga.job(job);
  const approved = await saga.records.approve(job.job_id, hash ?? '', 'yes', APPROVER);
  await saga.runs.wake(job, 'approval');
  return approved;
};
const ended = (job: JobView) => saga.untilEnded(job).then(() => saga.closed(job));
const refusing = (target: string) => (request: { readonly target: string | null }) =>
  request.target === target ? { status: 409, code: 'privilege_missing' } : null;

/** Each way: what brings a run there. The history is taken when it is done. */
const WAYS: Readonly<Record<string, () => Promise<JobView>>> = {
  async completed() {
    const job = await saga.request(saga.tenant());
    await ended(job);
    return job;
  },
  async 'completed-after-date-and-window'() {
    const job = await saga.request(saga.tenant(), { start_at: inHours() }, 300);
    await saga.until(job, ({ status }) => status === 'waiting');
    const moved = await saga.records.reschedule(
      job.job_id,
      new Date(Date.now() + 200).toISOString(),
      OPERATOR,
    );
    await saga.runs.wake(moved, 'rescheduled');
    await ended(job);
    return job;
  },
  async 'completed-staged-again'() {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, {}, 500);
    await saga.until(job, ({ phase }) => phase === 'window');
    saga.orders.forget(tenantId, job.job_id);
    await ended(job);
    return job;
  },
  async 'completed-after-attention'() {
    saga.proxy('sales').fault = refusing('purged');
    const job = await saga.request(saga.tenant());
    await saga.until(job, ({ status }) => status === 'needs_attention');
    saga.settle();
    await saga.wake(job);
    await ended(job);
    return job;
  },
  async 'completed-purged-again'() {
    const tenantId = saga.tenant();
    const held = saga.holdIn('verify', tenantId);
    const job = await saga.request(tenantId);
    await held.reached;
    saga.orders.rows.set(tenantId, ['late']);
    held.release();
    await ended(job);
    return job;
  },
  async 'completed-cancel-ignored'() {
    const tenantId = saga.tenant();
    const held = saga.holdIn('purge', tenantId);
    const job = await saga.request(tenantId);
    await held.reached;
    await handleOf(job).cancel();
    await until(
      async () => (await handleOf(job).query<{ cancel_ignored: boolean }>('status')).cancel_ignored,
    );
    held.release();
    await ended(job);
    return job;
  },
  async refused() {
    saga.orders.findings = [
      {
        code: 'privilege_missing',
        severity: 'refusal',
        table: 'orders.things',
        privilege: 'DELETE',
        message: 'The role may not DELETE.',
        remedy: 'GRANT it.',
      },
    ];
    const job = await saga.request(saga.tenant());
    await ended(job);
    return job;
  },
  async compensated() {
    saga.proxy('sales').fault = refusing('staged');
    const job = await saga.request(saga.tenant());
    await ended(job);
    return job;
  },
  async 'compensated-right-before-the-pivot'() {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, {}, 500);
    await saga.until(job, ({ phase }) => phase === 'window');
    saga.orders.put(tenantId, job.job_id, 'restored');
    await ended(job);
    return job;
  },
  async 'compensated-after-restore-conflict'() {
    saga.orders.restoreConflict = true;
    saga.proxy('sales').fault = refusing('staged');
    const job = await saga.request(saga.tenant());
    await saga.until(job, ({ status }) => status === 'needs_attention');
    saga.settle();
    await saga.wake(job);
    await ended(job);
    return job;
  },
  async 'cancelled-before-its-date'() {
    const job = await saga.request(saga.tenant(), { start_at: inHours() });
    await saga.until(job, ({ status }) => status === 'waiting');
    await saga.cancel(job);
    await ended(job);
    return job;
  },
  async 'cancelled-in-temporal-while-staging'() {
    const tenantId = saga.tenant();
    const held = saga.holdIn('stage', tenantId);
    const job = await saga.request(tenantId);
    await held.reached;
    await handleOf(job).cancel();
    await saga.until(job, ({ decision }) => decision === 'abort');
    held.release();
    await ended(job);
    return job;
  },
  async 'cancelled-in-the-window'() {
    const job = await saga.request(saga.tenant(), {}, HOURS);
    await saga.until(job, ({ phase }) => phase === 'window');
    await saga.cancel(job);
    await ended(job);
    return job;
  },
  async 'cancelled-in-the-record-alone'() {
    const tenantId = saga.tenant();
    const held = saga.holdIn('stage', tenantId);
    const job = await saga.request(tenantId);
    await held.reached;
    await saga.records.decideAbort(job.job_id, 'cancel', OPERATOR);
    held.release();
    await ended(job);
    return job;
  },
  async 'ended-elsewhere'() {
    const tenantId = saga.tenant();
    const first = await saga.request(tenantId, {}, HOURS);
    await saga.until(first, ({ phase }) => phase === 'window');
    await saga.cancel(first);
    await ended(first);
    await saga.runs.start(first);
    await saga.closed(first);
    return first;
  },
  async 'completed-after-waiting-for-its-key'() {
    const away = `${saga.certificates.directory}.away`;
    renameSync(saga.certificates.directory, away);
    const job = await saga.request(saga.tenant());
    await saga.until(job, ({ status, phase }) => status === 'needs_attention' && phase === 'certificate');
    renameSync(away, saga.certificates.directory);
    await saga.wake(job);
    await ended(job);
    return job;
  },
  async 'waits-for-its-date'() {
    const job = await saga.request(saga.tenant(), { start_at: inHours() });
    await saga.until(job, ({ status }) => status === 'waiting');
    return job;
  },
  async 'waits-in-the-window'() {
    const job = await saga.request(saga.tenant(), {}, HOURS);
    await saga.until(job, ({ phase }) => phase === 'window');
    return job;
  },
  async 'waits-in-the-window-after-termination'() {
    const job = await saga.request(saga.tenant(), {}, HOURS);
    await saga.until(job, ({ phase }) => phase === 'window');
    await handleOf(job).terminate();
    await saga.runs.start(job);
    await until(async () => (await handleOf(job).query<{ phase: string }>('status')).phase === 'window');
    return job;
  },
  async 'waits-for-approval'() {
    const job = await saga.request(saga.tenant(), { require_approval: true });
    await waits(job, 'approval');
    return job;
  },
  async 'completed-after-approval-and-a-change'() {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, { require_approval: true });
    await waits(job, 'approval');
    saga.orders.rows.set(tenantId, ['o1', 'o2', 'o3', 'o4']);
    const first = await approve(job);
    await saga.until(job, ({ approval_hash }) => approval_hash !== first.approval_hash);
    await waits(job, 'approval');
    await approve(job);
    await ended(job);
    return job;
  },
  async 'refused-by-an-approver'() {
    const job = await saga.request(saga.tenant(), { require_approval: true });
    const { approval_hash: hash } = await waits(job, 'approval');
    await saga.records.reject(job.job_id, hash ?? '', 'no', APPROVER);
    await saga.runs.wake(job, 'approval');
    await ended(job);
    return job;
  },
  async 'compensated-since-it-was-not-what-was-approved'() {
    const tenantId = saga.tenant();
    const held = saga.holdIn('suspend', tenantId);
    const job = await saga.request(tenantId, { require_approval: true });
    await waits(job, 'approval');
    await approve(job);
    await held.reached;
    saga.orders.rows.set(tenantId, ['o1', 'o2', 'o3', 'o4']);
    held.release();
    await ended(job);
    return job;
  },
  async 'waits-for-a-hold-after-its-window'() {
    const job = await saga.request(saga.tenant(), {}, 800);
    await waits(job, 'window');
    await saga.records.placeHold(job.tenant_id, 'a lawsuit', APPROVER);
    await saga.runs.wake(job, 'hold');
    await saga.until(job, ({ phase, waiting_for }) => phase === 'pivot' && waiting_for?.kind === 'hold');
    return job;
  },
  async 'completed-after-a-hold'() {
    const job = await saga.request(saga.tenant(), { start_at: inHours() });
    await waits(job, 'date');
    const hold = await saga.records.placeHold(job.tenant_id, 'a lawsuit', APPROVER);
    await saga.runs.wake(job, 'hold');
    await waits(job, 'hold');
    const startAt = new Date(Date.now() + 200).toISOString();
    await saga.runs.wake(await saga.records.reschedule(job.job_id, startAt, OPERATOR), 'rescheduled');
    await saga.until(job, ({ phase }) => phase === 'suspend');
    await saga.records.liftHold(hold.hold_id, 'settled', APPROVER);
    await saga.runs.wake(job, 'hold');
    await ended(job);
    return job;
  },
  async 'waits-halted-while-staging'() {
    saga.orders.slices = 100;
    const job = await saga.request(saga.tenant());
    await saga.until(job, ({ services }) => services.some(({ state }) => state === 'staging'));
    await saga.records.halt('stop', OPERATOR);
    await waits(job, 'halt');
    return job;
  },
  async 'completed-after-a-halt'() {
    await saga.records.halt('stop', OPERATOR);
    const job = await saga.request(saga.tenant());
    await waits(job, 'halt');
    await saga.records.resume('go on', OPERATOR);
    await saga.runs.wake(job, 'halt');
    await ended(job);
    return job;
  },
  async 'needs-attention-after-the-pivot'() {
    saga.proxy('sales').fault = refusing('purged');
    const job = await saga.request(saga.tenant());
    await saga.until(job, ({ status }) => status === 'needs_attention');
    return job;
  },
  async 'needs-attention-on-the-way-back'() {
    saga.orders.restoreConflict = true;
    saga.proxy('sales').fault = refusing('staged');
    const job = await saga.request(saga.tenant());
    await saga.until(job, ({ status }) => status === 'needs_attention');
    return job;
  },
  async 'waits-for-the-cap'() {
    // More than may go: of many the last one waits.
    for (;;) {
      const job = await saga.request(saga.tenant());
      const now = await saga.until(job, (one) => one.ended_at !== null || one.waiting_for?.kind === 'cap');
      if (now.ended_at === null) return job;
    }
  },
};

it.each(Object.entries(WAYS))('records %s', async (name, way) => {
  const job = await way();
  await keepHistory(name, handleOf(job));
  // What still waits is no matter of the next one.
  if (!name.startsWith('c') && !name.startsWith('r'))
    await handleOf(job)
      .terminate()
      .catch(() => undefined);
  saga.settle();
});
