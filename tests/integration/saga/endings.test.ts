/** Every way a deletion ends, and what it leaves behind. */
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { JobView } from '../../../protocol/jobs.js';
import { workflowIdOf } from '../../../protocol/workflow.js';
import { until } from '../../support/conditions.js';
import { openTestSaga, type TestSaga } from '../../support/saga.js';

let saga: TestSaga;

beforeAll(async () => {
  saga = await openTestSaga();
  await saga.startWorker();
});
afterAll(() => saga?.close());
afterEach(() => {
  saga.settings.giveUpAfterMs = 1_500;
  saga.settle();
});

/** How the run failed in Temporal. */
async function failureOf(job: JobView): Promise<ApplicationFailure> {
  await saga.closed(job);
  const handle = saga.client.workflow.getHandle(workflowIdOf(job.tenant_id));
  const error = await handle.result().then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof WorkflowFailedError) || !(error.cause instanceof ApplicationFailure)) throw error;
  return error.cause;
}

function lastError(job: JobView, service: string) {
  return job.services.find(({ name }) => name === service)?.last_error;
}

describe('completed', () => {
  it('leaves nothing of the tenant, and says how much it was', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId);
    const ended = await saga.untilEnded(job);
    expect(ended).toMatchObject({ status: 'completed', decision: 'proceed', rows_deleted: 6 });
    expect(ended.services.every((service) => service.verified_at !== null)).toBe(true);
    expect(ended.preview_hash).toMatch(/^[0-9a-f]{64}$/);
    saga.expectGone(tenantId);
    expect((await saga.closed(job)).status.name).toBe('COMPLETED');
    expect(await saga.records.isErased(tenantId)).toBe(true);
  });

  it('is found in Temporal by tenant and by status', async () => {
    const tenantId = saga.tenant();
    const job = await saga.request(tenantId);
    await saga.untilEnded(job);
    const query = `TenantId = "${tenantId}" AND DeletionStatus = "completed"`;
    const found = await until(async () => {
      for await (const run of saga.client.workflow.list({ query })) return run;
      return null;
    });
    expect(found.memo?.job_id).toBe(job.job_id);
  });

  it('counts once when answers are lost on their way back', async () => {
    saga.settings.giveUpAfterMs = 30_000;
    const tenantId = saga.tenant();
    const lost = new Set<string>();
    const proxy = saga.proxy('orders');
    proxy.fault = ({ target }) => {
      if (target === null || lost.has(target)) return null;
      lost.add(target);
      return 'lost';
    };
    const ended = await saga.untilEnded(await saga.request(tenantId));
    expect(ended).toMatchObject({ status: 'completed', rows_deleted: 6 });
    expect([...lost].sort()).toEqual(['purged', 'staged']);
    saga.expectGone(tenantId);
  });
});

describe('refused', () => {
  it('touches nothing where a plan cannot be carried out, and keeps each service and privilege', async () => {
    const tenantId = saga.tenant();
    for (const [service, table] of [
      [saga.orders, 'orders.things'],
      [saga.sales, 'sales.things'],
    ] as const) {
      service.findings = [
        {
          code: 'privilege_missing',
          severity: 'refusal',
          table,
          privilege: 'DELETE',
          message: `lethe_${service.name} may not DELETE from ${table}.`,
          remedy: `GRANT DELETE ON ${table} TO lethe_${service.name};`,
        },
      ];
    }
    const job = await saga.request(tenantId);
    const ended = await saga.untilEnded(job);
    expect(ended).toMatchObject({ status: 'refused', decision: 'abort', abort_cause: 'refusal' });
    for (const name of ['orders', 'sales']) {
      expect(lastError(ended, name)).toMatchObject({
        code: 'privilege_missing',
        table: `${name}.things`,
        privilege: 'DELETE',
      });
    }
    expect(ended.services.every((service) => service.stage_requested_at === null)).toBe(true);
    saga.expectUntouched(tenantId);
    const failure = await failureOf(job);
    expect(failure.type).toBe('Refused');
    expect(failure.message).toContain('orders: privilege_missing (DELETE on orders.things)');
  });

  it('touches nothing where a service does not answer the check for too long', async () => {
    const tenantId = saga.tenant();
    const proxy = saga.proxy('sales');
    proxy.fault = () => 'down';
    const ended = await saga.untilEnded(await saga.request(tenantId));
    expect(ended).toMatchObject({ status: 'refused' });
    expect(lastError(ended, 'sales')?.code).toBe('service_unavailable');
    saga.expectUntouched(tenantId);
  });
});

describe('compensated', () => {
  it.each([
    ['is down', 'down' as const, 'service_unavailable'],
    ['hangs', 'hang' as const, 'service_unavailable'],
    ['answers garbage', 'garbage' as const, 'service_invalid_answer'],
    ['answers 500', { status: 500 }, 'internal'],
    ['answers 401', { status: 401 }, 'unauthenticated'],
    ['lacks a privilege by now', { status: 409, code: 'privilege_missing' }, 'privilege_missing'],
  ])('brings every row back where a service %s while it is staged', async (_, fault, code) => {
    const tenantId = saga.tenant();
    const proxy = saga.proxy('sales');
    proxy.fault = ({ target }) => (target === 'staged' ? fault : null);
    const job = await saga.request(tenantId);
    const ended = await saga.untilEnded(job);
    expect(ended).toMatchObject({ status: 'compensated', decision: 'abort', abort_cause: 'failure' });
    expect(lastError(ended, 'sales')?.code).toBe(code);
    expect(saga.orders.stateOf(tenantId, job.job_id)).toBe('restored');
    saga.expectUntouched(tenantId);
    const failure = await failureOf(job);
    expect(failure.type).toBe('Compensated');
    expect(failure.message).toContain(`sales: ${code}`);
    expect(failure.message).not.toContain(tenantId);
  });

  it("names PostgreSQL's reason where a lock was waited for in vain", async () => {
    const tenantId = saga.tenant();
    saga.sales.waiting = {
      kind: 'lock',
      since: new Date().toISOString(),
      reason: 'canceling statement due to lock timeout (55P03) on sales.things',
      blockers: ['pid 4711, user baker'],
    };
    const job = await saga.request(tenantId);
    const proxy = saga.proxy('sales');
    proxy.fault = ({ target }) => {
      // Whoever held the lock lets go when everything goes back.
      if (target === 'restored') saga.sales.waiting = null;
      return null;
    };
    const ended = await saga.untilEnded(job);
    expect(ended.status).toBe('compensated');
    expect(lastError(ended, 'sales')).toMatchObject({
      code: 'database_busy',
      sqlstate: '55P03',
      table: 'sales.things',
      message:
        'canceling statement due to lock timeout (55P03) on sales.things; blocked by pid 4711, user baker',
    });
    saga.expectUntouched(tenantId);
  });

  it('waits longer for older transactions, and names them when it gives up', async () => {
    const tenantId = saga.tenant();
    saga.orders.waiting = {
      kind: 'older_transaction',
      since: new Date().toISOString(),
      reason: 'waits for transactions from before the fence',
      blockers: ['pid 42, user report'],
    };
    const started = Date.now();
    const job = await saga.request(tenantId);
    const proxy = saga.proxy('orders');
    proxy.fault = ({ target }) => {
      if (target === 'restored') saga.orders.waiting = null;
      return null;
    };
    const waits = await saga.until(job, ({ waiting_for }) => waiting_for?.kind === 'older_transaction');
    expect(waits).toMatchObject({ status: 'waiting', phase: 'stage' });
    expect(waits.waiting_for?.next_action).toContain('pid 42, user report');
    const ended = await saga.untilEnded(job);
    expect(ended.status).toBe('compensated');
    expect(Date.now() - started).toBeGreaterThanOrEqual(saga.settings.olderTransactionLimitMs);
    expect(lastError(ended, 'orders')?.message).toContain('pid 42, user report');
    saga.expectUntouched(tenantId);
  });

  it('does not go on by another plan than the one that was checked', async () => {
    const tenantId = saga.tenant();
    const proxy = saga.proxy('orders');
    proxy.fault = ({ target }) => {
      if (target === 'staged') saga.orders.planHash = 'b'.repeat(64);
      return null;
    };
    const ended = await saga.untilEnded(await saga.request(tenantId));
    expect(ended.status).toBe('compensated');
    expect(lastError(ended, 'orders')?.code).toBe('plan_drift');
    saga.expectUntouched(tenantId);
  });

  it('keeps asking at the pace that a busy service names', async () => {
    saga.settings.giveUpAfterMs = 30_000;
    const tenantId = saga.tenant();
    let asked = 0;
    const times: number[] = [];
    const proxy = saga.proxy('orders');
    proxy.fault = ({ target }) => {
      if (target !== 'staged') return null;
      times.push(Date.now());
      asked += 1;
      return asked === 1 ? { status: 503, code: 'database_busy', retryAfter: 1 } : null;
    };
    const ended = await saga.untilEnded(await saga.request(tenantId));
    expect(ended.status).toBe('completed');
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(950);
  });
});
