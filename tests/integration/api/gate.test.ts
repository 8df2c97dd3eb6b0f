/** Approval, holds, halt and the tenant's name, as callers meet them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestApi, type TestApi } from '../../support/api.js';

const base = '/api/v1';
let api: TestApi;
let token: Record<'operator' | 'second' | 'approver', string>;

beforeAll(async () => {
  api = await openTestApi();
  const staff = async (role: 'operator' | 'approver') =>
    api.users.token({ userId: await api.user(), roles: [role] });
  const [operator, second, approver] = await Promise.all([
    staff('operator'),
    staff('operator'),
    staff('approver'),
  ]);
  token = { operator, second, approver };
});
afterAll(() => api?.close());

const post = (path: string, by: string, body: unknown) => api.ask('POST', `${base}${path}`, by, body);
const tenant = async () => api.tenant({ [await api.user()]: 'owner' });
const woken = (jobId: string) => api.runs.told.filter((one) => one.jobId === jobId).map(({ what }) => what);

async function checked(jobId: string): Promise<string> {
  const order = { epoch: await api.records.beginRun(jobId, `run of ${jobId}`), number: 1 };
  const plans = [{ service: 'orders', planHash: 'a'.repeat(64), rows: 3, tables: null }];
  await api.records.recordCheck(jobId, order, { plans, previewHash: null });
  return (await api.records.getJob(jobId)).approval_hash ?? '';
}

describe('an approval', () => {
  it('takes somebody else and the hash that stands, wakes the run, and each refusal is in the trail', async () => {
    const asked = await post(`/tenants/${await tenant()}/deletion-jobs`, token.operator, {
      require_approval: true,
    });
    const { job_id: jobId } = asked.body;
    const approve = (by: string, hash: string) =>
      post(`/deletion-jobs/${jobId}/approve`, by, { approval_hash: hash, reason: 'the contract has ended' });
    expect(await approve(token.approver, 'a'.repeat(64))).toMatchObject({
      status: 409,
      body: { code: 'state_conflict' },
    });
    const hash = await checked(jobId);
    expect(await approve(token.operator, hash)).toMatchObject({
      status: 403,
      body: { code: 'approver_is_requester' },
    });
    expect(await approve(token.approver, 'a'.repeat(64))).toMatchObject({
      status: 409,
      body: { code: 'approval_stale' },
    });
    const wordless = { approval_hash: hash };
    expect(await post(`/deletion-jobs/${jobId}/approve`, token.approver, wordless)).toMatchObject({
      status: 422,
    });
    expect(await approve(token.second, hash)).toMatchObject({
      status: 200,
      body: { approvals: [{ verdict: 'approved', reason: 'the contract has ended' }] },
    });
    expect(woken(jobId)).toEqual(['start', 'approval']);
    const refused = (await api.records.auditTrail(jobId)).filter(({ action }) =>
      action.startsWith('refused'),
    );
    expect(refused.map(({ details }) => details.code)).toEqual(
      expect.arrayContaining(['approver_is_requester', 'approval_stale']),
    );
    const rejected = await post(`/deletion-jobs/${jobId}/reject`, token.approver, {
      approval_hash: hash,
      reason: 'on second thoughts',
    });
    expect(rejected).toMatchObject({ status: 200, body: { decision: 'abort', abort_cause: 'refusal' } });
  });

  it('that is configured cannot be asked away, and a replay asks for a new one', async () => {
    const strict = await openTestApi({ settings: { requireApproval: true } });
    try {
      const operator = await strict.users.token({ userId: await strict.user(), roles: ['operator'] });
      const id = await strict.tenant({ [await strict.user()]: 'owner' });
      const path = `${base}/tenants/${id}/deletion-jobs`;
      expect(await strict.ask('POST', path, operator, { require_approval: false })).toMatchObject({
        status: 422,
        body: { code: 'option_unavailable' },
      });
      const { body: job } = await strict.ask('DELETE', `${base}/tenants/${id}`, operator);
      expect(job).toMatchObject({ approval_required: true, approval_hash: null });
      // With the option said or left out it is the same request.
      const again = await strict.ask('POST', path, operator, { require_approval: true });
      expect(again.body.job_id).toBe(job.job_id);
      const order = { epoch: await strict.records.beginRun(job.job_id, 'run'), number: 1 };
      await strict.records.decideAbort(job.job_id, 'refusal', { kind: 'system', id: 'lethe', role: 'saga' });
      await strict.records.endJob(job.job_id, order, 'refused', 'It could not work.');
      const replay = await strict.ask('POST', `${base}/deletion-jobs/${job.job_id}/replay`, operator);
      expect(replay).toMatchObject({ status: 202, body: { approval_required: true, approvals: [] } });
    } finally {
      await strict.close();
    }
  });
});

describe('a legal hold', () => {
  it('refuses requests, wakes the open job, and is lifted with a reason in the query', async () => {
    const id = await tenant();
    const { body: job } = await api.ask('DELETE', `${base}/tenants/${id}`, token.operator);
    const placed = await post(`/tenants/${id}/legal-holds`, token.approver, { reason: 'a lawsuit' });
    expect(placed).toMatchObject({ status: 201, body: { tenant_id: id, lifted_at: null } });
    expect(await api.ask('DELETE', `${base}/tenants/${id}`, token.operator)).toMatchObject({
      status: 423,
      body: { code: 'legal_hold' },
    });
    const lift = (query: string) =>
      api.ask('DELETE', `${base}/legal-holds/${placed.body.hold_id}${query}`, token.approver);
    expect(await lift('')).toMatchObject({ status: 422 });
    expect(await lift('?reason=settled')).toMatchObject({ status: 200, body: { lift_reason: 'settled' } });
    expect(woken(job.job_id)).toEqual(['start', 'hold', 'hold']);
    const listed = await api.ask('GET', `${base}/tenants/${id}/legal-holds`, token.operator);
    expect(listed.body.holds).toHaveLength(1);
    const unknown = `${base}/legal-holds/${'0'.repeat(8)}-0000-7000-8000-000000000000?reason=x`;
    expect(await api.ask('DELETE', unknown, token.approver)).toMatchObject({
      status: 404,
      body: { code: 'hold_unknown' },
    });
  });

  it('needs a tenant that is there, and no directory that is there', async () => {
    const nobody = '0190b0a4-0000-7000-8000-00000000dead';
    expect(await post(`/tenants/${nobody}/legal-holds`, token.approver, { reason: 'x' })).toMatchObject({
      status: 404,
      body: { code: 'tenant_unknown' },
    });
    const id = await tenant();
    await api.pool.query('REVOKE SELECT ON tenant.tenants FROM lethe_tenant');
    try {
      const read = await api.ask('GET', `${base}/tenants/${id}/deletion-preview`, token.operator);
      expect(read.status).toBe(503);
      const placed = await post(`/tenants/${id}/legal-holds`, token.approver, { reason: 'x' });
      expect(placed.status).toBe(201);
    } finally {
      await api.pool.query('GRANT SELECT ON tenant.tenants TO lethe_tenant');
    }
  });

  it('that comes after the pivot is told so', async () => {
    const id = await tenant();
    const { body: job } = await api.ask('DELETE', `${base}/tenants/${id}`, token.operator);
    await api.records.decideProceed(job.job_id);
    const late = await post(`/tenants/${id}/legal-holds`, token.approver, { reason: 'late' });
    expect(late).toMatchObject({ status: 409, body: { code: 'past_pivot', job_id: job.job_id } });
    expect(await api.records.holdsOf(id)).toEqual([]);
    const kept = { reason: 'its invoices', retained_rows: true };
    expect(await post(`/tenants/${id}/legal-holds`, token.approver, kept)).toMatchObject({ status: 201 });
  });
});

describe('the halt', () => {
  it('wakes every job before its pivot, brings back what it is asked to, and leaves the others alone', async () => {
    const [one, gone] = await Promise.all(
      [await tenant(), await tenant()].map((id) =>
        api.ask('DELETE', `${base}/tenants/${id}`, token.operator),
      ),
    );
    const ids = [one?.body.job_id, gone?.body.job_id] as [string, string];
    await api.records.decideProceed(ids[1]);
    const halted = await post('/deletion-jobs/halt', token.operator, { reason: 'the wrong kind of id' });
    expect(halted).toMatchObject({ status: 200, body: { halted: true, restoring: [] } });
    expect(await api.ask('GET', `${base}/deletion-jobs/halt`, token.second)).toMatchObject({
      body: { halted: true, reason: 'the wrong kind of id' },
    });
    const back = await post('/deletion-jobs/halt', token.second, { reason: 'undo it', and_restore: true });
    expect(back.body.restoring).toContain(ids[0]);
    expect(back.body.restoring).not.toContain(ids[1]);
    expect(await api.records.getJob(ids[0])).toMatchObject({ decision: 'abort', abort_cause: 'cancel' });
    expect(await api.records.getJob(ids[1])).toMatchObject({ decision: 'proceed' });
    const on = await post('/deletion-jobs/resume', token.operator, { reason: 'mended' });
    expect(on).toMatchObject({ status: 200, body: { halted: false, reason: null } });
    expect(woken(ids[0])).toEqual(['start', 'halt', 'cancel']);
    expect(woken(ids[1])).toEqual(['start']);
  });
});

describe("the tenant's name", () => {
  it('is shown with what a person would recognise, and has to fit where it is repeated', async () => {
    const [owner, member] = [await api.user(), await api.user()];
    const id = await api.tenant({ [owner]: 'owner', [member]: 'member' });
    const preview = () => api.ask('GET', `${base}/tenants/${id}/deletion-preview`, token.operator);
    const recognised = { name: 'Bakery', status: 'active', members: 2 };
    expect((await preview()).body.tenant).toMatchObject({ ...recognised, last_activity_at: null });
    const last = '2026-03-01T12:00:00.000Z';
    await api.pool.query('UPDATE tenant.users SET last_login_at = $1 WHERE id = $2', [last, member]);
    expect((await preview()).body.tenant).toMatchObject({ ...recognised, last_activity_at: last });
    const path = `/tenants/${id}/deletion-jobs`;
    const wrong = await post(path, token.operator, { confirm_name: 'Butcher' });
    expect(wrong).toMatchObject({ status: 422, body: { code: 'name_mismatch' } });
    expect(JSON.stringify(wrong.body)).not.toContain('Bakery');
    expect(await api.records.openJobOf(id)).toBeNull();
    expect(await post(path, token.operator, { confirm_name: 'Bakery' })).toMatchObject({ status: 202 });
  });

  it('has to be repeated where that is configured, by a call without a body too', async () => {
    const strict = await openTestApi({ settings: { requireNameConfirmation: true } });
    try {
      const operator = await strict.users.token({ userId: await strict.user(), roles: ['operator'] });
      const id = await strict.tenant({ [await strict.user()]: 'owner' });
      for (const [method, path, body] of [
        ['DELETE', `${base}/tenants/${id}`, undefined],
        ['POST', `${base}/tenants/${id}/deletion-jobs`, {}],
      ] as const) {
        expect(await strict.ask(method, path, operator, body)).toMatchObject({
          status: 422,
          body: { code: 'name_mismatch' },
        });
      }
      const path = `${base}/tenants/${id}/deletion-jobs`;
      expect(await strict.ask('POST', path, operator, { confirm_name: 'Bakery' })).toMatchObject({
        status: 202,
      });
    } finally {
      await strict.close();
    }
  });
});
