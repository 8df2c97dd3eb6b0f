/** Receivers that have to agree before anything is staged, played by real servers. */
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createPreStage } from '../../../activities/pre-stage.js';
import type { JobView } from '../../../protocol/jobs.js';
import { preStageBody } from '../../../protocol/portability.js';
import { workflowIdOf } from '../../../protocol/workflow.js';
import type { Actor } from '../../../records/types.js';
import { until } from '../../support/conditions.js';
import { type ReceivedWebhook, startReceiver, type TestReceiver } from '../../support/receiver.js';
import { openTestSaga, type TestSaga } from '../../support/saga.js';

const SECRET = `whsec_${Buffer.from('a secret that both of them know!').toString('base64')}`;
const HIDDEN = 'what-nobody-is-to-see';
const APPROVER: Actor = { kind: 'user', id: 'an-approver', role: 'approver' };

let sessions: TestReceiver;
let billing: TestReceiver;
let saga: TestSaga;

beforeAll(async () => {
  [sessions, billing] = await Promise.all([startReceiver(), startReceiver()]);
  const preStage = createPreStage({
    urls: [`${sessions.url}/close`, `${billing.url}/${HIDDEN}?token=${HIDDEN}`],
    secret: SECRET,
    publicKeyOf: (tenantId) => tenantId,
  });
  if (preStage === null) throw new Error('There are receivers.');
  saga = await openTestSaga({ preStage, settings: { giveUpAfterMs: 4_000 } });
  await saga.startWorker();
});
beforeEach(() => {
  for (const one of [sessions, billing]) {
    one.received.length = 0;
    one.answer = () => ({ status: 204 });
  }
});
afterEach(() => saga.settle());
afterAll(async () => {
  await saga?.close();
  await Promise.all([sessions?.close(), billing?.close()]);
});

const idOf = ({ headers }: ReceivedWebhook) => headers['webhook-id'];
const waitsForReceiver = (job: JobView) =>
  saga.until(job, ({ status, waiting_for }) => status === 'waiting' && waiting_for?.kind === 'receiver');

async function trailOf({ job_id: jobId }: JobView) {
  const trail = [];
  for await (const event of saga.records.auditExport({ jobId })) trail.push(event);
  return trail;
}

function nothingIsStaged(tenantId: string, job: JobView): boolean {
  const states = [saga.orders, saga.sales].map((one) => one.stateOf(tenantId, job.job_id));
  return states.every((state) => state === 'absent');
}

describe('receivers before the stage', () => {
  it('are asked once the tenant is suspended and before anything is staged, and again after 202', async () => {
    const tenant = saga.tenant();
    const found: unknown[] = [];
    sessions.answer = () => {
      found.push([saga.isSuspended(tenant), saga.orders.archived(tenant), saga.sales.archived(tenant)]);
      // Asked again after the time that was wanted, or after a moment.
      if (sessions.received.length === 1) return { status: 202, headers: { 'retry-after': '0' } };
      return { status: sessions.received.length === 2 ? 202 : 204 };
    };
    const job = await saga.request(tenant);
    const waits = await waitsForReceiver(job);
    expect(waits).toMatchObject({
      phase: 'suspend',
      reversible: true,
      waiting_for: { who_can_act: `whoever runs ${sessions.host}` },
    });
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'completed', waiting_for: null });
    saga.expectGone(tenant);

    expect(found).toEqual([
      [true, 0, 0],
      [true, 0, 0],
      [true, 0, 0],
    ]);
    expect(billing.received).toHaveLength(1);
    const webhook = new Webhook(SECRET);
    for (const { headers, body } of [...sessions.received, ...billing.received]) {
      const said = preStageBody.parse(webhook.verify(body, headers as Record<string, string>));
      expect(said.data).toEqual({ job_id: job.job_id, tenant });
    }
    expect(new Set(sessions.received.map(idOf)).size).toBe(1);
    expect(idOf(billing.received[0] as ReceivedWebhook)).not.toBe(
      idOf(sessions.received[0] as ReceivedWebhook),
    );

    const trail = await trailOf(job);
    const agreed = trail.flatMap(({ action }, place) => (action === 'receiver agreed' ? [place] : []));
    const staged = trail.findIndex(
      ({ action, details }) => action === 'stage requested' && details.service !== 'tenant',
    );
    expect(agreed).toHaveLength(2);
    expect(Math.max(...agreed)).toBeLessThan(staged);
  });

  it('that do not agree in time bring everything back, named by their host alone; no redirect is followed', async () => {
    const tenant = saga.tenant();
    billing.answer = () =>
      billing.received.length % 2 === 0
        ? { status: 500 }
        : { status: 307, headers: { location: `${sessions.url}/elsewhere` } };
    const job = await saga.request(tenant);
    const ended = await saga.untilEnded(job);
    expect(ended).toMatchObject({ status: 'compensated', abort_cause: 'failure', rows_deleted: 0 });
    expect(ended.outcome).toContain(`${billing.host}: receiver_not_ready`);
    expect(nothingIsStaged(tenant, job)).toBe(true);
    saga.expectUntouched(tenant);

    expect(billing.received.length).toBeGreaterThan(2);
    expect(sessions.received.map(({ path }) => path)).toEqual(['/close']);
    const trail = await trailOf(job);
    expect(trail.find(({ action }) => action === 'receiver did not agree')?.details).toMatchObject({
      receiver: billing.host,
      last: expect.stringMatching(/^answered (500|307)$/),
    });
    const { events } = await saga.client.workflow.getHandle(workflowIdOf(tenant)).fetchHistory();
    const payloads = JSON.stringify(events, (_, value) =>
      value instanceof Uint8Array ? Buffer.from(value).toString() : value,
    );
    expect(payloads).toContain(billing.host);
    for (const text of [payloads, JSON.stringify(trail), JSON.stringify(ended)]) {
      expect(text).not.toContain(HIDDEN);
    }
  });

  it('can be waited for in vain: a cancelled job asks nobody any more', async () => {
    const tenant = saga.tenant();
    billing.answer = () => ({ status: 202, headers: { 'retry-after': '0' } });
    const job = await saga.request(tenant);
    await waitsForReceiver(job);
    await saga.cancel(job);
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'cancelled', abort_cause: 'cancel' });
    expect((await saga.closed(job)).status.name).toBe('CANCELLED');
    expect(nothingIsStaged(tenant, job)).toBe(true);
    saga.expectUntouched(tenant);
    const asked = billing.received.length;
    const other = await saga.request(saga.tenant());
    billing.answer = () => ({ status: 200 });
    await saga.untilEnded(other);
    expect(billing.received).toHaveLength(asked + 1);
  });

  it('are not asked while a hold stands, and again by the same id when it is lifted, or by another run', async () => {
    const tenant = saga.tenant();
    billing.answer = () => ({ status: 202, headers: { 'retry-after': '0' } });
    const job = await saga.request(tenant);
    await waitsForReceiver(job);
    const hold = await saga.records.placeHold(tenant, 'A court asked for it.', APPROVER);
    await saga.until(job, ({ waiting_for }) => waiting_for?.kind === 'hold');
    const before = billing.received.length;
    // The job is the same for a run that knows nothing of the first one.
    await saga.client.workflow.getHandle(workflowIdOf(tenant)).terminate('a test');
    await until(async () => (await saga.reconciler.runOnce()) !== null);
    await saga.until(job, ({ waiting_for }) => waiting_for?.kind === 'hold');
    expect(billing.received).toHaveLength(before);

    billing.answer = () => ({ status: 200 });
    await saga.records.liftHold(hold.hold_id, 'It is over.', APPROVER);
    await saga.runs.wake(await saga.job(job), 'hold');
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'completed' });
    saga.expectGone(tenant);
    expect(billing.received.length).toBe(before + 1);
    expect(new Set(billing.received.map(idOf)).size).toBe(1);
    expect(sessions.received.length).toBeGreaterThanOrEqual(2);
    expect(new Set(sessions.received.map(idOf)).size).toBe(1);
  });
});
