/** The protocol's table of states, asked of a real service over HTTP, cell by cell. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { differingTables, totalRows } from '../../../local/checksums.js';
import { deletionStatus, deletionTarget, ledgerState } from '../../../protocol/participant.js';
import { TRANSITIONS } from '../../../protocol/transitions.js';
import { until } from '../../support/conditions.js';
import { type OrdersFixture, openOrdersFixture, ROWS } from './orders-fixture.js';

const CELLS = ledgerState.options.flatMap((state) =>
  deletionTarget.options.map((target) => [state, target] as const),
);
const TOTAL = Object.values(ROWS).reduce((sum, rows) => sum + rows, 0);

let fixture: OrdersFixture;
let neighbour: string;
let untouched: Awaited<ReturnType<OrdersFixture['checksums']>>;
const held: (() => Promise<void>)[] = [];

beforeAll(async () => {
  fixture = await openOrdersFixture();
  neighbour = (await fixture.tenant()).id;
  untouched = await fixture.checksums({ only: neighbour });
});
afterEach(async () => {
  for (const goOn of held.splice(0)) await goOn();
});
afterAll(() => fixture.close());

const countsOf = (body: unknown) =>
  Object.fromEntries(deletionStatus.parse(body).tables.map(({ table, rows }) => [table, rows]));

describe('a ledger that is', () => {
  it.each(CELLS)('%s answers %s as the table says', async (state, target) => {
    const tenant = await fixture.in(state);
    held.push(tenant.goOn);
    expect(await fixture.stateOf(tenant)).toBe(state);
    const cell = TRANSITIONS[state][target];
    const before = cell.answer === 'refused' ? await fixture.checksums({ only: tenant.id }) : {};
    const first = await fixture.advance(tenant, target);

    if (cell.answer === 'refused') {
      expect([first.status, first.body?.code]).toEqual([409, cell.code]);
      expect(await fixture.stateOf(tenant)).toBe(state);
      expect(differingTables(await fixture.checksums({ only: tenant.id }), before)).toEqual([]);
      return;
    }
    if (cell.answer === 'done') expect(first.status).toBe(200);
    if (first.status === 202)
      expect(first.body?.state).toBe(cell.answer === 'works' ? cell.meanwhile : target);
    await held.pop()?.();
    const reached = await until(
      async () => {
        const answer = await fixture.advance(tenant, target);
        return answer.status === 200 && answer;
      },
      { what: `${state} → ${target}` },
    );
    expect(reached.body?.state).toBe(target);
    const again = await fixture.advance(tenant, target);
    expect([again.status, again.body?.state, countsOf(again.body)]).toEqual([
      200,
      target,
      countsOf(reached.body),
    ]);

    const live = totalRows(await fixture.checksums({ only: tenant.id }));
    expect(live).toBe(target === 'restored' ? TOTAL : 0);
    if (target !== 'restored') expect(countsOf(again.body)).toEqual(ROWS);
  });
});

describe('rows', () => {
  it('of others are as they were, after all of that', async () => {
    expect(totalRows(untouched)).toBe(TOTAL);
    expect(differingTables(await fixture.checksums({ only: neighbour }), untouched)).toEqual([]);
  });

  it('come back exactly', async () => {
    const tenant = await fixture.tenant();
    const before = await fixture.checksums({ only: tenant.id });
    await until(async () => (await fixture.advance(tenant, 'staged')).status === 200);
    expect(totalRows(await fixture.checksums({ only: tenant.id }))).toBe(0);
    await until(async () => (await fixture.advance(tenant, 'restored')).status === 200);
    expect(differingTables(await fixture.checksums({ only: tenant.id }), before)).toEqual([]);
  });

  it('are taken once by many requests at once', async () => {
    const tenant = await fixture.tenant();
    for (const target of ['staged', 'purged'] as const) {
      const answers = await Promise.all(Array.from({ length: 6 }, () => fixture.advance(tenant, target)));
      for (const { status } of answers) expect([200, 202, 503]).toContain(status);
      const reached = await until(async () => {
        const answer = await fixture.advance(tenant, target);
        return answer.status === 200 && answer;
      });
      expect(countsOf(reached.body)).toEqual(ROWS);
    }
  });

  it('of a stage request that comes after its own compensation stay where they are', async () => {
    const tenant = await fixture.tenant();
    expect((await fixture.advance(tenant, 'restored')).status).toBe(200);
    const late = await fixture.advance(tenant, 'staged');
    expect([late.status, late.body?.code]).toEqual([409, 'state_conflict']);
    expect(totalRows(await fixture.checksums({ only: tenant.id }))).toBe(TOTAL);
  });

  it('stay where they are under another plan than the one that was shown', async () => {
    const tenant = await fixture.tenant();
    const drift = await fixture.advance(tenant, 'staged', 'f'.repeat(64));
    expect([drift.status, drift.body?.code]).toEqual([409, 'plan_drift']);
    const without = await fixture.service.ask('PUT', `/tenant/${tenant.id}/deletions/${tenant.job}`, {
      token: { action: 'staged', tenantId: tenant.id, jobId: tenant.job },
      body: { target: 'staged' },
    });
    expect([without.status, without.body?.code]).toEqual([422, 'validation_failed']);
    expect(totalRows(await fixture.checksums({ only: tenant.id }))).toBe(TOTAL);
  });

  it('of another open job are not touched, unless the token lets that job go', async () => {
    const tenant = await fixture.tenant();
    const other = { ...tenant, job: randomUUID() };
    await until(async () => (await fixture.advance(other, 'staged')).status === 200);
    for (const target of ['staged', 'purged'] as const) {
      const refused = await fixture.advance(tenant, target);
      expect([refused.status, refused.body?.code, refused.body?.job_id]).toEqual([
        409,
        'other_job_open',
        other.job,
      ]);
    }
    const { open_jobs } = await fixture.service.client.call('manifest', { params: {} });
    expect(open_jobs).toContainEqual({ tenant_id: tenant.id, job_id: other.job, state: 'staged' });
    await until(
      async () =>
        (
          await fixture.service.client.call(
            'advance',
            { params: { tenant_id: tenant.id, job_id: tenant.job }, body: { target: 'purged' } },
            { token: { supersedesJobId: other.job } },
          )
        ).state === 'purged',
    );
    expect(
      (await fixture.service.client.call('verification', { params: { tenant_id: tenant.id } })).rows_left,
    ).toBe(0);
  });
});

describe('one call', () => {
  it('previews, deletes, and verifies; the same again gives the same counts', async () => {
    const tenant = await fixture.tenant();
    const params = { tenant_id: tenant.id };
    const { client } = fixture.service;
    const preview = await client.call('preview', { params });
    expect(preview.total_rows).toBe(TOTAL);
    expect(Object.fromEntries(preview.tables.map(({ table, rows }) => [table, rows]))).toEqual(ROWS);
    expect(preview.findings.filter(({ severity }) => severity === 'refusal')).toEqual([]);
    const remove = () => client.call('deleteNow', { params, query: { job_id: tenant.job } });
    const first = await remove();
    expect(first).toEqual({
      tenant_id: tenant.id,
      service_name: 'orders',
      success: true,
      deleted_counts: ROWS,
      errors: [],
    });
    expect(await remove()).toEqual(first);
    const verified = await until(async () => {
      const found = await client.call('verification', { params, query: { job_id: tenant.job } });
      return found.horizon_passed && found;
    });
    expect(verified).toMatchObject({ clean: true, rows_left: 0 });
    expect(differingTables(await fixture.checksums({ only: neighbour }), untouched)).toEqual([]);
  });

  it('leaves what the law wants kept where it is counted for an auditor, and erases nothing before its date', async () => {
    const tenant = await fixture.tenant();
    const { client } = fixture.service;
    const params = { tenant_id: tenant.id };
    await client.call('deleteNow', { params, query: { job_id: tenant.job } });
    const page = await client.call('retained', { params: {}, query: { tenant_id: tenant.id } });
    expect(page.entries.map(({ table, why, rows, last_due_at }) => [table, why, rows, last_due_at])).toEqual(
      [
        ['orders.customer_addresses', 'referred_to', 1],
        ['orders.customers', 'referred_to', 1],
        ['orders.invoice_lines', 'policy', 1],
        ['orders.invoices', 'policy', 1],
        ['orders.order_status_history', 'referred_to', 1],
        ['orders.orders', 'referred_to', 1],
        ['orders.recurring_orders', 'referred_to', 1],
      ].map((one) => [...one, '2036-01-01T00:00:00.000Z']),
    );
    const counts = async () =>
      (await client.call('verification', { params, query: { job_id: tenant.job } })).tables.find(
        ({ table }) => table === 'orders.invoices',
      );
    expect(await counts()).toMatchObject({ live_rows: 0, archived_rows: 0, retained: 1 });
    const erase = { run_id: randomUUID(), before: new Date().toISOString() };
    expect(await client.call('eraseDue', { params: {}, body: erase })).toMatchObject({
      erased: [],
      more: false,
    });
    // The service's own role cannot show what it has put there.
    const shown = await fixture.service.ask('GET', '/retained/export', { token: { action: 'retained' } });
    expect([shown.status, shown.body?.code]).toEqual([409, 'privilege_missing']);
    const other = await fixture.service.ask('GET', '/retained', { token: { action: 'manifest' } });
    expect([other.status, other.body?.code]).toEqual([403, 'forbidden']);
  });

  it('names tenant and job as they were asked for', async () => {
    const tenant = await fixture.tenant();
    const shouted = { id: tenant.id.toUpperCase(), job: tenant.job.toUpperCase() };
    const answer = await fixture.advance(shouted, 'restored');
    expect(answer.body).toMatchObject({ tenant_id: shouted.id, job_id: shouted.job, state: 'restored' });
    expect(await fixture.stateOf(tenant)).toBe('restored');
  });

  it('exports what it would delete, and out of the archive what it has staged', async () => {
    const tenant = await fixture.tenant();
    const path = `/tenant/${tenant.id}/export`;
    const linesOf = async (job: string | null) => {
      const answer = await fixture.service.ask('GET', job === null ? path : `${path}?job_id=${job}`, {
        token: { action: 'export', tenantId: tenant.id, ...(job !== null && { jobId: job }) },
      });
      expect(answer.status).toBe(200);
      const lines = answer.text.split('\n').filter(Boolean);
      // An archive is described before its rows.
      if (job !== null) expect(JSON.parse(lines.shift() ?? '')).toMatchObject({ export: { key: null } });
      return lines.sort();
    };
    const live = await linesOf(null);
    expect(live).toHaveLength(TOTAL);
    await until(async () => (await fixture.advance(tenant, 'staged')).status === 200);
    expect(await linesOf(null)).toEqual([]);
    const archived = await linesOf(tenant.job);
    expect(archived.map((line) => (JSON.parse(line) as { table: string }).table)).toEqual(
      live.map((line) => (JSON.parse(line) as { table: string }).table),
    );
  });
});
