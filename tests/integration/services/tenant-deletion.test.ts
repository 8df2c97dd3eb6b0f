import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../support/conditions.js';
import { openTenantFixture, type TenantFixture } from './tenant-fixture.js';

let fixture: TenantFixture;
let owner: string;
let member: string;
beforeAll(async () => {
  fixture = await openTenantFixture();
  [owner, member] = await Promise.all([fixture.user(), fixture.user()]);
});
afterAll(() => fixture.close());

const newTenant = () => fixture.tenant({ [owner]: 'owner', [member]: 'member' });
const COUNTS = { 'tenant.tenant_members': 2, 'tenant.tenants': 1 };
const purge = (tenant: string, job: string) =>
  fixture.service.client.call('advance', {
    params: { tenant_id: tenant, job_id: job },
    body: { target: 'purged' },
  });
const verify = (tenant: string, job?: string) =>
  fixture.service.client.call('verification', {
    params: { tenant_id: tenant },
    query: { ...(job !== undefined && { job_id: job }) },
  });
const countsOf = (status: { tables: { table: string; rows: number }[] }) =>
  Object.fromEntries(status.tables.map(({ table, rows }) => [table, rows]));

async function rowsOf(tenant: string): Promise<Record<string, number>> {
  const { rows } = await fixture.pool.query<{ name: string; rows: number }>(
    `SELECT 'tenants' AS name, count(*)::int AS rows FROM tenant.tenants WHERE id = $1
     UNION ALL SELECT 'members', count(*)::int FROM tenant.tenant_members WHERE tenant_id = $1
     UNION ALL SELECT 'ledger', count(*)::int FROM lethe_tenant.deletion_ledger WHERE tenant_id = $1
     UNION ALL SELECT 'tombstones', count(*)::int FROM lethe_tenant.tenant_tombstones WHERE tenant_id = $1`,
    [tenant],
  );
  return Object.fromEntries(rows.map(({ name, rows: count }) => [name, count]));
}

/** A connection of its own, in the middle of something. */
async function somebody<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(fixture.pool.options);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

describe("the directory's part of a deletion", () => {
  it('is shown, done once, and the same whenever it is asked for again', async () => {
    const tenant = await newTenant();
    const job = randomUUID();
    const others = await fixture.checksumOfOthers(tenant);
    const preview = await fixture.service.client.call('preview', { params: { tenant_id: tenant } });
    expect(preview).toMatchObject({
      total_rows: 3,
      reversible: false,
      findings: [{ code: 'orphan_users', severity: 'info' }],
    });
    expect(countsOf(preview)).toEqual(COUNTS);
    const manifest = await fixture.service.client.call('manifest', { params: {} });
    expect(manifest.plan_hash).toBe(preview.plan_hash);

    const first = await purge(tenant, job);
    expect(first).toMatchObject({ state: 'purged', rows_done: 3, rows_total: 3 });
    expect(countsOf(first)).toEqual(COUNTS);
    expect(await purge(tenant, job)).toEqual(first);
    expect(
      await fixture.service.client.call('status', { params: { tenant_id: tenant, job_id: job } }),
    ).toEqual(first);
    const deleted = await fixture.service.client.call('deleteNow', {
      params: { tenant_id: tenant },
      query: { job_id: job },
    });
    expect(deleted).toMatchObject({ success: true, deleted_counts: COUNTS });

    expect(await rowsOf(tenant)).toEqual({ tenants: 0, members: 0, ledger: 1, tombstones: 1 });
    expect(await fixture.checksumOfOthers(tenant)).toBe(others);
    await expect(
      fixture.service.client.call('tenant', { params: { tenant_id: tenant } }),
    ).rejects.toMatchObject({
      code: 'already_erased',
    });
    await expect(
      fixture.service.client.call('suspend', {
        params: { tenant_id: tenant },
        body: { job_id: randomUUID(), suspended: true },
      }),
    ).rejects.toMatchObject({ code: 'already_erased' });
  });

  it('is done once by many at once', async () => {
    const tenant = await newTenant();
    const job = randomUUID();
    const answers = await Promise.all(Array.from({ length: 8 }, () => purge(tenant, job)));
    for (const answer of answers) expect(countsOf(answer)).toEqual(COUNTS);
    expect(await rowsOf(tenant)).toEqual({ tenants: 0, members: 0, ledger: 1, tombstones: 1 });
  });

  it('is recorded for a tenant that has no row, and does nothing to others', async () => {
    const others = await fixture.checksumOfOthers();
    const tenant = randomUUID();
    expect(await purge(tenant, randomUUID())).toMatchObject({ state: 'purged', rows_done: 0 });
    expect(await fixture.checksumOfOthers()).toBe(others);
  });

  it('cannot be staged or restored, and a request for it changes nothing', async () => {
    const tenant = await newTenant();
    const params = { tenant_id: tenant, job_id: randomUUID() };
    for (const target of ['staged', 'restored'] as const) {
      await expect(
        fixture.service.client.call('advance', { params, body: { target, plan_hash: 'a'.repeat(64) } }),
      ).rejects.toMatchObject({ code: 'target_unsupported' });
    }
    expect(await rowsOf(tenant)).toEqual({ tenants: 1, members: 2, ledger: 0, tombstones: 0 });
    expect(await fixture.service.client.call('status', { params })).toMatchObject({ state: 'absent' });
  });

  it('leaves a fence: the tenant does not come back under its id', async () => {
    const tenant = await newTenant();
    await purge(tenant, randomUUID());
    await expect(
      fixture.pool.query('INSERT INTO tenant.tenants (id, name, slug) VALUES ($1, $2, $2)', [
        tenant,
        'again',
      ]),
    ).rejects.toMatchObject({ code: '23514' });
    expect(await rowsOf(tenant)).toMatchObject({ tenants: 0 });
  });

  it('takes what a backup brought back, and adds it to the counts', async () => {
    const tenant = await newTenant();
    const job = randomUUID();
    await purge(tenant, job);
    await until(async () => (await verify(tenant, job)).horizon_passed);
    await fixture.pool.query('DELETE FROM lethe_tenant.tenant_tombstones WHERE tenant_id = $1', [tenant]);
    await fixture.pool.query('INSERT INTO tenant.tenants (id, name, slug) VALUES ($1, $2, $3)', [
      tenant,
      'Back',
      `back-${tenant}`,
    ]);
    expect(await verify(tenant, job)).toMatchObject({ clean: false, rows_left: 1 });
    expect(countsOf(await purge(tenant, job))).toEqual({ ...COUNTS, 'tenant.tenants': 2 });
    expect(await rowsOf(tenant)).toMatchObject({ tenants: 0, tombstones: 1 });
  });

  it('says what it waits for while somebody holds the row, and goes on afterwards', async () => {
    const tenant = await newTenant();
    const job = randomUUID();
    await somebody(async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT 1 FROM tenant.tenants WHERE id = $1 FOR UPDATE', [tenant]);
      expect(await purge(tenant, job)).toMatchObject({
        state: 'absent',
        waiting_for: {
          kind: 'lock',
          reason: expect.stringMatching(/lock timeout \(55P03\) on tenant.tenants/),
        },
      });
      await client.query('ROLLBACK');
    });
    expect(await rowsOf(tenant)).toEqual({ tenants: 1, members: 2, ledger: 0, tombstones: 0 });
    expect(countsOf(await purge(tenant, job))).toEqual(COUNTS);
  });

  it('is clean only when every transaction from before the tombstone is gone', async () => {
    const tenant = await newTenant();
    const job = randomUUID();
    await somebody(async (client) => {
      // No transaction id yet, and a snapshot from before: it may still write.
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      await client.query('SELECT 1');
      await purge(tenant, job);
      const waiting = await verify(tenant, job);
      expect(waiting).toMatchObject({ horizon_passed: false, waiting_for: { kind: 'older_transaction' } });
      expect(waiting.waiting_for?.blockers.join()).toMatch(/pid \d+ \(user postgres\)/);
      const { horizon } = waiting;
      await client.query('COMMIT');
      const passed = await until(async () => {
        const found = await verify(tenant, job);
        return found.horizon_passed && found;
      });
      expect(passed).toMatchObject({ clean: true, rows_left: 0, horizon, waiting_for: null });
    });
  });

  it('finds the tenant that came back in the moment of its purge, and takes it again', async () => {
    const tenant = await newTenant();
    const job = randomUUID();
    const waiting = (who: string, count: number) =>
      until(async () => {
        const { rows } = await fixture.pool.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND usename = $1 AND wait_event_type = 'Lock'`,
          [who],
        );
        return rows.length === count;
      });
    await somebody(async (holder) => {
      await holder.query('BEGIN; LOCK TABLE lethe_tenant.tenant_tombstones IN SHARE MODE');
      const purged = purge(tenant, job);
      await waiting('lethe_tenant', 1);
      // The fence sees no tombstone yet; then it waits for the row that is being deleted.
      const inserted = fixture.pool.query('INSERT INTO tenant.tenants (id, name, slug) VALUES ($1, $2, $3)', [
        tenant,
        'Late',
        `late-${tenant}`,
      ]);
      await waiting('postgres', 1);
      await holder.query('COMMIT');
      expect((await purged).state).toBe('purged');
      await inserted;
    });
    const found = await until(async () => {
      const verified = await verify(tenant, job);
      return verified.horizon_passed && verified;
    });
    expect(found).toMatchObject({ clean: false, rows_left: 1 });
    expect(countsOf(await purge(tenant, job))).toEqual({ ...COUNTS, 'tenant.tenants': 2 });
    expect(await until(async () => (await verify(tenant, job)).horizon_passed)).toBe(true);
    expect(await verify(tenant, job)).toMatchObject({ clean: true });
  });

  it('names a privilege that is missing before it is too late, and keeps everything without it', async () => {
    const tenant = await newTenant();
    const params = { tenant_id: tenant };
    await fixture.pool.query('REVOKE DELETE ON tenant.tenant_members FROM lethe_tenant');
    const { findings } = await fixture.service.client.call('preview', { params });
    expect(findings).toMatchObject([
      { code: 'privilege_missing', severity: 'refusal', table: 'tenant.tenant_members', privilege: 'DELETE' },
    ]);
    await expect(purge(tenant, randomUUID())).rejects.toMatchObject({
      code: 'privilege_missing',
      extras: { sqlstate: '42501', table: 'tenant_members' },
    });
    expect(await rowsOf(tenant)).toEqual({ tenants: 1, members: 2, ledger: 0, tombstones: 0 });
    await fixture.pool.query(findings[0]?.remedy ?? '');
    expect((await fixture.service.client.call('preview', { params })).findings).toEqual([]);
    expect(countsOf(await purge(tenant, randomUUID()))).toEqual(COUNTS);
  });

  it('that loses its connection in the middle did nothing, and can be asked for again', async () => {
    const tenant = await newTenant();
    const job = randomUUID();
    await somebody(async (holder) => {
      await holder.query('BEGIN; LOCK TABLE lethe_tenant.tenant_tombstones IN SHARE MODE');
      const lost = purge(tenant, job).catch((error: unknown) => error);
      await until(async () => {
        const { rows } = await fixture.pool.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND usename = 'lethe_tenant' AND wait_event_type = 'Lock'`,
        );
        return rows.length === 1;
      });
      expect(await lost).toMatchObject({ code: 'database_unavailable', retry: 'retryable' });
      await holder.query('ROLLBACK');
    });
    expect(await rowsOf(tenant)).toEqual({ tenants: 1, members: 2, ledger: 0, tombstones: 0 });
    expect(countsOf(await purge(tenant, job))).toEqual(COUNTS);
  });

  it('without a job merely counts', async () => {
    const tenant = await newTenant();
    expect(await verify(tenant)).toMatchObject({
      job_id: null,
      clean: false,
      rows_left: 3,
      horizon: null,
      horizon_passed: false,
    });
  });

  it('streams the rows that it would delete, and no user', async () => {
    const tenant = await newTenant();
    const answer = await fixture.service.ask('GET', `/tenant/${tenant}/export`, {
      token: { action: 'export', tenantId: tenant },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('application/x-ndjson');
    const lines = answer.text.trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { table: string }).table).sort()).toEqual([
      'tenant.tenant_members',
      'tenant.tenant_members',
      'tenant.tenants',
    ]);
    expect(answer.text).not.toContain('@example.org');
  });
});
