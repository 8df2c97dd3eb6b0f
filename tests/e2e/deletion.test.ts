/** One tenant of three leaves a running platform. */

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Checksums, differingTables, totalRows } from '../../local/checksums.js';
import { leavingRows } from '../../local/leaving.js';
import type { JobView } from '../../protocol/jobs.js';
import { workflowIdOf } from '../../protocol/workflow.js';
import type { SeededTenant } from '../../services/sample-data/load.js';
import { type Callers, createCallers } from '../support/callers.js';
import { until } from '../support/conditions.js';
import { faultsOfLogs, logsOf, personalWords } from '../support/logs.js';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';

const ROWS = 3_000;

// Seconds on a machine that has nothing else to do.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

describe('a tenant deleted by its owner', () => {
  let platform: TestPlatform;
  let callers: Callers;
  let gone: SeededTenant;
  let others: SeededTenant[];
  let job: JobView;
  let before: Checksums;
  let shared: Checksums;
  let personal: string[];
  let begun: number;

  beforeAll(async () => {
    platform = await startTestPlatform({ environment: { LOG_LEVEL: 'debug' } });
    callers = await createCallers(platform);
    const [first, ...more] = await callers.seed(3, ROWS);
    if (first === undefined) throw new Error('Nothing was seeded.');
    [gone, others] = [first, more];
    personal = await personalWords(callers);
    before = await callers.checksums({ except: gone.tenantId });
    shared = await sharedTables(callers);
    begun = Date.now();
    job = await callers.untilEnded((await callers.delete(gone)).job_id);
  });
  afterAll(async () => {
    await callers?.close();
    await platform?.stop();
  });

  it('ends completed, and counts what was seeded, table by table', () => {
    expect(job).toMatchObject({ status: 'completed', decision: 'proceed', rows_deleted: leavingRows(gone) });
    const counted = job.services.flatMap(({ counts }) =>
      counts.map(({ table, rows, anonymized = 0 }) => [table, rows + anonymized]),
    );
    const unquoted = counted.map(([table, rows]) => [String(table).replaceAll('"', ''), rows] as const);
    expect(Object.fromEntries(unquoted)).toEqual(gone.rowsOf);
    expect(unquoted).toHaveLength(Object.keys(gone.rowsOf).length);
    expect(job.services).toHaveLength(13);
    expect(job.services.filter((one) => one.state !== 'purged' || one.verified_at === null)).toEqual([]);
  });

  it('keeps invoices and payments for ten years with what they refer to, and says so table by table', async () => {
    const counts = job.services.flatMap((one) => one.counts);
    const of = (name: string) => counts.find(({ table }) => table === name);
    for (const table of ['orders.invoices', 'orders.invoice_lines', 'suppliers.supplier_payments'])
      expect(of(table)).toMatchObject({ deleted: 0, retained: gone.rowsOf[table] });
    expect(of('orders.orders')?.retained).toBeGreaterThan(0);
    expect(of('orders.order_items')?.retained).toBeUndefined();
    const metrics = 'forecasting.performance_metrics';
    expect(of(metrics)).toMatchObject({ rows: 0, anonymized: gone.rowsOf[metrics] });
    for (const service of ['orders', 'suppliers']) {
      const kept = await callers.sql<{ table: string; rows: number }>(
        `SELECT table_name AS table, count(*)::int AS rows FROM lethe_${service}_retained.retained_rows
          WHERE tenant_id = $1 AND retain_until > now() + interval '6 years' GROUP BY 1 ORDER BY 1`,
        [gone.tenantId],
      );
      const told = counts
        .filter(({ table, retained = 0 }) => table.startsWith(`${service}.`) && retained > 0)
        .map(({ table, retained }) => ({ table, rows: retained }));
      expect(kept).toEqual(told.sort((one, other) => (one.table < other.table ? -1 : 1)));
    }
  });

  it('has no row left in any table of any service, live or archived', async () => {
    const left = await callers.checksums({ only: gone.tenantId });
    expect(Object.keys(left).length).toBeGreaterThan(60);
    expect(totalRows(left)).toBe(0);
    expect(await callers.archives()).toEqual([]);
    expect(await rowsThatMention(callers, gone.tenantId)).toEqual([]);
  });

  it('leaves every row of the other tenants as it was', async () => {
    expect(totalRows(before)).toBeGreaterThan(2 * ROWS);
    expect(differingTables(before, await callers.checksums({ except: gone.tenantId }))).toEqual([]);
    for (const other of others) {
      expect(totalRows(await callers.checksums({ only: other.tenantId }))).toBe(other.rows);
      expect(await callers.isSuspended(other)).toBe(false);
    }
  });

  it('leaves people and shared tables alone', async () => {
    expect(Object.keys(shared).length).toBeGreaterThan(2);
    expect(Object.entries(shared).filter(([, { rows }]) => rows === 0)).toEqual([]);
    expect(await sharedTables(callers)).toEqual(shared);
  });

  it('is found in Temporal by its tenant, and can be read there without opening payloads', async () => {
    const run = await until(
      async () => {
        const query = `TenantId = "${gone.tenantId}" AND DeletionStatus = "completed"`;
        for await (const found of callers.temporal.workflow.list({ query })) return found;
        return null;
      },
      { what: 'the run to be listed' },
    );
    expect(run.workflowId).toBe(workflowIdOf(gone.tenantId));
    const described = await callers.closedRun(gone);
    expect(described.status.name).toBe('COMPLETED');
    expect(described.memo).toMatchObject({ job_id: job.job_id });
    const attributes = described.typedSearchAttributes.getAll();
    expect(Object.fromEntries(attributes.map(({ key, value }) => [key.name, value]))).toMatchObject({
      TenantId: gone.tenantId,
      DeletionStatus: 'completed',
    });
    const history = JSON.stringify(await callers.run(gone).fetchHistory());
    const decoded = history.replace(/"([A-Za-z0-9+/]{8,}={0,2})"/g, (_, text: string) =>
      Buffer.from(text, 'base64').toString('utf8'),
    );
    expect(decoded).toContain(job.job_id);
    expect(personal.filter((word) => decoded.includes(word))).toEqual([]);
  });

  it('is told of in the audit: who, what, and when', async () => {
    const events = await callers.sql<{
      action: string;
      actor_kind: string;
      actor_id: string;
      actor_role: string;
      at: Date;
      tenant_id: string;
      request_id: string | null;
      details: Record<string, unknown>;
    }>('SELECT * FROM lethe_records.audit_events WHERE job_id = $1 ORDER BY event_id', [job.job_id]);
    const [owner] = await callers.sql<{ pseudonym: string }>(
      'SELECT pseudonym::text FROM lethe_records.people WHERE user_id = $1',
      [gone.ownerUserId],
    );
    expect(owner?.pseudonym).not.toBe(gone.ownerUserId);
    expect(events[0]).toMatchObject({
      action: 'deletion requested',
      actor_kind: 'user',
      actor_id: owner?.pseudonym,
      actor_role: 'owner',
      tenant_id: gone.tenantId,
      request_id: expect.any(String),
    });
    expect(events.at(-1)).toMatchObject({ action: 'job ended', details: { status: 'completed' } });
    expect(events.filter(({ action }) => action === 'decided to proceed')).toHaveLength(1);
    const phases = events.filter(({ action }) => action === 'step reached').map((one) => one.details.phase);
    const order = ['check', 'suspend', 'stage', 'pivot', 'purge', 'directory', 'verify'];
    // A phase comes up again where what it waits for changes.
    const entered = phases.filter((phase, place) => phase !== phases[place - 1]);
    expect(entered.filter((phase) => order.includes(String(phase)))).toEqual(order);
    const times = events.map(({ at }) => at.getTime());
    expect(times).toEqual([...times].sort((one, other) => one - other));
    expect(times[0]).toBeGreaterThanOrEqual(begun - 1_000);
    expect(times.at(-1)).toBeLessThanOrEqual(Date.now());
    expect(personal.filter((word) => JSON.stringify(events).includes(word))).toEqual([]);
  });

  it('is gone for whoever asks again, and its job stays readable for who was its owner', async () => {
    const owner = await callers.owner(gone);
    const again = await owner.ask('DELETE', `/tenants/${gone.tenantId}`);
    expect([again.status, again.body.code]).toEqual([410, 'already_erased']);
    const body = { reason: 'once more' };
    const asOperator = await callers.operator.ask('POST', `/tenants/${gone.tenantId}/deletion-jobs`, body);
    expect([asOperator.status, asOperator.body.code]).toEqual([410, 'already_erased']);
    const preview = await owner.ask('GET', `/tenants/${gone.tenantId}/deletion-preview`);
    expect([preview.status, preview.body.code]).toEqual([410, 'already_erased']);

    const person = await callers.caller({ userId: gone.ownerUserId });
    const read = await person.ask('GET', `/deletion-jobs/${job.job_id}`);
    expect([read.status, read.body]).toEqual([200, job]);
    const listed = await person.ask('GET', '/deletion-jobs');
    expect(listed.body.jobs.map((one: JobView) => one.job_id)).toEqual([job.job_id]);
    const [other] = others;
    if (other === undefined) throw new Error('There is no other tenant.');
    const stranger = await (await callers.owner(other)).ask('GET', `/deletion-jobs/${job.job_id}`);
    expect([stranger.status, stranger.body.code]).toEqual([404, 'job_unknown']);
  });

  it('refuses rows of the tenant that come afterwards, and takes those of others', async () => {
    const [other] = others;
    const insert = `INSERT INTO notification.notification_templates
      SELECT (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid(), 'tenant_id', $1::uuid))).*
      FROM notification.notification_templates t WHERE tenant_id = $2 LIMIT 1`;
    await expect(callers.sql(insert, [gone.tenantId, other?.tenantId])).rejects.toThrow(
      /is being or has been erased/,
    );
  });

  it('has put nothing of a person and no secret into any log', async () => {
    const logs = logsOf(platform);
    expect(logs.map(({ name }) => name).sort()).toEqual(['api.log', 'services.log', 'worker.log']);
    expect(logs.filter(({ text }) => text.length < 500)).toEqual([]);
    expect(personal.length).toBeGreaterThan(100);
    expect(faultsOfLogs(platform, personal)).toEqual([]);
    // All can be read together, by the job.
    expect(logs.filter(({ text }) => !text.includes(job.job_id)).map(({ name }) => name)).toEqual([]);
  });
});

async function sharedTables(callers: Callers): Promise<Checksums> {
  const all = await callers.checksums();
  return Object.fromEntries(
    Object.entries(all).filter(([table]) => /^tenant\.users$|^external\.(cities|city_)/.test(table)),
  );
}

/** Where a tenant's id still stands, in whatever column: in the services' schemas, partitions one by one. */
async function rowsThatMention(callers: Callers, tenantId: string): Promise<string[]> {
  const tables = await callers.sql<{ name: string }>(`
    SELECT format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname !~ '^(pg_|information_schema|lethe_)'`);
  const found: string[] = [];
  for (const { name } of tables) {
    const rows = await callers.sql(`SELECT FROM ${name} AS t WHERE t::text LIKE $1 LIMIT 1`, [
      `%${tenantId}%`,
    ]);
    if (rows.length > 0) found.push(name);
  }
  return found;
}
