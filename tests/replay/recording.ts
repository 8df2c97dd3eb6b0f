/** Brings runs to each of their ends and waits, and writes down what Temporal knows of them. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { JobView } from '../../protocol/jobs.js';
import { workflowIdOf } from '../../protocol/workflow.js';
import { until } from '../support/conditions.js';
import { OPERATOR, openTestSaga, type TestSaga } from '../support/saga.js';

const directory = join(import.meta.dirname, 'histories');
const HOURS = 3_600_000;
let saga: TestSaga;

beforeAll(async () => {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  saga = await openTestSaga({ settings: { attentionRetryEveryMs: HOURS } });
  await saga.startWorker();
});
afterAll(() => saga?.close());

const handleOf = (job: JobView) => saga.client.workflow.getHandle(workflowIdOf(job.tenant_id));
const inHours = () => new Date(Date.now() + HOURS).toISOString();
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
};

it.each(Object.entries(WAYS))('records %s', async (name, way) => {
  const job = await way();
  const json = JSON.stringify(await handleOf(job).fetchHistory());
  // Where it was recorded is nobody's business.
  const plain = json
    .replaceAll(/"identity":"[^"]*"/g, '"identity":"recorded"')
    .replaceAll(/"stackTrace":"(?:[^"\\]|\\.)*"/g, '"stackTrace":""')
    .replaceAll(/\d+@[\w.-]+/g, 'recorded')
    .replaceAll(hostname(), 'recorded');
  const history = JSON.parse(plain) as { events: unknown[] };
  expect(history.events.length).toBeGreaterThan(5);
  writeFileSync(
    join(directory, `${name}.json`),
    `${JSON.stringify({ workflowId: workflowIdOf(job.tenant_id), history })}\n`,
  );
  // What still waits is no matter of the next one.
  if (!name.startsWith('c') && !name.startsWith('r'))
    await handleOf(job)
      .terminate()
      .catch(() => undefined);
  saga.settle();
});
