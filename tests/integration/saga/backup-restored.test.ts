/** Deleted, and then a backup of one service comes back: every state that it can bring, found and erased again. */
import { randomUUID } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTokenGiver } from '../../../activities/index.js';
import { createSweep } from '../../../activities/sweep.js';
import { createServiceClient, type ServiceClient } from '../../../protocol/client.js';
import type { JobView } from '../../../protocol/jobs.js';
import { askServices } from '../../../records/sweep.js';
import { endAs } from '../../support/certificates.js';
import { checksums, countRows, reach, untilItWaits } from '../../support/erasure.js';
import {
  type RestoredService,
  type ServiceDatabase,
  startRestoredService,
} from '../../support/restored-service.js';
import { OPERATOR, openTestSaga, type TestSaga } from '../../support/saga.js';
import { createTestKeys } from '../../support/service-server.js';
import { SMALL_SQL, SMALL_TOTAL, smallRows, smallShop } from '../erasure/small-shop.js';

let saga: TestSaga;
let small: RestoredService;
let services: ServiceClient[];
const never = new AbortController().signal;

/** What the backup says of each tenant, and how many rows of it a sweep finds there. */
const STATES = {
  'nothing of the job': SMALL_TOTAL,
  'the job while it was staging': SMALL_TOTAL,
  'the job staged': SMALL_TOTAL,
  'the job while it was purging': SMALL_TOTAL,
  'the job purged': 0,
  'the job purged, and rows imported since': 1,
  'an earlier job, cancelled, staged': SMALL_TOTAL,
  'an earlier job, cancelled, restored': SMALL_TOTAL,
  'a job that nobody knows, staged': SMALL_TOTAL,
  'a job that nobody knows, staging': SMALL_TOTAL,
} as const;
type State = keyof typeof STATES;
const states = Object.keys(STATES) as State[];
const tenants = new Map<State, string>();
const first = new Map<State, JobView>();
const earlier = new Map<State, string>();
const of = (state: State) => tenants.get(state) ?? '';

const sweep = (resurrected: 'report' | 'erase') =>
  createSweep({
    records: saga.records,
    services,
    settings: { resurrected, requireApproval: false, askWithinMs: 5_000 },
    logger: { warn: () => undefined },
  })({ cursor: null, runId: randomUUID(), dueAt: new Date(), signal: never });

/** Brings the ledger of a backup to what it would have been at some other moment. */
async function put(backup: ServiceDatabase, state: State): Promise<void> {
  const job = { tenantId: of(state), jobId: first.get(state)?.job_id ?? '' };
  const unknown = { tenantId: of(state), jobId: uuidv7() };
  switch (state) {
    case 'nothing of the job':
      return;
    case 'the job while it was staging':
      return interrupted(backup, job);
    case 'the job staged':
      await reach(backup.engine, job, 'staged');
      return;
    case 'the job while it was purging':
      await reach(backup.engine, job, 'staged');
      // The first step of a purge; the archives are dropped in later ones.
      await backup.admin.query(
        `UPDATE lethe_small.deletion_ledger SET state = 'purging' WHERE job_id = '${job.jobId}'`,
      );
      return;
    case 'the job purged':
      await reach(backup.engine, job, 'purged');
      return;
    case 'the job purged, and rows imported since':
      await reach(backup.engine, job, 'purged');
      // A superuser's import goes past the fence, as with triggers off.
      await backup.admin.query(
        `SET session_replication_role = replica;
         INSERT INTO small.notes VALUES (990000, '${job.tenantId}', 'imported', 7);
         SET session_replication_role = origin`,
      );
      return;
    case 'an earlier job, cancelled, staged':
      await reach(backup.engine, { ...job, jobId: earlier.get(state) ?? '' }, 'staged');
      return;
    case 'an earlier job, cancelled, restored':
      await reach(backup.engine, { ...job, jobId: earlier.get(state) ?? '' }, 'staged');
      await reach(backup.engine, { ...job, jobId: earlier.get(state) ?? '' }, 'restored');
      return;
    case 'a job that nobody knows, staged':
      await reach(backup.engine, unknown, 'staged');
      return;
    case 'a job that nobody knows, staging':
      return interrupted(backup, unknown);
  }
}

/** An older transaction is in the way when the backup is taken. */
async function interrupted(backup: ServiceDatabase, job: { tenantId: string; jobId: string }): Promise<void> {
  const writer = await backup.connect();
  await writer.query('BEGIN; SELECT pg_current_xact_id()');
  expect((await untilItWaits(backup.engine, job, 'staged')).state).toBe('staging');
  await writer.query('ROLLBACK');
}

/** A job that ended so, as the records know it; what services did for it, the test does itself. */
async function ended(tenantId: string, status: 'completed' | 'cancelled'): Promise<JobView> {
  const { records } = saga;
  const { job } = await records.openJob({
    tenantId,
    actor: OPERATOR,
    options: {},
    restoreWindowMs: 0,
    readers: [],
  });
  const { job_id: jobId } = job;
  await records.recordStageRequest(jobId, 'small');
  await (status === 'completed'
    ? records.decideProceed(jobId)
    : records.decideAbort(jobId, 'cancel', OPERATOR));
  const epoch = await records.beginRun(jobId, `run-of-${jobId}`);
  return endAs(records, jobId, { epoch, number: 1 }, status, 'It ended for the test.');
}

beforeAll(async () => {
  const keys = await createTestKeys();
  small = await startRestoredService(smallShop, SMALL_SQL, keys);
  saga = await openTestSaga({
    keys,
    extra: [{ name: 'small', url: small.service.url, role: 'participant' }],
    settings: { giveUpAfterMs: 20_000, longestTransactionMs: 10_000, sliceMs: 1_000 },
  });
  const tokenFor = createTokenGiver({ records: saga.records, issuer: keys });
  services = saga.registry.map((service) => createServiceClient({ service, tokenFor }));
  await saga.startWorker();
});
afterAll(async () => {
  await Promise.all((services ?? []).map((client) => client.close()));
  await saga?.close();
  await small?.close();
});

describe('a service whose database came back from a backup', () => {
  it('is swept, and erased again whatever its ledger says, with everybody else left as they were', async () => {
    await small.now().admin.query(smallRows(saga.bystander, 500_000));
    for (const [place, state] of states.entries()) {
      const tenantId = randomUUID();
      tenants.set(state, tenantId);
      await small.now().admin.query(smallRows(tenantId, (place + 1) * 1_000));
      if (state.startsWith('an earlier job')) {
        earlier.set(state, (await ended(tenantId, 'cancelled')).job_id);
      }
    }
    const backup = await small.backup();
    for (const state of states) {
      const job = await ended(of(state), 'completed');
      first.set(state, job);
      await reach(small.now().engine, { tenantId: job.tenant_id, jobId: job.job_id }, 'purged');
    }
    expect((await sweep('report')).outcome).toMatchObject({ tenants: states.length, returned: 0, rows: 0 });
    const gone = await checksums(small.now().admin, smallShop);

    for (const state of states) await put(backup, state);
    small.restore(backup);

    const found = await sweep('report');
    const returned = states.filter((state) => STATES[state] > 0);
    expect(found.outcome).toMatchObject({
      tenants: states.length,
      unanswered: 0,
      returned: returned.length,
      rows: returned.reduce((sum, state) => sum + STATES[state], 0),
      erased_again: 0,
    });
    for (const state of states) {
      const rows = await saga.records.returnedRows(of(state));
      expect(rows.map((one) => [one.service, one.rows])).toEqual(
        STATES[state] === 0 ? [] : [['small', STATES[state]]],
      );
    }

    expect((await sweep('erase')).outcome).toMatchObject({ erased_again: returned.length });
    const again: JobView[] = [];
    for (const state of returned) {
      const job = await saga.records.openJobOf(of(state));
      expect(job).toMatchObject({ reapplies: first.get(state)?.job_id, scope: ['small'] });
      if (job === null) continue;
      again.push(job);
      await saga.runs.start(job);
    }
    for (const job of again) {
      const ended = await saga.untilEnded(job);
      expect(ended).toMatchObject({ status: 'completed' });
      expect(ended.services.map(({ name }) => name)).toEqual(['small']);
    }

    expect((await sweep('report')).outcome).toMatchObject({ returned: 0, rows: 0, unanswered: 0 });
    for (const state of states) {
      for (const { cleared_at } of await saga.records.returnedRows(of(state)))
        expect(cleared_at).not.toBeNull();
      expect(await saga.records.isErased(of(state))).toBe(true);
      expect(await saga.records.erasedTenant(of(state))).toMatchObject({
        erasedBy: first.get(state)?.job_id,
      });
    }
    const { admin } = small.now();
    expect(await checksums(admin, smallShop)).toEqual(gone);
    expect(
      await countRows(admin, `lethe_small.deletion_ledger WHERE state NOT IN ('purged', 'restored')`),
    ).toBe(0);
    const { rows: left } = await admin.query(
      `SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'lethe_small'::regnamespace AND c.relkind = 'r'
        AND c.relname LIKE 'a%'`,
    );
    expect(left).toEqual([]);
    for (const state of returned) {
      expect(
        await countRows(admin, `lethe_small.tenant_tombstones WHERE tenant_id = '${of(state)}'`),
      ).toBeGreaterThan(0);
    }
    saga.settle();
  });

  it('goes last where it is the directory, which nobody asks to suspend', async () => {
    // With rows at both participants and an entry in the directory, all of them from before the deletion.
    const tenantId = saga.tenant();
    const { job_id: firstId } = await ended(tenantId, 'completed');
    expect((await sweep('erase')).outcome).toMatchObject({ returned: 1, erased_again: 1 });
    const job = await saga.records.openJobOf(tenantId);
    expect(job).toMatchObject({ reapplies: firstId, scope: ['orders', 'sales', 'tenant'] });
    if (job === null) return;
    await saga.runs.start(job);
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'completed', rows_deleted: 6 });
    saga.expectGone(tenantId);
    const trail = await saga.records.auditTrail(job.job_id);
    expect(trail.map(({ action }) => action)).not.toContain('tenant suspended');
  });

  it('is left alone while a hold stands, and after somebody called it off', async () => {
    const tenantId = of('the job purged');
    await small.now().admin.query(
      `SET session_replication_role = replica;
       INSERT INTO small.notes VALUES (991000, '${tenantId}', 'imported', 7);
       SET session_replication_role = origin`,
    );
    const hold = await saga.records.placeHold(tenantId, 'a lawsuit', OPERATOR, true);
    expect((await sweep('erase')).outcome).toMatchObject({ returned: 1, erased_again: 0 });
    await saga.records.liftHold(hold.hold_id, 'settled', OPERATOR);

    expect((await sweep('erase')).outcome).toMatchObject({ returned: 1, erased_again: 1 });
    const job = await saga.records.openJobOf(tenantId);
    expect(job).not.toBeNull();
    if (job === null) return;
    await saga.cancel(job);
    await saga.runs.start(job);
    expect(await saga.untilEnded(job)).toMatchObject({ status: 'cancelled' });
    // Reported still, and not taken up again by itself; the mark stands, and so does the first job's tombstone.
    expect((await sweep('erase')).outcome).toMatchObject({ returned: 1, erased_again: 0 });
    expect(await saga.records.isErased(tenantId)).toBe(true);
    const { admin } = small.now();
    const tombstones = `lethe_small.tenant_tombstones WHERE tenant_id = '${tenantId}'`;
    expect(
      await countRows(admin, `${tombstones} AND job_id = '${first.get('the job purged')?.job_id}'`),
    ).toBe(1);

    const { job: asked } = await saga.records.openReapply({
      tenantId,
      actor: OPERATOR,
      services: ['small'],
      reason: 'it was a mistake to call it off',
      approveImported: false,
    });
    await saga.runs.start(asked);
    expect(await saga.untilEnded(asked)).toMatchObject({ status: 'completed', rows_deleted: 1 });
    expect(await askServices({ services, timeoutMs: 5_000 }, tenantId)).toEqual(
      services.map(({ service }) => ({ name: service.name, rows: 0, tables: [], error: null })),
    );
  });

  it('lets a key that was released be used, and be deleted, again', async () => {
    const tenantId = of('the job staged');
    const { admin } = small.now();
    await expect(admin.query(smallRows(tenantId, 700_000))).rejects.toThrow(/erased/);
    await saga.records.requestRelease(tenantId, 'the key was given to somebody new', OPERATOR);
    const other = { ...OPERATOR, id: 'another' };
    const release = await saga.records.approveRelease(tenantId, other);
    await saga.runs.startRelease(release.release_id);
    const done = () => saga.records.getRelease(release.release_id);
    await expect.poll(async () => (await done()).status, { timeout: 20_000 }).toBe('completed');
    expect((await done()).services).toMatchObject({ orders: null, sales: null, small: expect.any(Number) });

    expect(await saga.records.isErased(tenantId)).toBe(false);
    expect((await saga.records.getJob(first.get('the job staged')?.job_id ?? '')).status).toBe('completed');
    await admin.query(smallRows(tenantId, 700_000));
    const job = await ended(tenantId, 'completed');
    const { engine } = small.now();
    expect(await reach(engine, { tenantId, jobId: job.job_id }, 'purged')).toMatchObject({
      rowsDone: SMALL_TOTAL,
    });
    expect(await saga.records.erasedTenant(tenantId)).toMatchObject({ erasedBy: job.job_id });
  });
});
