/**
 * A bakery with invoices to keep leaves, lawfully and provably: preview, approval, a legal hold, an export, brought back
 * once, deleted, certified, come back from a backup and erased again, and at last what was retained.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { childEnvironment } from '../../config.js';
import { type Checksums, differingTables, totalRows } from '../../local/checksums.js';
import { leavingRows } from '../../local/leaving.js';
import { projectRoot } from '../../local/paths.js';
import { scheduleIdOf } from '../../protocol/housekeeping.js';
import type { JobView } from '../../protocol/jobs.js';
import type { SeededTenant } from '../../services/sample-data/load.js';
import { type Answer, type Caller, type Callers, createCallers } from '../support/callers.js';
import { until } from '../support/conditions.js';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { programFile } from '../support/programs.js';
import { FEW_SERVICES } from '../support/world.js';
import { unzip } from '../support/zip.js';

vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

const ROWS = 1_500;
const RETAINED = { orders: 'lethe_orders_retained', suppliers: 'lethe_suppliers_retained' } as const;
const SCHEMAS = ['notification', 'lethe_notification'];

let platform: TestPlatform;
let callers: Callers;
let bakery: SeededTenant;
let owner: Caller;
let approver: Caller;
let auditor: Caller;
let job: JobView;
let mine: Checksums;
let others: Checksums;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'lethe-lawful-'));
  platform = await startTestPlatform({
    // What is lawful is the same with all of them; tests/e2e/deletion.test.ts has them.
    services: [...FEW_SERVICES, 'suppliers'],
    environment: { REQUIRE_APPROVAL: 'true', RECONCILE_EVERY: '2s', EXPORT_DIR: directory },
  });
  callers = await createCallers(platform);
  const [first] = await callers.seed(3, ROWS);
  if (first === undefined) throw new Error('Nothing was seeded.');
  bakery = first;
  owner = await callers.owner(bakery);
  approver = await callers.caller({ userId: 'a person of the privacy office', roles: ['approver'] });
  auditor = await callers.caller({ userId: 'an auditor', roles: ['auditor'] });
  mine = await callers.checksums({ only: bakery.tenantId });
  others = await callers.checksums({ except: bakery.tenantId });
});
afterAll(async () => {
  await callers?.close();
  await platform?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const waitsFor = (kind: string) => (view: JobView) => view.waiting_for?.kind === kind;
const answered = (answer: Answer, status: number) => {
  expect([answer.status, JSON.stringify(answer.body)]).toEqual([status, expect.anything()]);
  return answer.body;
};

async function requested(options: object): Promise<JobView> {
  const answer = await owner.ask('POST', `/tenants/${bakery.tenantId}/deletion-jobs`, options);
  return callers.until(answered(answer, 202).job_id, waitsFor('approval'));
}

async function approve({ job_id, approval_hash }: JobView): Promise<void> {
  const verdict = { approval_hash, reason: 'The contract has ended; nothing is owed.' };
  const own = await owner.ask('POST', `/deletion-jobs/${job_id}/approve`, verdict);
  expect(own.status).toBe(403);
  answered(await approver.ask('POST', `/deletion-jobs/${job_id}/approve`, verdict), 200);
}

it('shows what would go and what has to stay, and waits for somebody else’s approval of exactly that', async () => {
  const preview = answered(await owner.ask('GET', `/tenants/${bakery.tenantId}/deletion-preview`), 200);
  const tables = preview.services.flatMap(
    (service: { preview: { tables: object[] } }) => service.preview.tables,
  );
  expect(tables).toContainEqual(
    expect.objectContaining({ table: 'orders.invoices', action: 'retain', rows: expect.any(Number) }),
  );
  job = await requested({ restore_window: '1h', export: true, preview_hash: preview.preview_hash });
  expect(job).toMatchObject({ status: 'waiting', reversible: true, approval_hash: expect.any(String) });
  expect(differingTables(mine, await callers.checksums({ only: bakery.tenantId }))).toEqual([]);
});

it('stays where it is under a legal hold, though it is approved, and goes on when the hold is lifted', async () => {
  const holds = `/tenants/${bakery.tenantId}/legal-holds`;
  const hold = answered(await approver.ask('POST', holds, { reason: 'A dispute about a delivery' }), 201);
  await approve(job);
  await callers.until(job.job_id, waitsFor('hold'));
  expect(await callers.isSuspended(bakery)).toBe(false);
  expect(differingTables(mine, await callers.checksums({ only: bakery.tenantId }))).toEqual([]);
  const lifted = await approver.ask('DELETE', `/legal-holds/${hold.hold_id}?reason=It%20was%20settled`);
  answered(lifted, 200);
  job = await callers.until(job.job_id, waitsFor('window'));
  expect(totalRows(await callers.checksums({ only: bakery.tenantId }))).toBeLessThan(20);
  expect(await callers.isSuspended(bakery)).toBe(true);
});

it('hands out the tenant’s data, as many rows as will be deleted and retained', async () => {
  const response = await fetch(`${platform.apiUrl}/api/v1/deletion-jobs/${job.job_id}/export`, {
    headers: { authorization: `Bearer ${owner.token}` },
  });
  expect(response.status).toBe(200);
  const files = unzip(Buffer.from(await response.arrayBuffer()));
  const lines = [...files]
    .filter(([name]) => name.endsWith('.ndjson'))
    .reduce((sum, [, text]) => sum + text.split('\n').filter(Boolean).length, 0);
  const archived = job.services.reduce(
    (sum, { counts }) => sum + counts.reduce((rows, one) => rows + one.rows, 0),
    0,
  );
  // The directory keeps its own rows until last of all.
  const { 'tenant.tenants': tenants = 0, 'tenant.tenant_members': members = 0 } = bakery.rowsOf;
  expect(archived).toBe(leavingRows(bakery) - tenants - members);
  expect(lines).toBe(archived + tenants + members);
  expect([...files.keys()]).toContain('manifest.json');
});

it('is brought back once, to the last value, and asks for a new approval when it is wanted again', async () => {
  answered(await owner.ask('POST', `/deletion-jobs/${job.job_id}/cancel`), 200);
  expect(await callers.untilEnded(job.job_id)).toMatchObject({ status: 'cancelled' });
  expect(differingTables(mine, await callers.checksums({ only: bakery.tenantId }))).toEqual([]);
  const stale = job.approval_hash;
  job = await requested({});
  expect(job.approval_hash).not.toBe(stale);
  const refused = await approver.ask('POST', `/deletion-jobs/${job.job_id}/approve`, {
    approval_hash: stale,
    reason: 'As before',
  });
  expect(refused.status).toBe(409);
});

it('is deleted: every table at zero but for what is kept, everybody else as they were', async () => {
  await backUp();
  await approve(job);
  job = await callers.untilEnded(job.job_id);
  expect(job).toMatchObject({ status: 'completed', rows_deleted: leavingRows(bakery) });
  expect(totalRows(await callers.checksums({ only: bakery.tenantId }))).toBe(0);
  expect(await retainedRows()).toBeGreaterThan(0);
  const now = await callers.checksums({ except: bakery.tenantId });
  // What was anonymized is nobody's any more, and counts as somebody else's.
  const changed = differingTables(others, now);
  const anonymized = job.services.flatMap(({ counts }) =>
    counts.filter((one) => (one.anonymized ?? 0) > 0).map(({ table }) => table),
  );
  expect(changed.filter((table) => !anonymized.includes(table))).toEqual([]);
  others = now;
});

it('is certified, which a process can check that has the public keys and nothing else', async () => {
  const answer = await fetch(`${platform.apiUrl}/api/v1/deletion-jobs/${job.job_id}/certificate`, {
    headers: { authorization: `Bearer ${auditor.token}`, accept: 'application/json' },
  });
  const { jws } = (await answer.json()) as { jws: string };
  const keys = await fetch(`${platform.apiUrl}/.well-known/certificate-keys.json`);
  const files = { jws: join(directory, 'certificate.jws'), keys: join(directory, 'keys.json') };
  writeFileSync(files.jws, jws);
  writeFileSync(files.keys, await keys.text());
  const holds = await verifyAlone(files.jws, files.keys, bakery.tenantId);
  expect(holds.exit).toBe(0);
  expect((await verifyAlone(files.jws, files.keys, job.job_id)).exit).toBe(1);
  writeFileSync(
    files.jws,
    jws.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A')),
  );
  expect((await verifyAlone(files.jws, files.keys, bakery.tenantId)).exit).toBe(1);
});

it('comes back with a service’s backup, is found, and erased again by a job that names the first', async () => {
  await restoreBackup();
  const check = `/erased-tenants/${bakery.tenantId}/check`;
  const found = answered(await callers.operator.ask('POST', check), 200);
  expect(found.clean).toBe(false);
  const reapply = { tenant_id: bakery.tenantId, reason: 'A backup was restored' };
  const { tenants } = answered(
    await callers.operator.ask('POST', '/services/notification/reapply', reapply),
    200,
  );
  expect(tenants).toEqual([expect.objectContaining({ left_out: null, job_id: expect.any(String) })]);
  const again = await callers.untilEnded(tenants[0].job_id);
  expect(again).toMatchObject({ status: 'completed', reapplies: job.job_id, scope: ['notification'] });
  expect(answered(await callers.operator.ask('POST', check), 200).clean).toBe(true);
  expect(totalRows(await callers.checksums({ only: bakery.tenantId }))).toBe(0);
  expect(differingTables(others, await callers.checksums({ except: bakery.tenantId }))).toEqual([]);
});

it('leaves its invoices for as long as the law says, and not a day longer', async () => {
  const listed = answered(await auditor.ask('GET', '/retained?service=orders'), 200);
  expect(JSON.stringify(listed)).toContain('orders.invoices');
  await runStep('retained');
  expect(await retainedRows()).toBeGreaterThan(0);
  // Ten years later.
  for (const schema of Object.values(RETAINED)) {
    await callers.sql(`UPDATE ${schema}.retained_rows SET retain_until = retain_until - interval '11 years'`);
  }
  await runStep('retained');
  expect(await retainedRows()).toBe(0);
  expect(differingTables(others, await callers.checksums({ except: bakery.tenantId }))).toEqual([]);
});

it('can be read in the trail from the first request to the last row, by pseudonyms alone', async () => {
  const events = await callers.sql<{ action: string; text: string }>(
    'SELECT action, e::text AS text FROM lethe_records.audit_events e ORDER BY event_id',
  );
  const actions = events.map(({ action }) => action);
  expect(actions).toEqual(
    expect.arrayContaining(['deletion requested', 'decided to abort', 'decided to proceed', 'job ended']),
  );
  expect(events.filter(({ text }) => text.includes('privacy office'))).toEqual([]);
  expect(events.filter(({ text }) => text.includes(bakery.ownerUserId))).toEqual([]);
});

async function retainedRows(): Promise<number> {
  const counts = Object.values(RETAINED).map((schema) => `(SELECT count(*) FROM ${schema}.retained_rows)`);
  const [row] = await callers.sql<{ rows: string }>(`SELECT ${counts.join(' + ')} AS rows`);
  return Number(row?.rows);
}

/** Runs a step of the housekeeping, as its schedule would. */
async function runStep(step: 'retained'): Promise<void> {
  const last = async () => {
    const { steps } = answered(await callers.operator.ask('GET', '/housekeeping'), 200);
    return steps.find((one: { step: string }) => one.step === step);
  };
  const before = await last();
  await callers.temporal.schedule.getHandle(scheduleIdOf(step)).trigger();
  await until(
    async () => {
      const now = await last();
      return now.succeeded_at !== null && now.succeeded_at !== before.succeeded_at;
    },
    { timeoutMs: 60_000, what: `the step ${step} to have run` },
  );
}

/** A certificate and public keys; no API, no token, no database. */
async function verifyAlone(file: string, keys: string, tenant: string): Promise<{ exit: number }> {
  const words = [programFile('cli/lethe'), 'certificate', 'verify', file];
  return promisify(execFile)(process.execPath, [...words, '--keys', keys, '--tenant', tenant], {
    cwd: projectRoot,
    env: childEnvironment({ API_URL: 'http://127.0.0.1:9', LETHE_TOKEN: undefined }),
  }).then(
    () => ({ exit: 0 }),
    (error: { code?: number }) => ({ exit: error.code ?? -1 }),
  );
}

const TABLES = `
  SELECT format('%I.%I', n.nspname, c.relname) AS name, 'backup.' || quote_ident(n.nspname || '.' || c.relname) AS copy
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = ANY ($1) AND c.relkind = 'r' AND NOT EXISTS (SELECT FROM backup.kept k WHERE k.name = c.oid)
    AND c.relname <> '_prisma_migrations'`;

/** Of one service: its tables, its ledger and its tombstones. */
async function backUp(): Promise<void> {
  await callers.sql('CREATE SCHEMA backup');
  await callers.sql('CREATE TABLE backup.kept (name oid)');
  for (const { name, copy } of await callers.sql<{ name: string; copy: string }>(TABLES, [SCHEMAS])) {
    await callers.sql(`CREATE TABLE ${copy} AS TABLE ${name}`);
  }
}

async function restoreBackup(): Promise<void> {
  const tables = await callers.sql<{ name: string; copy: string; there: boolean; columns: string }>(
    `SELECT t.*, to_regclass(t.copy) IS NOT NULL AS there,
       (SELECT string_agg(quote_ident(a.attname), ', ') FROM pg_attribute a
         WHERE a.attrelid = t.name::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns
     FROM (${TABLES}) AS t`,
    [SCHEMAS],
  );
  const statements = tables
    .filter(({ there }) => there)
    .map(
      ({ name, copy, columns }) =>
        `INSERT INTO ${name} (${columns}) OVERRIDING SYSTEM VALUE SELECT ${columns} FROM ${copy};`,
    );
  const names = tables.filter(({ there }) => there).map(({ name }) => name);
  await callers.sql(
    `SET session_replication_role = replica; TRUNCATE ${names.join(', ')} CASCADE; ${statements.join(' ')}
     SET session_replication_role = origin; DROP SCHEMA backup CASCADE`,
  );
}
