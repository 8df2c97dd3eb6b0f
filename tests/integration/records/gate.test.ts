import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { JobView } from '../../../protocol/jobs.js';
import { createRecords } from '../../../records/index.js';
import type { Actor, Records } from '../../../records/types.js';
import {
  ended,
  OPERATOR,
  OWNER,
  open,
  openTestRecords,
  problemOf,
  SAGA,
  staged,
  type TestRecords,
} from './support.js';

const APPROVER: Actor = { kind: 'user', id: randomUUID(), role: 'approver' };
const OTHER: Actor = { kind: 'user', id: randomUUID(), role: 'approver' };
const RACES = 60;

let test: TestRecords;
let records: Records;
beforeAll(async () => {
  test = await openTestRecords();
  records = test.records;
});
afterAll(() => test?.close());

let epochs = 0;
async function check(job: JobView, rows = 10, planHash = 'a'.repeat(64), using = records): Promise<JobView> {
  epochs += 1;
  const epoch = await using.beginRun(job.job_id, `run ${epochs}`);
  await using.updateService(job.job_id, { name: 'orders', planHash, rowsTotal: rows, epoch });
  const tables = [{ table: 'orders.orders', rows }];
  const plans = [{ service: 'orders', planHash, rows, tables }];
  await using.recordCheck(job.job_id, { epoch, number: 1 }, { plans, previewHash: 'b'.repeat(64) });
  return using.getJob(job.job_id);
}
const hashOf = (job: JobView) => job.approval_hash ?? '';
const toApprove = async (changes: Parameters<typeof open>[1] = {}) =>
  check(await open(records, { approvalRequired: true, ...changes }));
const waits = async (job: JobView, step: 'suspend' | 'stage' | 'pivot' = 'suspend') =>
  (await records.passGate(job.job_id, step)).waitingFor?.kind ?? null;

describe('an approval', () => {
  it('is never given by who asked, and only to the hash that stands', async () => {
    const job = await toApprove();
    expect(await waits(job)).toBe('approval');
    const own = records.approve(job.job_id, hashOf(job), 'mine', OWNER);
    expect(await problemOf(own)).toMatchObject({ code: 'approver_is_requester', status: 403 });
    const stale = records.approve(job.job_id, 'c'.repeat(64), 'blind', APPROVER);
    expect(await problemOf(stale)).toMatchObject({ code: 'approval_stale', status: 409 });
    expect((await records.getJob(job.job_id)).approvals).toEqual([]);
    expect(await waits(job)).toBe('approval');
    expect(await records.decideProceed(job.job_id)).toMatchObject({ decision: null });

    const approved = await records.approve(job.job_id, hashOf(job), 'contract ended', APPROVER);
    await records.approve(job.job_id, hashOf(job), 'asked twice', APPROVER);
    expect(approved.approvals).toMatchObject([
      { verdict: 'approved', by: APPROVER.id, reason: 'contract ended', approval_hash: job.approval_hash },
    ]);
    expect((await records.getJob(job.job_id)).approvals).toHaveLength(1);
    expect(await waits(job)).toBeNull();
    expect(await records.decideProceed(job.job_id)).toMatchObject({ decision: 'proceed' });
    const trail = await records.auditTrail(job.job_id);
    expect(trail.find(({ action }) => action === 'deletion approved')?.actor.id).toBe(APPROVER.id);
  });

  it('of one tenant is worth nothing for another, though plans and counts are the same', async () => {
    const [meant, mistaken] = [await toApprove(), await toApprove()];
    expect(hashOf(meant)).not.toBe(hashOf(mistaken));
    await records.approve(meant.job_id, hashOf(meant), 'the right one', APPROVER);
    const wrong = records.approve(mistaken.job_id, hashOf(meant), 'the right one', APPROVER);
    expect(await problemOf(wrong)).toMatchObject({ code: 'approval_stale' });
    expect(await waits(mistaken)).toBe('approval');
    expect(await records.decideProceed(mistaken.job_id)).toMatchObject({ decision: null });
    // Not even by somebody who writes the row by hand: it names the job, and the hash has the job in it.
    await test.superuser.query(
      `INSERT INTO lethe_records.job_approvals
       SELECT gen_random_uuid(), $1, verdict, approval_hash, reason, given_by, given_role, given_at, expires_at
       FROM lethe_records.job_approvals WHERE job_id = $2`,
      [mistaken.job_id, meant.job_id],
    );
    expect(await records.decideProceed(mistaken.job_id)).toMatchObject({ decision: null });
  });

  it('expires, also for a job that waits for its pivot; then the same hash is approved again', async () => {
    const brief = createRecords({
      databaseUrl: test.database.urlFor('lethe_records'),
      gate: { approvalTtlMs: 0 },
    });
    try {
      const job = await toApprove();
      await brief.approve(job.job_id, hashOf(job), 'soon over', APPROVER);
      expect(await records.decideProceed(job.job_id)).toMatchObject({
        decision: null,
        waitingFor: { kind: 'approval', next_action: expect.stringContaining('expired') },
      });
      await records.approve(job.job_id, hashOf(job), 'once more', OTHER);
      expect(await records.decideProceed(job.job_id)).toMatchObject({ decision: 'proceed' });
    } finally {
      await brief.close();
    }
  });

  it('does not cover another plan, another service or many more rows, and small steps do not add up', async () => {
    const job = await toApprove();
    await records.approve(job.job_id, hashOf(job), 'ten rows', APPROVER);
    expect(hashOf(await check(job, 11))).toBe(hashOf(job));
    expect(await waits(job)).toBeNull();
    const grown = await check(job, 12);
    expect(hashOf(grown)).not.toBe(hashOf(job));
    expect(grown.approval_change).toContain('12 rows where 10 were approved');
    expect(await waits(job)).toBe('approval');
    await records.approve(job.job_id, hashOf(grown), 'twelve rows', APPROVER);
    const other = await check(job, 12, 'd'.repeat(64));
    expect(other.approval_change).toBe('orders has another plan');
    expect(await waits(job)).toBe('approval');
    expect((await records.getJob(job.job_id)).approvals).toHaveLength(2);
  });

  it('a rejection ends the job with its reason, and nothing is done any more', async () => {
    const job = await toApprove();
    const rejected = await records.reject(job.job_id, hashOf(job), 'The wrong customer.', APPROVER);
    expect(rejected).toMatchObject({ decision: 'abort', abort_cause: 'refusal' });
    const order = { epoch: await records.beginRun(job.job_id, 'the end'), number: 1 };
    const over = await records.endJob(job.job_id, order, 'refused', 'said by the run');
    expect(over).toMatchObject({ status: 'refused', continued_by: null });
    expect(over.outcome).toBe('Rejected: The wrong customer. Nothing was touched.');
    const late = records.approve(job.job_id, hashOf(job), 'after all', OTHER);
    expect(await problemOf(late)).toMatchObject({ code: 'job_ended' });
  });

  it('a rejection after something was staged brings it back', async () => {
    const job = await toApprove();
    await records.approve(job.job_id, hashOf(job), 'as it is', APPROVER);
    await records.recordStageRequest(job.job_id, 'orders');
    const rejected = await records.reject(job.job_id, hashOf(job), 'A mistake.', OTHER);
    expect(rejected).toMatchObject({ status: 'compensating', abort_cause: 'failure' });
    const order = { epoch: await records.beginRun(job.job_id, 'the end'), number: 1 };
    const over = await records.endJob(job.job_id, order, 'compensated', 'said by the run');
    expect(over).toMatchObject({ outcome: 'Rejected: A mistake. Every row is back.', continued_by: null });
  });

  it('more was archived than approved: it goes back, and a successor waits in the same transaction', async () => {
    const job = await toApprove({ readers: [OWNER.id, OPERATOR.id] });
    await records.approve(job.job_id, hashOf(job), 'ten rows', APPROVER);
    await records.recordStageRequest(job.job_id, 'orders');
    await records.updateService(job.job_id, { name: 'orders', state: 'staged', rowsDone: 11 });
    expect(await records.abortIfChanged(job.job_id)).toBeNull();
    await records.updateService(job.job_id, { name: 'orders', state: 'staged', rowsDone: 12 });
    expect(await records.decideProceed(job.job_id)).toMatchObject({ decision: 'abort', cause: 'failure' });
    const order = { epoch: await records.beginRun(job.job_id, 'the end'), number: 1 };
    const over = await records.endJob(job.job_id, order, 'compensated', 'said by the run');
    const next = await records.getJob(over.continued_by ?? '');
    expect(over.outcome).toContain('12 rows where 10 were approved');
    expect(next).toMatchObject({
      tenant_id: job.tenant_id,
      status: 'pending',
      requested_by: OWNER.id,
      replay_of: job.job_id,
      approval_required: true,
      approval_hash: null,
      approvals: [],
    });
    expect(await records.mayRead(next.job_id, OPERATOR.id)).toBe(true);
    expect(await waits(await check(next, 12))).toBe('approval');
  });

  it('a plan that drifts at its stage goes on the same way, but not without approval', async () => {
    for (const approvalRequired of [true, false]) {
      const job = await check(await open(records, { approvalRequired }));
      if (approvalRequired) await records.approve(job.job_id, hashOf(job), 'as it is', APPROVER);
      await records.recordStageRequest(job.job_id, 'orders');
      const at = new Date().toISOString();
      const lastError = { code: 'plan_drift', message: '', table: null, privilege: null, sqlstate: null, at };
      await records.updateService(job.job_id, { name: 'orders', lastError });
      await records.decideAbort(job.job_id, 'failure', SAGA);
      const order = { epoch: await records.beginRun(job.job_id, 'the end'), number: 1 };
      const over = await records.endJob(job.job_id, order, 'compensated', 'It failed.');
      expect(over.continued_by !== null).toBe(approvalRequired);
      if (approvalRequired) expect(over.outcome).toContain('orders has another plan');
      else expect(over.outcome).toBe('It failed.');
    }
  });
});

describe('a legal hold', () => {
  it('refuses requests, keeps open jobs where they are, and lets them go when the last one is lifted', async () => {
    const tenantId = randomUUID();
    const job = await open(records, { tenantId });
    const first = await records.placeHold(tenantId, 'a lawsuit', APPROVER);
    const second = await records.placeHold(tenantId, 'a tax audit', OTHER);
    expect(await records.tenantsOnHold()).toContain(tenantId);
    for (const step of ['suspend', 'stage', 'pivot'] as const) expect(await waits(job, step)).toBe('hold');
    expect((await records.heldBack(job.job_id)).waitingFor?.kind).toBe('hold');
    expect(await records.decideProceed(job.job_id)).toMatchObject({ decision: null });
    expect(await problemOf(records.openJob({ ...asked(tenantId) }))).toMatchObject({
      code: 'legal_hold',
      status: 423,
    });
    await records.liftHold(first.hold_id, 'settled', APPROVER);
    expect(await waits(job, 'pivot')).toBe('hold');
    await records.liftHold(second.hold_id, 'closed', APPROVER);
    // Lifted once: whoever asks again is told the same.
    expect(await records.liftHold(second.hold_id, 'again', OTHER)).toMatchObject({ lift_reason: 'closed' });
    expect(await records.tenantsOnHold()).not.toContain(tenantId);
    expect(await waits(job, 'pivot')).toBeNull();
    expect((await records.holdsOf(tenantId)).map(({ hold_id }) => hold_id)).toEqual([
      second.hold_id,
      first.hold_id,
    ]);
    expect((await records.auditTrail(job.job_id)).map(({ action }) => action)).toEqual(
      expect.arrayContaining(['legal hold placed', 'legal hold lifted']),
    );
    // While it stands, everything may be brought back.
    await records.placeHold(tenantId, 'once more', APPROVER);
    expect(await records.decideAbort(job.job_id, 'cancel', OPERATOR)).toMatchObject({ decision: 'abort' });
  });

  it(`raced against the pivot ${RACES} times: exactly one of the two wins, and both know which`, async () => {
    const won = { hold: 0, pivot: 0 };
    for (let race = 0; race < RACES; race += 1) {
      const job = await staged(records);
      const place = () => test.other.placeHold(job.tenant_id, 'a lawsuit', APPROVER).catch((error) => error);
      const pivot = () => records.decideProceed(job.job_id);
      const [hold, found] =
        race % 2 === 0
          ? await Promise.all([place(), pivot()])
          : await Promise.all([pivot(), place()]).then(([one, other]) => [other, one] as const);
      const { decision } = await records.getJob(job.job_id);
      const holds = await records.holdsOf(job.tenant_id);
      expect(found.decision).toBe(decision);
      if (decision === 'proceed') {
        expect(hold).toMatchObject({ code: 'past_pivot', status: 409 });
        expect(holds).toEqual([]);
        won.pivot += 1;
      } else {
        expect(holds).toEqual([hold]);
        expect(found).toMatchObject({ decision: null, waitingFor: { kind: 'hold' } });
        won.hold += 1;
      }
    }
    // Otherwise the race was none.
    expect(won.hold).toBeGreaterThan(0);
    expect(won.pivot).toBeGreaterThan(0);
  });

  it('comes too late after the pivot, but not for what had to be kept', async () => {
    const going = await staged(records);
    await records.decideProceed(going.job_id);
    const job = await ended(records, 'completed');
    for (const { tenant_id } of [going, job]) {
      const late = records.placeHold(tenant_id, 'late', APPROVER);
      expect(await problemOf(late)).toMatchObject({ code: 'past_pivot', status: 409 });
    }
    const kept = await records.placeHold(job.tenant_id, 'invoices', APPROVER, true);
    expect(await records.tenantsOnHold()).toContain(job.tenant_id);
    await records.liftHold(kept.hold_id, 'over', APPROVER);
  });
});

describe('the halt', () => {
  afterEach(() => records.resume('for the next test', OPERATOR));

  it('stops every job before its pivot, and none after it', async () => {
    const [before, after] = [await staged(records), await staged(records)];
    await records.decideProceed(after.job_id);
    expect(await records.halt('a script went wild', OPERATOR)).toMatchObject({ halted: true });
    expect(await records.halt('said again', OTHER)).toMatchObject({ reason: 'a script went wild' });
    for (const step of ['suspend', 'stage', 'pivot'] as const) expect(await waits(before, step)).toBe('halt');
    expect(await records.decideProceed(before.job_id)).toMatchObject({ decision: null });
    expect(await records.decideProceed(after.job_id)).toMatchObject({ decision: 'proceed' });
    expect(await records.decideAbort(before.job_id, 'cancel', OPERATOR)).toMatchObject({ decision: 'abort' });
    expect(await records.resume('mended', OPERATOR)).toMatchObject({ halted: false });
    const on = await staged(records);
    expect(await records.decideProceed(on.job_id)).toMatchObject({ decision: 'proceed' });
  });

  it('once it is answered, no pivot that begins later passes, however many are under way', async () => {
    for (let race = 0; race < 5; race += 1) {
      const jobs = await Promise.all(Array.from({ length: 6 }, () => staged(records)));
      const pivots = jobs.map((job) => test.other.decideProceed(job.job_id));
      await records.halt('now', OPERATOR);
      const passed = await decidedAmong(jobs);
      expect(await records.decideProceed((await staged(records)).job_id)).toMatchObject({ decision: null });
      await Promise.all(pivots);
      expect(await decidedAmong(jobs)).toBe(passed);
      await records.resume('again', OPERATOR);
    }
  });
});

describe('the cap', () => {
  const CAP = 3;
  let capped: Records;
  beforeAll(async () => {
    capped = createRecords({
      databaseUrl: test.database.urlFor('lethe_records'),
      poolSize: 10,
      gate: { capPerHour: CAP, capPerDay: 5 },
    });
  });
  afterAll(() => capped?.close());
  const longAgo = () =>
    test.superuser.query(
      `SET session_replication_role = replica;
       UPDATE lethe_records.deletion_jobs SET decided_at = decided_at - interval '2 days',
         cap_slot_at = cap_slot_at - interval '2 days';
       RESET session_replication_role`,
    );

  it('lets exactly as many pivots through at once, and the next when an hour has passed', async () => {
    await longAgo();
    const jobs = await Promise.all(Array.from({ length: 12 }, () => staged(records)));
    const found = await Promise.all(jobs.map((job) => capped.decideProceed(job.job_id)));
    expect(found.filter(({ decision }) => decision === 'proceed')).toHaveLength(CAP);
    expect(await decidedAmong(jobs)).toBe(CAP);
    const waiting = found.flatMap((one) => ('waitingFor' in one ? [one.waitingFor] : []));
    expect(new Set(waiting.map(({ kind }) => kind))).toEqual(new Set(['cap']));
    expect(Math.abs(Date.parse(waiting[0]?.until ?? '') - Date.now() - 3_600_000)).toBeLessThan(60_000);

    const left = jobs.filter((_, index) => found[index]?.decision === null);
    const [next, another] = left;
    await test.superuser.query(
      `SET session_replication_role = replica;
       UPDATE lethe_records.deletion_jobs SET decided_at = decided_at - interval '61 minutes' WHERE decision = 'proceed';
       RESET session_replication_role`,
    );
    expect(await capped.decideProceed(next?.job_id ?? '')).toMatchObject({ decision: 'proceed' });
    // Four within a day, and one more may go; then the day is full, though the hour is not.
    expect(await capped.decideProceed(another?.job_id ?? '')).toMatchObject({ decision: 'proceed' });
    const found6 = await capped.decideProceed(left[2]?.job_id ?? '');
    expect(found6).toMatchObject({ decision: null, waitingFor: { kind: 'cap' } });
  });

  it('gives slots before anything is touched, one a job, and takes them back from jobs that go back', async () => {
    await longAgo();
    const jobs = await Promise.all(Array.from({ length: 8 }, () => open(records)));
    const pass = (job: JobView) => capped.passGate(job.job_id, 'suspend');
    const answers = await Promise.all(jobs.map(pass));
    const inside = jobs.filter((_, index) => answers[index]?.waitingFor === null);
    const [outside] = jobs.filter((_, index) => answers[index]?.waitingFor !== null);
    expect(inside).toHaveLength(CAP);
    if (!inside[0] || !outside) throw new Error('There is nobody inside, or nobody outside.');
    // Asked again: the same slot.
    expect(await pass(inside[0])).toMatchObject({ waitingFor: null });
    expect(await pass(outside)).toMatchObject({ waitingFor: { kind: 'cap' } });
    await records.decideAbort(inside[0].job_id, 'refusal', SAGA);
    const order = { epoch: await records.beginRun(inside[0].job_id, 'the end'), number: 1 };
    await records.endJob(inside[0].job_id, order, 'refused', 'It could not work.');
    expect(await pass(outside)).toMatchObject({ waitingFor: null });
  });
});

function asked(tenantId: string) {
  return { tenantId, actor: OWNER, options: {}, restoreWindowMs: 0, readers: [] };
}

async function decidedAmong(jobs: readonly JobView[]): Promise<number> {
  const views = await Promise.all(jobs.map(({ job_id }) => records.getJob(job_id)));
  return views.filter(({ decision }) => decision === 'proceed').length;
}
