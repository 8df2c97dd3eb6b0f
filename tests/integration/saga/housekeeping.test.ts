/** What runs by itself: its schedules, its pages, its failures; and what the reconciler takes up after Temporal was away. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { StepContext, StepPage } from '../../../activities/housekeeping.js';
import { createTokenGiver } from '../../../activities/index.js';
import { HOUSEKEEPING_TYPE, type HousekeepingStep, scheduleIdOf } from '../../../protocol/housekeeping.js';
import { Problem } from '../../../protocol/problems.js';
import { ensureSchedules } from '../../../records/schedules.js';
import { until } from '../../support/conditions.js';
import { OPERATOR, openTestSaga, type TestSaga } from '../../support/saga.js';

let saga: TestSaga;
const prefix = `test-${randomUUID()}-`;
const pages: Record<string, (context: StepContext) => StepPage> = {
  'sweep null': () => ({ outcome: { tenants: 100, rows: 1 }, cursor: 'second' }),
  'sweep second': () => ({ outcome: { tenants: 20, failed: 1 }, cursor: null }),
  'retained null': () => {
    throw new Problem('database_error', 'orders refused a statement of tenant x.');
  },
  'records null': () => ({ outcome: { removed: 3 }, cursor: null }),
};
const work = (step: HousekeepingStep) => async (context: StepContext) => {
  const page = pages[`${step} ${context.cursor}`];
  if (page === undefined) throw new Error(`There is no page ${context.cursor} of ${step}.`);
  return page(context);
};

beforeAll(async () => {
  saga = await openTestSaga({
    housekeeping: { sweep: work('sweep'), retained: work('retained'), records: work('records') },
  });
  await saga.startWorker();
});
afterAll(async () => {
  await schedules({});
  await saga?.close();
});

const schedules = (intervals: Parameters<typeof ensureSchedules>[0]['intervals']) =>
  ensureSchedules({
    connection: saga.client.connection,
    namespace: 'default',
    taskQueue: saga.taskQueue,
    prefix,
    intervals,
  });
const stepOf = async (step: HousekeepingStep) =>
  (await saga.records.housekeeping()).steps.find((one) => one.step === step);
const schedule = (step: HousekeepingStep) => saga.client.schedule.getHandle(`${prefix}${scheduleIdOf(step)}`);

it('runs when it is due, page after page, and one that fails stops no other', async () => {
  await schedules({ sweep: 1_000, retained: 1_000, records: 1_000 });
  await until(async () => (await stepOf('sweep'))?.succeeded_at && (await stepOf('records'))?.succeeded_at, {
    what: 'two steps to succeed',
    timeoutMs: 30_000,
  });
  await until(async () => (await stepOf('retained'))?.error, { what: 'a step to fail', timeoutMs: 30_000 });
  // Nobody else writes the record of a step meanwhile.
  await schedules({ sweep: 3_600_000, retained: 3_600_000 });
  expect(await stepOf('sweep')).toMatchObject({ outcome: { tenants: 120, rows: 1, failed: 1 }, error: null });
  expect(await stepOf('records')).toMatchObject({ outcome: { removed: 3 }, error: null });
  const failed = await stepOf('retained');
  expect(failed).toMatchObject({ succeeded_at: null, outcome: {} });
  // What a service said in words may name a tenant: it is in no message of Temporal's, nor here.
  expect(failed?.error).toMatch(/database_error/);
  expect(failed?.error).not.toMatch(/tenant x/);

  const { spec, policies, action } = await schedule('sweep').describe();
  expect(spec.intervals?.map(({ every }) => every)).toEqual([3_600_000]);
  expect(policies).toMatchObject({ overlap: 'SKIP' });
  expect(policies.catchupWindow).toBeGreaterThan(24 * 3_600_000);
  expect(action).toMatchObject({ workflowType: HOUSEKEEPING_TYPE, args: [{ step: 'sweep' }] });
  await expect(schedule('records').describe()).rejects.toThrow();
});

it('stays paused where somebody has paused it, also when a worker starts anew', async () => {
  const { info: before } = await schedule('sweep').describe();
  // As it is already: a change would take a while to come into effect, and undo the pause.
  await schedules({ sweep: 3_600_000 });
  await schedule('sweep').pause('a person looks at it');
  // The pause is on its way for a moment, while the schedule starts a run.
  await until(async () => (await schedule('sweep').describe()).state.paused, { what: 'the pause' });
  expect((await schedule('sweep').describe()).info.lastUpdatedAt).toEqual(before.lastUpdatedAt);
  await schedules({ sweep: 7_200_000 });
  const { state, spec } = await schedule('sweep').describe();
  expect(state).toMatchObject({ paused: true, note: 'a person looks at it' });
  expect(spec.intervals?.map(({ every }) => every)).toEqual([7_200_000]);
});

it('takes up replays that were asked for while Temporal was away', async () => {
  const tenantId = saga.tenant();
  saga.proxy('sales').fault = ({ target }) =>
    target === 'purged' ? { status: 409, code: 'privilege_missing' } : null;
  const job = await saga.request(tenantId);
  await saga.until(job, ({ status }) => status === 'needs_attention');
  saga.settle();
  // The API has written the wish, and could tell nobody.
  await saga.records.requestReplay(job.job_id, OPERATOR);
  expect(await saga.job(job)).toMatchObject({ status: 'needs_attention' });
  await saga.reconciler.runOnce();
  expect(await saga.untilEnded(job)).toMatchObject({ status: 'completed' });
  expect(await saga.records.replaysAskedFor()).toEqual([]);
  saga.expectGone(tenantId);
});

it('leaves what a backup brought back of a job alone while a hold stands', async () => {
  const tenantId = saga.tenant();
  const job = await saga.request(tenantId);
  await saga.untilEnded(job);
  await saga.closed(job);
  saga.orders.put(tenantId, job.job_id, 'staged', ['o1', 'o2']);
  const hold = await saga.records.placeHold(tenantId, 'a lawsuit', OPERATOR, true);
  expect(await saga.reconciler.runOnce()).toMatchObject({ settled: 0 });
  expect(saga.orders.archived(tenantId)).toBe(2);
  await saga.records.liftHold(hold.hold_id, 'settled', OPERATOR);
  expect(await saga.reconciler.runOnce()).toMatchObject({ settled: 1 });
  expect(saga.orders.archived(tenantId)).toBe(0);
});

it('begins releases that were approved while Temporal was away, and waits for services that are', async () => {
  const tenantId = saga.tenant();
  const job = await saga.request(tenantId);
  await saga.untilEnded(job);
  await saga.closed(job);
  const tokenFor = createTokenGiver({ records: saga.records, issuer: saga.keys });
  const wanted = { audience: 'orders', action: 'released', tenantId, jobId: job.job_id } as const;
  await expect(tokenFor(wanted)).rejects.toMatchObject({ code: 'release_unknown' });
  await saga.records.requestRelease(tenantId, 'given to somebody new', OPERATOR);
  await expect(tokenFor(wanted)).rejects.toMatchObject({ code: 'release_unknown' });
  const { release_id } = await saga.records.approveRelease(tenantId, { ...OPERATOR, id: 'another' });
  saga.proxy('orders').fault = () => ({ status: 503, code: 'database_unavailable' });
  await saga.reconciler.runOnce();
  const release = () => saga.records.getRelease(release_id);
  await until(async () => Object.hasOwn((await release()).services, 'sales'), { what: 'one service' });
  expect(await release()).toMatchObject({ status: 'approved' });
  expect(await saga.records.isErased(tenantId)).toBe(true);
  saga.settle();
  await until(async () => (await release()).status === 'completed', {
    what: 'the release',
    timeoutMs: 30_000,
  });
  // None of them keeps tombstones of its own.
  expect((await release()).services).toEqual({ orders: null, sales: null, tenant: null });
  expect(await saga.records.isErased(tenantId)).toBe(false);
});
