/** The list of erased tenants, marks that come with one, erasures again, and releases: the records' part. */
import { createHmac, randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRecords } from '../../../records/index.js';
import type { Records } from '../../../records/types.js';
import { closed, serveHealth } from '../../../worker-health.js';
import { ended, expectProblem, OPERATOR, open, openTestRecords, SAGA, type TestRecords } from './support.js';

let test: TestRecords;
let records: Records;
/** With a secret, so that keys that are no UUIDs have a hash. */
let hashing: Records;
const hashOf = (key: string) => createHmac('sha256', 's'.repeat(32)).update(key).digest('hex');
const APPROVER = { ...OPERATOR, id: 'an-approver', role: 'approver' };

beforeAll(async () => {
  test = await openTestRecords();
  records = test.records;
  hashing = createRecords({
    databaseUrl: test.database.urlFor('lethe_records'),
    publicKeyOf: (key) => (/^[0-9a-f-]{36}$/.test(key) ? key : hashOf(key)),
  });
});
afterAll(async () => {
  await hashing?.close();
  await test?.close();
});

const again = (tenantId: string, services = ['orders']) =>
  records.openReapply({ tenantId, actor: SAGA, services, reason: null, approveImported: true });
const gone = async () => (await ended(records, 'completed')).tenant_id;

describe('the list of erased tenants', () => {
  it('has all of them once, page by page, with what came back', async () => {
    const tenants = [];
    for (let made = 0; made < 5; made += 1) tenants.push(await gone());
    await ended(records, 'cancelled');
    await records.noteReturned(tenants[2] ?? '', [{ service: 'orders', rows: 7, tables: [] }], SAGA);
    const found: { tenantId: string; rowsReturned: number }[] = [];
    let cursor: string | undefined;
    do {
      const page = await records.erasedTenants({ limit: 2, cursor });
      found.push(...page.tenants);
      expect(page.tenants.length).toBeLessThanOrEqual(2);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(found.map(({ tenantId }) => tenantId)).toEqual(tenants);
    expect(found.map(({ rowsReturned }) => rowsReturned)).toEqual([0, 0, 7, 0, 0]);
  });

  it('is told once of what came back, and of its going', async () => {
    const tenantId = await gone();
    const table = { table: 'orders.orders', live_rows: 2, archived_rows: 0 };
    const found = { service: 'orders', rows: 2, tables: [table] };
    expect(await records.noteReturned(tenantId, [found], SAGA)).toEqual({ appeared: [found], gone: [] });
    expect(await records.noteReturned(tenantId, [found], SAGA)).toEqual({ appeared: [], gone: [] });
    const nothing = { service: 'orders', rows: 0, tables: [] };
    // Who was not asked, or did not answer, is not gone.
    expect(await records.noteReturned(tenantId, [], SAGA)).toEqual({ appeared: [], gone: [] });
    expect((await records.rowsReturnedNow()).get('orders')).toBeGreaterThanOrEqual(2);
    expect(await records.noteReturned(tenantId, [nothing], SAGA)).toEqual({ appeared: [], gone: ['orders'] });
    expect(await records.returnedRows(tenantId)).toMatchObject([{ rows: 2, tables: [table] }]);
  });
});

describe('a mark that came with a list', () => {
  it('refuses a deletion by the key, and by the key whose hash it is', async () => {
    const uuid = randomUUID();
    const busy = (await open(records)).tenant_id;
    const known = await gone();
    const entry = (tenant: string, key: 'uuid' | 'hashed' = 'uuid') => ({
      tenant,
      key,
      erased_at: '2026-01-02T03:04:05.000Z',
      job_id: randomUUID(),
    });
    const list = [entry(uuid), entry(hashOf('rye & co'), 'hashed'), entry(busy), entry(known)];
    expect(await hashing.importErased(list, OPERATOR)).toEqual({ imported: 2, known: 1, left_out: [busy] });
    expect(await hashing.importErased(list, OPERATOR)).toEqual({ imported: 0, known: 3, left_out: [busy] });
    for (const tenantId of [uuid, 'rye & co']) {
      await expectProblem(
        hashing.openJob({ tenantId, actor: OPERATOR, options: {}, restoreWindowMs: 0, readers: [] }),
        'already_erased',
      );
      expect(await hashing.isErased(tenantId)).toBe(true);
    }
    expect(await hashing.isErased('rye and company')).toBe(false);

    // Nobody here has ever decided it: what it leads to waits for an approval.
    const { job } = await again(uuid);
    expect(job).toMatchObject({ reapplies: list[0]?.job_id, approval_required: true });
  });
});

describe('an erasure again', () => {
  it('is one job, for a tenant who is gone, without approval where the first is known', async () => {
    const first = await ended(records, 'completed', { readers: ['somebody'] });
    const { job, created } = await again(first.tenant_id, ['sales', 'orders', 'sales']);
    expect(job).toMatchObject({
      status: 'pending',
      reapplies: first.job_id,
      scope: ['orders', 'sales'],
      approval_required: false,
      restore_window_ms: 0,
    });
    expect(created).toBe(true);
    expect(await records.mayRead(job.job_id, 'somebody')).toBe(true);
    expect(await again(first.tenant_id)).toMatchObject({ created: false, job: { job_id: job.job_id } });
    await records.decideAbort(job.job_id, 'cancel', OPERATOR);
    const epoch = await records.beginRun(job.job_id, 'run');
    await records.endJob(job.job_id, { epoch, number: 1 }, 'cancelled', 'Called off.');
    // The tenant is as gone as before.
    expect(await records.erasedTenant(first.tenant_id)).toMatchObject({ erasedBy: first.job_id });
  });

  it('is refused for who is not gone, on hold, or being released', async () => {
    await expectProblem(again(randomUUID()), 'not_erased');
    await expectProblem(again((await open(records)).tenant_id), 'not_erased');
    const held = await gone();
    const hold = await records.placeHold(held, 'a lawsuit', APPROVER, true);
    await expectProblem(again(held), 'legal_hold');
    await records.liftHold(hold.hold_id, 'settled', APPROVER);
    await records.requestRelease(held, 'somebody new', OPERATOR);
    await records.approveRelease(held, APPROVER);
    await expectProblem(again(held), 'release_open');
  });
});

describe('a hold', () => {
  it('comes too late for who is erased, unless rows came back, and then until they are decided on', async () => {
    const tenantId = await gone();
    await expectProblem(records.placeHold(tenantId, 'a lawsuit', APPROVER), 'past_pivot');
    await records.noteReturned(tenantId, [{ service: 'orders', rows: 1, tables: [] }], SAGA);
    const { job } = await again(tenantId);
    const hold = await records.placeHold(tenantId, 'a lawsuit', APPROVER);
    expect(await records.decideProceed(job.job_id)).toMatchObject({
      decision: null,
      waitingFor: { kind: 'hold' },
    });
    await records.liftHold(hold.hold_id, 'settled', APPROVER);
    expect(await records.decideProceed(job.job_id)).toMatchObject({ decision: 'proceed' });
    await expectProblem(records.placeHold(tenantId, 'too late', APPROVER), 'past_pivot');
  });
});

describe('a release', () => {
  it('takes two persons, and lifts the mark last, with the history left as it is', async () => {
    const job = await ended(records, 'completed');
    const { tenant_id: tenantId } = job;
    await expectProblem(records.approveRelease(tenantId, APPROVER), 'release_unknown');
    const asked = await records.requestRelease(tenantId, 'somebody new', OPERATOR);
    expect(asked.status).toBe('requested');
    await expectProblem(records.requestRelease(tenantId, 'once more', APPROVER), 'release_open');
    await expectProblem(records.approveRelease(tenantId, OPERATOR), 'approver_is_requester');
    await expectProblem(records.assertReleaseStands(tenantId, job.job_id), 'release_unknown');
    expect(await records.releasesUnderWay()).not.toContainEqual(asked);
    const approved = await records.approveRelease(tenantId, APPROVER);
    expect(await records.approveRelease(tenantId, APPROVER)).toEqual(approved);
    expect(await records.releasesUnderWay()).toContainEqual(approved);
    await records.assertReleaseStands(tenantId, job.job_id);
    await expectProblem(records.assertReleaseStands(tenantId, randomUUID()), 'release_unknown');

    const { release_id: id } = approved;
    await records.noteReleased(id, 'orders', 2);
    await records.noteReleased(id, 'simple', null);
    expect(await records.isErased(tenantId)).toBe(true);
    expect(await records.completeRelease(id)).toMatchObject({
      status: 'completed',
      services: { orders: 2, simple: null },
      erased_by: job.job_id,
    });
    expect(await records.isErased(tenantId)).toBe(false);
    expect(await records.getJob(job.job_id)).toEqual(job);
    await expectProblem(records.assertReleaseStands(tenantId, job.job_id), 'release_unknown');

    // Somebody new has the key, and goes as well one day.
    const next = await ended(records, 'completed', { tenantId });
    expect(await records.erasedTenant(tenantId)).toMatchObject({ erasedBy: next.job_id });
  });

  it('waits for jobs and holds, at every step', async () => {
    await expectProblem(records.requestRelease(randomUUID(), 'x', OPERATOR), 'not_erased');
    const tenantId = await gone();
    const { job } = await again(tenantId);
    await expectProblem(records.requestRelease(tenantId, 'x', OPERATOR), 'job_open');
    await records.decideAbort(job.job_id, 'cancel', OPERATOR);
    const epoch = await records.beginRun(job.job_id, 'run');
    await records.endJob(job.job_id, { epoch, number: 1 }, 'cancelled', 'Called off.');
    await records.requestRelease(tenantId, 'x', OPERATOR);
    const hold = await records.placeHold(tenantId, 'a lawsuit', APPROVER, true);
    await expectProblem(records.approveRelease(tenantId, APPROVER), 'legal_hold');
    await records.liftHold(hold.hold_id, 'settled', APPROVER);
    const { release_id, erased_by } = await records.approveRelease(tenantId, APPROVER);
    await records.placeHold(tenantId, 'another lawsuit', APPROVER, true);
    await expectProblem(records.assertReleaseStands(tenantId, erased_by), 'legal_hold');
    await expectProblem(records.completeRelease(release_id), 'legal_hold');
    expect(await records.isErased(tenantId)).toBe(true);
  });

  it('is forgotten where nobody approves it in time', async () => {
    const tenantId = await gone();
    const { release_id } = await records.requestRelease(tenantId, 'x', OPERATOR);
    await test.superuser.query(
      `UPDATE lethe_records.tombstone_releases SET expires_at = now() - interval '1 minute' WHERE release_id = $1`,
      [release_id],
    );
    expect(await records.releaseOf(tenantId)).toMatchObject({ status: 'expired' });
    await expectProblem(records.approveRelease(tenantId, APPROVER), 'release_unknown');
    expect(await records.requestRelease(tenantId, 'again', APPROVER)).toMatchObject({ status: 'requested' });
  });

  it('cannot be gone round: the database keeps the mark, and a release its two persons', async () => {
    const tenantId = await gone();
    const lift = `UPDATE lethe_records.tenant_gates SET erased_at = NULL, erased_by = NULL WHERE tenant_id = $1`;
    await expect(test.superuser.query(lift, [tenantId])).rejects.toThrow(/has been erased/);
    await records.requestRelease(tenantId, 'x', OPERATOR);
    await expect(test.superuser.query(lift, [tenantId])).rejects.toThrow(/has been erased/);
    await expect(
      test.superuser.query(
        `UPDATE lethe_records.tombstone_releases SET approved_by = requested_by, approved_at = now() WHERE tenant_id = $1`,
        [tenantId],
      ),
    ).rejects.toThrow(/approval_check/);
  });
});

it('metrics count jobs and what came back, and do without while the records are away', async () => {
  const away = createRecords({ databaseUrl: 'postgres://nobody:x@127.0.0.1:9/nowhere', patienceMs: 200 });
  const read = async (counted: Records) => {
    const server = await serveHealth({ host: '127.0.0.1', port: 0, checks: {}, records: counted });
    const { port } = server.address() as AddressInfo;
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
    const text = await answer.text();
    await closed(server);
    return { status: answer.status, text };
  };
  const here = await read(records);
  expect(here.text).toMatch(/^lethe_jobs\{status="completed"\} \d+$/m);
  expect(here.text).toMatch(/^lethe_jobs\{status="needs_attention"\} 0$/m);
  expect(here.text).toMatch(/^lethe_returned_rows\{service="orders"\} \d+$/m);
  const without = await read(away);
  expect(without.status).toBe(200);
  expect(without.text).not.toMatch(/^lethe_jobs\{/m);
  expect(without.text).toMatch(/^process_resident_memory_bytes /m);
  await away.close();
});

it('jobs are counted by status, and steps remembered with what came of them', async () => {
  const counts = await records.jobCounts();
  expect(counts.get('completed')).toBeGreaterThan(5);
  await records.beginHousekeeping('sweep');
  await records.endHousekeeping('sweep', { tenants: 3 }, null);
  await records.beginHousekeeping('sweep');
  await records.endHousekeeping('sweep', { tenants: 1 }, 'orders: database_unavailable');
  const { steps } = await records.housekeeping();
  const swept = steps.find(({ step }) => step === 'sweep');
  expect(swept).toMatchObject({ outcome: { tenants: 1 }, error: 'orders: database_unavailable' });
  // The last success is remembered beside the last failure.
  expect(Date.parse(swept?.succeeded_at ?? '')).toBeLessThanOrEqual(Date.parse(swept?.finished_at ?? ''));
  expect(steps.find(({ step }) => step === 'retained')).toMatchObject({ started_at: null, error: null });
});
