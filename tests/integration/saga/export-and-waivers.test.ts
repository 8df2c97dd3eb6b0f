/** What is exported is what is deleted, or nothing is; and a job goes on without a service that two persons have waived. */
import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { removeExpiredExports } from '../../../records/export-files.js';
import type { Actor } from '../../../records/types.js';
import { engineParticipant } from '../../../services/engine-participant.js';
import { countRows, createErasureDatabase, type ErasureDatabase } from '../../support/erasure.js';
import { OPERATOR, openTestSaga, type SagaWorker, type TestSaga } from '../../support/saga.js';
import { createTestKeys, serveParticipant, type TestService } from '../../support/service-server.js';
import { unzip } from '../../support/zip.js';
import { SMALL_SQL, SMALL_TOTAL, smallRows, smallShop } from '../erasure/small-shop.js';

const APPROVER: Actor = { kind: 'user', id: 'an-approver', role: 'approver' };
const home = mkdtempSync(join(tmpdir(), 'lethe-exports-'));
const exportsTo = { directory: join(home, 'exports'), ttlMs: 60_000 };
let saga: TestSaga;
let worker: SagaWorker;
/** Beside the others, whose rows lie in memory: one with a database. */
let shop: ErasureDatabase;
let shopService: TestService;

beforeAll(async () => {
  const keys = await createTestKeys();
  shop = await createErasureDatabase({ declaration: smallShop, schema: SMALL_SQL, fast: true });
  const engine = shop.engine();
  shopService = await serveParticipant(engineParticipant({ name: 'shop', fence: 'trigger', engine }), keys);
  const registered = { name: 'shop', url: shopService.url, role: 'participant' } as const;
  saga = await openTestSaga({ exports: exportsTo, keys, extra: [registered] });
  worker = await saga.startWorker();
});
afterAll(async () => {
  await saga?.close();
  await shopService?.close();
  await shop?.drop();
  rmSync(home, { recursive: true, force: true });
});
afterEach(() => saga.settle());

const filesOf = (jobId: string) =>
  existsSync(exportsTo.directory)
    ? readdirSync(exportsTo.directory).filter((name) => name.startsWith(jobId))
    : [];

describe('an export', () => {
  it('is one zip of what was staged, made before the window, with a manifest, and outlives the deletion', async () => {
    const { giveUpAfterMs } = saga.settings;
    saga.settings.giveUpAfterMs = 30_000;
    const tenantId = saga.tenant();
    await shop.admin.query(smallRows(tenantId, 100) + smallRows(randomUUID(), 200));
    const asked = await saga.request(tenantId, { export: true });
    expect(asked.export).toMatchObject({ state: 'asked' });
    const job = await saga.untilEnded(asked);
    expect(job).toMatchObject({ status: 'completed', export: { state: 'made', rows: 5 + SMALL_TOTAL } });
    expect(Date.parse(job.export?.made_at ?? '')).toBeLessThan(Date.parse(job.decided_at ?? ''));
    saga.expectGone(tenantId);
    const zip = readFileSync(join(exportsTo.directory, `${job.job_id}.zip`));
    expect(job.export).toMatchObject({
      bytes: zip.length,
      sha256: createHash('sha256').update(zip).digest('hex'),
    });
    const files = unzip(zip);
    expect([...files.keys()].sort()).toEqual([
      'manifest.json',
      'orders/orders.things.ndjson',
      'sales/sales.things.ndjson',
      'shop/small.accounts.ndjson',
      'shop/small.invoices.ndjson',
      'shop/small.lines.ndjson',
      'shop/small.notes.ndjson',
      'shop/small.visits.ndjson',
    ]);
    const lines = files
      .get('orders/orders.things.ndjson')
      ?.trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toEqual(['o1', 'o2', 'o3'].map((id) => ({ id, tenant_id: tenantId })));
    const manifest = JSON.parse(files.get('manifest.json') ?? '');
    expect(manifest).toMatchObject({
      job_id: job.job_id,
      services: [
        { service: 'orders', source: 'archive', tables: [{ table: 'orders.things', rows: 3 }] },
        { service: 'sales', source: 'archive', tables: [{ table: 'sales.things', rows: 2 }] },
        { service: 'shop', source: 'archive', key: expect.stringMatching(/^[0-9a-f]{64}$/) },
        { service: 'tenant', source: 'none', tables: [] },
      ],
    });
    // Whoever has the file and the ledger, or the certificate, can hold them against each other.
    const { digests } = await shop.engine().status(tenantId, job.job_id);
    const told = (manifest.services as { service: string; tables: { table: string; digest: string }[] }[])
      .find(({ service }) => service === 'shop')
      ?.tables.map(({ table, digest }) => [table, digest]);
    expect(told?.sort()).toEqual(digests?.map(({ table, exported }) => [table, exported]).sort());
    const { jws } = await saga.records.certificateOf(job.job_id);
    const payload = Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString();
    const certified = JSON.parse(payload).services.find(
      ({ service }: { service: string }) => service === 'shop',
    ).tables;
    expect(
      certified
        .map((one: { table: string; digest: { exported: string } }) => [one.table, one.digest.exported])
        .sort(),
    ).toEqual(told?.sort());
    expect(await countRows(shop.admin, 'small.accounts')).toBe(6);
    // Its time comes: the record says so, and the file goes.
    await saga.pool.query(
      `UPDATE lethe_records.deletion_jobs SET export = jsonb_set(export, '{expires_at}', '"2026-01-01T00:00:00Z"') WHERE job_id = $1`,
      [job.job_id],
    );
    expect((await saga.job(job)).export?.state).toBe('expired');
    writeFileSync(join(exportsTo.directory, `${job.job_id}.00.partial`), 'what a dead worker left');
    expect(await removeExpiredExports(saga.records, exportsTo.directory)).toEqual({ removed: 2 });
    expect(filesOf(job.job_id)).toEqual([]);
    // The others lie in memory, and give up sooner.
    await worker.stop();
    saga.registry = saga.registry.filter(({ name }) => name !== 'shop');
    saga.settings.giveUpAfterMs = giveUpAfterMs;
    worker = await saga.startWorker();
  });

  it('that differs from the archive brings every row back, and says which service and table', async () => {
    saga.sales.exportsLess = true;
    const tenantId = saga.tenant();
    const job = await saga.untilEnded(await saga.request(tenantId, { export: true }));
    expect(job).toMatchObject({ status: 'compensated', export: { state: 'removed' } });
    expect(job.services.find(({ name }) => name === 'sales')?.last_error).toMatchObject({
      code: 'export_differs',
      table: 'sales.things',
    });
    expect(job.outcome).toContain('sales: export_differs (on sales.things)');
    saga.expectUntouched(tenantId);
    expect(filesOf(job.job_id)).toEqual([]);
  });

  it('goes with the rows when a person cancels', async () => {
    const tenantId = saga.tenant();
    const asked = await saga.request(tenantId, { export: true }, 60_000);
    await saga.until(asked, ({ phase }) => phase === 'window');
    expect(filesOf(asked.job_id)).toEqual([`${asked.job_id}.zip`]);
    await saga.cancel(asked);
    const job = await saga.untilEnded(asked);
    expect(job).toMatchObject({ status: 'cancelled', export: { state: 'removed' } });
    saga.expectUntouched(tenantId);
    expect(filesOf(job.job_id)).toEqual([]);
  });

  it('that finds the directory full in the middle brings every row back and leaves no file', async () => {
    const full = fullDirectory();
    const other = { ...exportsTo };
    Object.assign(exportsTo, { directory: full.directory });
    try {
      const tenantId = saga.tenant();
      // More than fits, of what hardly compresses.
      const ids = Array.from({ length: 8_000 }, () => randomUUID());
      saga.orders.rows.set(tenantId, ids);
      const job = await saga.untilEnded(await saga.request(tenantId, { export: true }));
      expect(job).toMatchObject({ status: 'compensated', export: { state: 'removed' } });
      expect(job.outcome).toContain('the platform: export_failed');
      expect(saga.orders.rows.get(tenantId)).toEqual(ids);
      expect(saga.orders.archived(tenantId) + saga.sales.archived(tenantId)).toBe(0);
      expect(saga.isSuspended(tenantId)).toBe(false);
      expect(full.files()).toEqual([]);
    } finally {
      Object.assign(exportsTo, other);
      full.free();
    }
  });
});

/** Of 64 kB where this user may mount one; else none that can be written to. */
function fullDirectory(): { directory: string; files(): string[]; free(): void } {
  const directory = join(home, 'small');
  mkdirSync(directory);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory], { stdio: 'ignore' });
  } catch {
    const file = join(home, 'no-directory');
    writeFileSync(file, '');
    return { directory: file, files: () => [], free: () => undefined };
  }
  return {
    directory,
    files: () => readdirSync(directory),
    free: () => void execFileSync('umount', [directory]),
  };
}

describe('a waiver', () => {
  const waive = async (service: string, jobId: string | null) => {
    const { waiver_id: id } = await saga.records.requestWaiver({
      service,
      jobId,
      reason: 'It was switched off for good.',
      actor: OPERATOR,
    });
    await saga.records.approveWaiver(service, id, APPROVER);
    return id;
  };

  it('lets a job past its pivot go on without a service that is gone, and the job says so', async () => {
    const tenantId = saga.tenant();
    const held = saga.proxy('sales').hold(({ target }) => target === 'purged');
    const asked = await saga.request(tenantId);
    await held.reached;
    saga.proxy('sales').fault = () => 'down';
    held.release();
    await saga.until(asked, ({ status }) => status === 'needs_attention');
    const id = await waive('sales', asked.job_id);
    await saga.wake(asked);
    const job = await saga.untilEnded(asked);
    expect(job.status).toBe('completed');
    expect(job.waivers).toMatchObject([
      {
        service: 'sales',
        waiver_id: id,
        requested_by: OPERATOR.id,
        approved_by: APPROVER.id,
        phase: 'purge',
      },
    ]);
    expect(job.services.find(({ name }) => name === 'sales')).toMatchObject({
      waived: { waiver_id: id, reason: 'It was switched off for good.' },
      verified_at: null,
    });
    expect(job.outcome).toBe(
      "The other services have deleted the tenant's rows, and nothing is left there. Nobody knows what is left at sales, which was waived.",
    );
    await expect(saga.records.withdrawWaiver('sales', id, OPERATOR)).rejects.toMatchObject({
      code: 'waiver_used',
    });
    // What nobody could ask to go is still there, and the record does not say otherwise.
    expect(saga.orders.rows.has(tenantId)).toBe(false);
    expect(saga.sales.archived(tenantId)).toBe(2);
    saga.sales.put(tenantId, job.job_id, 'purged');
  });

  it('lets a job that goes back go on without it, and leaves a service out that was waived before the check', async () => {
    const tenantId = saga.tenant();
    const asked = await saga.request(tenantId, {}, 60_000);
    await saga.until(asked, ({ phase }) => phase === 'window');
    saga.proxy('sales').fault = () => 'down';
    await saga.cancel(asked);
    await saga.until(asked, ({ status }) => status === 'needs_attention');
    await waive('sales', null);
    await saga.wake(asked);
    const cancelled = await saga.untilEnded(asked);
    expect(cancelled).toMatchObject({
      status: 'cancelled',
      waivers: [{ service: 'sales', phase: 'restore' }],
    });
    expect(cancelled.outcome).toContain('Nobody knows what is left at sales');
    expect(saga.orders.rows.get(tenantId)).toEqual(['o1', 'o2', 'o3']);

    const again = await saga.untilEnded(await saga.request(tenantId));
    expect(again).toMatchObject({ status: 'completed', waivers: [{ service: 'sales', phase: 'check' }] });
    expect(again.services.map(({ name }) => name)).toEqual(['orders', 'tenant']);
    expect(saga.orders.rows.has(tenantId)).toBe(false);
    const [latest] = await saga.records.listWaivers('sales');
    await saga.records.withdrawWaiver('sales', latest?.waiver_id ?? '', OPERATOR);
    saga.sales.put(tenantId, asked.job_id, 'restored');
    saga.proxy('sales').fault = null;
    const whole = await saga.untilEnded(await saga.request(saga.tenant()));
    expect(whole.services.map(({ name }) => name)).toEqual(['orders', 'sales', 'tenant']);
    expect(whole.waivers).toEqual([]);
    await worker.stop();
  });
});
