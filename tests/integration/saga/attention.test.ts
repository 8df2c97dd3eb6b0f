/** After the pivot, and on the way back, no error is the last word: the job says what it needs, and tries again. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { workflowIdOf } from '../../../protocol/workflow.js';
import { until } from '../../support/conditions.js';
import { openTestSaga, type TestSaga } from '../../support/saga.js';
import { withSuperuser } from '../../support/test-databases.js';

let saga: TestSaga;

beforeAll(async () => {
  saga = await openTestSaga();
  await saga.startWorker();
});
afterAll(() => saga?.close());
afterEach(() => {
  saga.settings.attentionRetryEveryMs = 60_000;
  saga.settle();
});

const refusing = (target: string) => (request: { readonly target: string | null }) =>
  request.target === target ? { status: 409, code: 'privilege_missing' } : null;

describe('after the pivot', () => {
  it('waits for a person while the others go on, and completes when somebody asks', async () => {
    const tenantId = saga.tenant();
    saga.proxy('sales').fault = refusing('purged');
    const job = await saga.request(tenantId);
    const stuck = await saga.until(job, ({ status }) => status === 'needs_attention');
    expect(stuck).toMatchObject({ decision: 'proceed', reversible: false, phase: 'purge' });
    expect(stuck.waiting_for).toMatchObject({ kind: 'service', who_can_act: 'operator' });
    expect(stuck.outcome).toContain('sales: privilege_missing');
    await until(async () => saga.orders.stateOf(tenantId, job.job_id) === 'purged');
    const query = `TenantId = "${tenantId}" AND FailedServices = "sales"`;
    await until(async () => (await saga.client.workflow.count(query)).count === 1);
    saga.proxy('sales').fault = null;
    await saga.wake(job);
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'completed', rows_deleted: 6 });
    saga.expectGone(tenantId);
  });

  it('tries again by itself', async () => {
    saga.settings.attentionRetryEveryMs = 400;
    const tenantId = saga.tenant();
    saga.proxy('orders').fault = refusing('purged');
    const job = await saga.request(tenantId);
    await saga.until(job, ({ status }) => status === 'needs_attention');
    saga.proxy('orders').fault = null;
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'completed' });
    saga.expectGone(tenantId);
  });

  it('outlives a service that stays away for longer than patience lasts', async () => {
    const tenantId = saga.tenant();
    saga.proxy('sales').fault = ({ target }) => (target === 'purged' ? 'down' : null);
    const job = await saga.request(tenantId);
    const stuck = await saga.until(job, ({ status }) => status === 'needs_attention');
    expect(stuck.outcome).toContain('sales: service_unavailable');
    saga.proxy('sales').fault = null;
    await saga.wake(job);
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'completed' });
    saga.expectGone(tenantId);
  });

  it('purges rows again that came in between', async () => {
    const tenantId = saga.tenant();
    const held = saga.holdIn('verify', tenantId);
    const job = await saga.request(tenantId);
    await held.reached;
    saga.orders.rows.set(tenantId, ['late']);
    held.release();
    const ended = await saga.untilEnded(job);
    expect(ended).toMatchObject({ status: 'completed', rows_deleted: 7 });
    saga.expectGone(tenantId);
  });

  it('refuses a wake that means another job', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId, {}, 3_600_000);
    await saga.until(job, ({ phase }) => phase === 'window');
    const handle = saga.client.workflow.getHandle(workflowIdOf(tenantId));
    const foreign = { job_id: randomUUID(), because: 'replay' };
    await expect(handle.executeUpdate('wake', { args: [foreign] })).rejects.toThrow();
    await saga.cancel(job);
    await saga.untilEnded(job);
  });
});

describe('on the way back', () => {
  it('keeps the job open where rows cannot be put back, and lets the tenant in after the last one', async () => {
    const tenantId = saga.tenant();
    saga.orders.restoreConflict = true;
    saga.proxy('sales').fault = refusing('staged');
    const job = await saga.request(tenantId);
    const stuck = await saga.until(job, ({ status }) => status === 'needs_attention');
    expect(stuck.waiting_for?.kind).toBe('restore_conflict');
    await until(async () => saga.sales.stateOf(tenantId, job.job_id) === 'restored');
    expect(saga.orders.archived(tenantId)).toBe(3);
    expect(saga.isSuspended(tenantId)).toBe(true);
    saga.orders.restoreConflict = false;
    await saga.wake(job);
    const ended = await saga.untilEnded(job);
    expect(ended.status).toBe('compensated');
    expect(ended.outcome).toContain('sales: privilege_missing');
    saga.expectUntouched(tenantId);
  });
});

describe('a ledger that holds another job open', () => {
  it('is driven to what the record says of that job, and then staged', async () => {
    const tenantId = saga.tenant();
    const cancelled = await saga.request(tenantId, {}, 3_600_000);
    await saga.until(cancelled, ({ phase }) => phase === 'window');
    await saga.cancel(cancelled);
    await saga.untilEnded(cancelled);
    await saga.closed(cancelled);
    // A backup from the middle of that job comes back.
    saga.orders.rows.delete(tenantId);
    saga.orders.put(tenantId, cancelled.job_id, 'staged', ['o1', 'o2', 'o3']);
    const ended = await saga.untilEnded(await saga.request(tenantId));
    expect(ended).toMatchObject({ status: 'completed', rows_deleted: 6 });
    expect(saga.orders.stateOf(tenantId, cancelled.job_id)).toBe('restored');
    saga.expectGone(tenantId);
  });

  it('is driven there by the reconciler where no new job is asked for', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId);
    await saga.untilEnded(job);
    saga.orders.put(tenantId, job.job_id, 'staged', ['o1']);
    expect((await saga.reconciler.runOnce())?.settled).toBe(1);
    expect(saga.orders.stateOf(tenantId, job.job_id)).toBe('purged');
    saga.expectGone(tenantId);
  });

  it('is not touched before the pivot where the records do not know that job', async () => {
    const tenantId = saga.tenant();
    const unknown = randomUUID();
    saga.sales.put(tenantId, unknown, 'staged', ['from elsewhere']);
    const ended = await saga.untilEnded(await saga.request(tenantId));
    expect(ended.status).toBe('compensated');
    expect(saga.sales.stateOf(tenantId, unknown)).toBe('staged');
    saga.sales.forget(tenantId, unknown);
    saga.expectUntouched(tenantId);
  });

  it('goes with the rest after the pivot where the records do not know that job', async () => {
    const tenantId = saga.tenant();
    const unknown = randomUUID();
    const held = saga.holdIn('purge', tenantId);
    const job = await saga.request(tenantId);
    await held.reached;
    saga.orders.forget(tenantId, job.job_id);
    saga.orders.put(tenantId, unknown, 'staged', ['from elsewhere']);
    held.release();
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'completed' });
    expect(saga.orders.stateOf(tenantId, unknown)).toBe('absent');
    saga.expectGone(tenantId);
  });
});

describe('while the records are away', () => {
  it('waits for them, and nothing is lost', async () => {
    const tenantId = saga.tenant();
    const held = saga.holdIn('stage', tenantId);
    const job = await saga.request(tenantId);
    await held.reached;
    const { url, name } = saga.database;
    const other = new URL(url);
    other.pathname = '/postgres';
    await withSuperuser(other.href, async (client) => {
      await client.query(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS false`);
      await client.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND usename = 'lethe_records'",
        [name],
      );
      held.release();
      // Longer than the patience with a service.
      await new Promise((resolve) => setTimeout(resolve, saga.settings.giveUpAfterMs + 500));
      await client.query(`ALTER DATABASE "${name}" ALLOW_CONNECTIONS true`);
    });
    expect(await saga.untilEnded(job, 30_000)).toMatchObject({ status: 'completed', rows_deleted: 6 });
    saga.expectGone(tenantId);
  });
});
