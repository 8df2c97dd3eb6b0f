import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ended, OWNER, open, openTestRecords, staged, type TestRecords } from './support.js';

let test: TestRecords;
let role: pg.Pool;
beforeAll(async () => {
  test = await openTestRecords();
  role = new pg.Pool({ connectionString: test.database.urlFor('lethe_records'), max: 1 });
});
afterAll(async () => {
  await role?.end();
  await test?.close();
});

describe('the role of the platform', () => {
  it.each([
    ['rewrites the audit', `UPDATE lethe_records.audit_events SET actor_id = 'somebody else'`],
    ['removes from the audit', 'DELETE FROM lethe_records.audit_events'],
    ['empties the audit', 'TRUNCATE lethe_records.audit_events'],
    ['backdates an event', `INSERT INTO lethe_records.audit_events (event_id, action) VALUES (1, 'x')`],
    ['moves the head of a chain', `UPDATE lethe_records.audit_chains SET hash = 'x'`],
    ['removes a chain', 'DELETE FROM lethe_records.audit_chains'],
    ['rewrites a signed head', `UPDATE lethe_records.audit_heads SET jws = 'x'`],
    ['rewrites a certificate', `UPDATE lethe_records.certificates SET jws = 'x'`],
    ['removes a certificate', 'DELETE FROM lethe_records.certificates'],
    ['gives a pseudonym to somebody else', `UPDATE lethe_records.people SET user_id = 'x'`],
    ['removes a job', 'DELETE FROM lethe_records.deletion_jobs'],
    ['gives a job to another tenant', `UPDATE lethe_records.deletion_jobs SET tenant_id = 'other'`],
    ['changes who asked', `UPDATE lethe_records.deletion_jobs SET requested_by = 'other'`],
    ['removes what a service did', 'DELETE FROM lethe_records.deletion_job_services'],
    ['forgets a tenant', 'DELETE FROM lethe_records.tenant_gates'],
    ['takes a reader away', 'DELETE FROM lethe_records.deletion_job_readers'],
    ['renumbers a run', 'UPDATE lethe_records.deletion_job_runs SET epoch = 9'],
    ['changes what an approver said', `UPDATE lethe_records.job_approvals SET approval_hash = 'x'`],
    ['takes an approval away', 'DELETE FROM lethe_records.job_approvals'],
    ['does without approval', 'UPDATE lethe_records.deletion_jobs SET approval_required = false'],
    ['removes a hold', 'DELETE FROM lethe_records.legal_holds'],
    ['gives a hold to another tenant', `UPDATE lethe_records.legal_holds SET tenant_id = 'other'`],
    ['removes a waiver', 'DELETE FROM lethe_records.service_waivers'],
    ['gives another reason for a waiver', `UPDATE lethe_records.service_waivers SET reason = 'x'`],
    ['switches the guards off', 'ALTER TABLE lethe_records.deletion_jobs DISABLE TRIGGER ALL'],
    ['makes tables', 'CREATE TABLE lethe_records.more ()'],
    ['looks at a service', 'SELECT * FROM orders.orders'],
  ])('%s: refused', async (_, sql) => {
    const job = await staged(test.records);
    await expect(role.query(sql)).rejects.toMatchObject({
      code: expect.stringMatching(/^(42501|428C9)$/),
    });
    expect(await test.records.getJob(job.job_id)).toEqual(job);
    expect(await test.records.auditTrail(job.job_id)).toHaveLength(2);
  });
});

describe('the tables themselves', () => {
  it('a decision is not changed, whoever writes', async () => {
    const { job_id } = await open(test.records);
    await test.records.decideAbort(job_id, 'cancel', OWNER);
    for (const change of [
      `decision = 'proceed', abort_cause = NULL`,
      `abort_cause = 'failure'`,
      'decision = NULL, abort_cause = NULL, decided_at = NULL',
      `decided_at = now() + interval '1 hour'`,
    ]) {
      const sql = `UPDATE lethe_records.deletion_jobs SET ${change} WHERE job_id = $1`;
      await expect(role.query(sql, [job_id])).rejects.toMatchObject({ code: '23514' });
      await expect(test.superuser.query(sql, [job_id])).rejects.toMatchObject({ code: '23514' });
    }
    expect(await test.records.decisionOf(job_id)).toMatchObject({ decision: 'abort', cause: 'cancel' });
  });

  it('an end is not left, and does not contradict its decision', async () => {
    const over = await ended(test.records, 'compensated');
    const undecided = await open(test.records);
    const set = (change: string, jobId: string) =>
      role.query(`UPDATE lethe_records.deletion_jobs SET ${change} WHERE job_id = $1`, [jobId]);
    for (const change of [
      `status = 'in_progress', ended_at = NULL`,
      `status = 'refused'`,
      'ended_at = now()',
    ]) {
      await expect(set(change, over.job_id)).rejects.toMatchObject({ code: '23514' });
    }
    for (const status of ['completed', 'compensated', 'cancelled', 'refused']) {
      const change = `status = '${status}', ended_at = now()`;
      await expect(set(change, undecided.job_id)).rejects.toMatchObject({ code: '23514' });
    }
    await expect(set(`status = 'completed'`, undecided.job_id)).rejects.toMatchObject({ code: '23514' });
    expect(await test.records.getJob(over.job_id)).toEqual(over);
    expect(await test.records.getJob(undecided.job_id)).toEqual(undecided);
  });

  it('a hold that was lifted stays lifted', async () => {
    const { hold_id } = await test.records.placeHold('some tenant', 'a lawsuit', OWNER);
    await test.records.liftHold(hold_id, 'settled', OWNER);
    const unlift =
      'UPDATE lethe_records.legal_holds SET lifted_at = NULL, lifted_by = NULL, lift_reason = NULL WHERE hold_id = $1';
    for (const pool of [role, test.superuser]) {
      await expect(pool.query(unlift, [hold_id])).rejects.toMatchObject({ code: '23514' });
    }
  });

  it('a job is completed with a certificate, or not at all', async () => {
    const { job_id } = await open(test.records);
    await test.records.decideProceed(job_id);
    const complete = `UPDATE lethe_records.deletion_jobs SET status = 'completed', ended_at = now() WHERE job_id = $1`;
    for (const whoever of [role, test.superuser]) {
      await expect(whoever.query(complete, [job_id])).rejects.toMatchObject({ code: '23514' });
    }
    expect(await test.records.getJob(job_id)).toMatchObject({ ended_at: null });
  });

  it('a tenant has one open job, and stays erased', async () => {
    const job = await open(test.records);
    const second = `INSERT INTO lethe_records.deletion_jobs (job_id, tenant_id, options, restore_window_ms, requested_by)
      VALUES (gen_random_uuid(), $1, '{}', 0, 'somebody')`;
    await expect(role.query(second, [job.tenant_id])).rejects.toMatchObject({
      code: '23505',
      constraint: 'deletion_jobs_one_open',
    });
    const gone = await ended(test.records, 'completed');
    await expect(
      role.query(
        'UPDATE lethe_records.tenant_gates SET erased_at = NULL, erased_by = NULL WHERE tenant_id = $1',
        [gone.tenant_id],
      ),
    ).rejects.toMatchObject({ code: '23514' });
    expect(await test.records.isErased(gone.tenant_id)).toBe(true);
  });
});
