/** Two databases of others, known to Lethe by a file each, and nothing of this repository beside them. */

import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { jobView } from '../../protocol/jobs.js';
import { createForeignDatabase, type ForeignDatabase } from '../integration/participant/foreign-database.js';
import {
  ACME,
  WORKSPACE_ROWS,
  WORKSPACES_SQL,
  workspaceRows,
} from '../integration/participant/workspaces.js';
import { type Callers, createCallers } from '../support/callers.js';
import { until } from '../support/conditions.js';
import { checksums } from '../support/erasure.js';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';

// Seconds on a machine that has nothing else to do.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

const BILLING_SQL = `
CREATE TABLE invoice (id int PRIMARY KEY, customer text NOT NULL, total numeric NOT NULL);
CREATE TABLE invoice_line (invoice_id int NOT NULL REFERENCES invoice, what text NOT NULL);
CREATE INDEX ON invoice (customer); CREATE INDEX ON invoice_line (invoice_id);`;
const billed = (customer: string, from: number) => `
INSERT INTO invoice SELECT ${from} + n, '${customer.replaceAll("'", "''")}', n FROM generate_series(1, 5) n;
INSERT INTO invoice_line SELECT ${from} + n, 'work' FROM generate_series(1, 5) n, generate_series(1, 3);`;
const BILLED = 5 + 15;

let directory: string;
let crm: ForeignDatabase;
let billing: ForeignDatabase;
let platform: TestPlatform;
let callers: Callers;
let others: Record<string, string>;
let before: Record<string, string>;

const everything = async () => ({
  ...(await checksums(crm.admin, { schemas: ['app', 'Audit Log'] })),
  ...(await checksums(billing.admin, { schemas: ['public'] })),
});

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'lethe-participants-'));
  crm = await createForeignDatabase(WORKSPACES_SQL, 'crm');
  billing = await createForeignDatabase(BILLING_SQL, 'billing');
  await crm.admin.query(workspaceRows('globex', 1_000));
  await crm.admin.query('UPDATE app.session SET "lastTaskId" = NULL');
  await billing.admin.query(billed('globex', 1_000));
  others = await everything();
  await crm.admin.query(workspaceRows(ACME, 2_000));
  await billing.admin.query(billed(ACME, 2_000));
  before = await everything();
  const root = ['--root', 'app."Workspace"."Id"', '--schema', 'app', '--schema', 'Audit Log'];
  const column = ['--column', 'customer'];
  for (const [name, db, known] of [['crm', crm, root] as const, ['billing', billing, column] as const]) {
    const source = ['--database-url-env', `${name.toUpperCase()}_DATABASE_URL`];
    await db.cli(['init', ...source, ...known, '--out', db.path, '--yes']);
    await db.grant();
    writeFileSync(join(directory, `${name}.json`), readFileSync(db.path));
  }
  platform = await startTestPlatform({
    participants: directory,
    environment: {
      CRM_DATABASE_URL: crm.roleUrl,
      BILLING_DATABASE_URL: billing.roleUrl,
      RECONCILE_EVERY: '1s',
    },
  });
  callers = await createCallers(platform);
});
afterAll(async () => {
  await callers?.close();
  await platform?.stop();
  await crm?.drop();
  await billing?.drop();
  rmSync(directory, { recursive: true, force: true });
});

const address = `/tenants/${encodeURIComponent(ACME)}`;

describe('a tenant known by a text that nobody should read', () => {
  it('is previewed; one who is nowhere is unknown', async () => {
    const { status, body } = await callers.operator.ask('GET', `${address}/deletion-preview`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ tenant_id: ACME, total_rows: WORKSPACE_ROWS + BILLED });
    const nobody = await callers.operator.ask('DELETE', '/tenants/nobody');
    expect(nobody).toMatchObject({ status: 404, body: { code: 'tenant_unknown' } });
  });

  it('is staged, and comes back exactly', async () => {
    const asked = await callers.operator.ask('POST', `${address}/deletion-jobs`, { restore_window: '1h' });
    expect(asked.status).toBe(202);
    const { job_id } = jobView.parse(asked.body);
    await callers.until(job_id, ({ phase }) => phase === 'window');
    expect(await everything()).toEqual(others);
    await callers.operator.ask('POST', `/deletion-jobs/${job_id}/cancel`);
    expect(await callers.untilEnded(job_id)).toMatchObject({ status: 'cancelled' });
    expect(await everything()).toEqual(before);
  });

  it('is deleted everywhere, and nobody else is', async () => {
    const { job_id } = jobView.parse((await callers.operator.ask('DELETE', address)).body);
    const job = await callers.untilEnded(job_id);
    expect(job).toMatchObject({ status: 'completed', rows_deleted: WORKSPACE_ROWS + BILLED });
    expect(job.services.map(({ name, fence }) => [name, fence])).toEqual([
      ['billing', 'none'],
      ['crm', 'none'],
    ]);
    expect(await everything()).toEqual(others);
    expect((await callers.operator.ask('DELETE', address)).status).toBe(410);
  });

  it('is named neither in Temporal nor in a log', async () => {
    // What Temporal lists is a moment behind what runs.
    const run = await until(
      async () => {
        const query = 'DeletionStatus = "completed"';
        for await (const found of callers.temporal.workflow.list({ query })) return found;
        return undefined;
      },
      { what: 'the run to be listed as completed' },
    );
    expect(run.workflowId).toMatch(/^delete-tenant\/[0-9a-f]{64}$/);
    const hash = run.workflowId.split('/')[1];
    expect(run.searchAttributes.TenantId).toEqual([hash]);
    const history = await callers.temporal.workflow.getHandle(run.workflowId).fetchHistory();
    const told = [JSON.stringify(history), ...logs()];
    for (const part of ["acme & sön's", 'acme', encodeURIComponent(ACME)]) {
      expect(told.filter((text) => text.includes(part)).map((text) => text.slice(0, 200))).toEqual([]);
    }
  });

  function logs(): string[] {
    const names = platform.processes.map(({ name }) => name);
    expect(names).toContain('participants');
    expect(names.filter((name) => name.startsWith('service'))).toEqual([]);
    return names.map((name) => platform.logOf(name));
  }
});

it('has what was done at a participant by hand in its audit trail, once', async () => {
  const job = randomUUID();
  const step = ['engine', 'restore', '--config', billing.path, '--tenant', 'globex', '--job', job];
  const done = await billing.cli([...step, '--break-glass', 'a stuck job'], { as: 'role' });
  expect(done).toMatchObject({ exit: 0, err: '' });
  const told = `SELECT details FROM lethe_records.audit_events WHERE action = 'gone round'`;
  const find = async () => callers.sql<{ details: object }>(told);
  const events = await until(async () => (await find()).length > 0 && find(), { what: 'the event' });
  const details = { service: 'billing', job_id: job, target: 'restored', reason: 'a stuck job' };
  expect(events).toEqual([{ details: expect.objectContaining(details) }]);
  const rounds = () => platform.logOf('participants').split('/deletion-manifest').length;
  const before = rounds();
  await until(async () => rounds() > before + 4, { what: 'the reconciler to come by again' });
  expect(await find()).toHaveLength(1);
});

it('has no schema of this repository’s services', async () => {
  const schemas = await callers.sql<{ name: string }>(
    `SELECT nspname AS name FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema|public)'`,
  );
  expect(schemas.map(({ name }) => name)).toEqual(['lethe_records']);
  expect(readdirSync(directory)).toHaveLength(2);
});
