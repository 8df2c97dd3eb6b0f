import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, openTestApi, type TestApi } from '../../support/api.js';
import { complete } from '../../support/certificates.js';

describe('asking for a deletion', () => {
  let api: TestApi;
  let operator: string;
  let owner: string;
  let tenant: string;

  beforeAll(async () => {
    api = await openTestApi({ settings: { restoreWindowMs: 60_000 } });
    operator = await api.users.token({ userId: await api.user(), roles: ['operator'] });
  });
  afterAll(() => api.close());

  async function freshTenant(): Promise<void> {
    const user = await api.user();
    tenant = await api.tenant({ [user]: 'owner' });
    owner = await api.users.token({ userId: user });
  }
  const post = (body?: unknown, id = tenant): Promise<Answer> =>
    api.ask('POST', `/api/v1/tenants/${id}/deletion-jobs`, owner, body);
  const remove = (id = tenant): Promise<Answer> => api.ask('DELETE', `/api/v1/tenants/${id}`, owner);

  it('answers 202 with the address of the job, and starts its run', async () => {
    await freshTenant();
    const answer = await remove();
    const job = answer.body;
    expect(answer.status).toBe(202);
    expect(answer.headers.location).toBe(`/api/v1/deletion-jobs/${job.job_id}`);
    expect(job).toMatchObject({ tenant_id: tenant, status: 'pending', restore_window_ms: 60_000 });
    expect(api.runs.told).toContainEqual({ what: 'start', jobId: job.job_id });
    expect((await api.ask('GET', answer.headers.location ?? '', owner)).body).toEqual(job);
    const trail = await api.records.auditTrail(job.job_id);
    expect(trail).toMatchObject([
      {
        action: 'deletion requested',
        actor: { id: job.requested_by, requestId: answer.headers['x-request-id'] },
      },
    ]);
  });

  it('keeps every option with the job', async () => {
    await freshTenant();
    const options = {
      reason: 'closing down',
      start_at: '2190-01-01T00:00:00Z',
      due_at: '2190-02-01T01:00:00+01:00',
      restore_window: '72h',
      require_approval: false,
    };
    expect((await post(options)).body).toMatchObject({
      reason: 'closing down',
      start_at: '2190-01-01T00:00:00.000Z',
      due_at: '2190-02-01T00:00:00.000Z',
      restore_window_ms: 72 * 3_600_000,
    });
  });

  it.each([
    ['DELETE twice', undefined, undefined],
    ['DELETE, then POST without options', undefined, {}],
    ['the same options', { reason: 'closing down' }, { reason: 'closing down' }],
    ['the configured window, spelled out', {}, { restore_window: '1m' }],
    [
      'one time in two spellings',
      { start_at: '2190-01-01T00:00:00Z' },
      { start_at: '2190-01-01T01:00:00+01:00' },
    ],
  ])('gives the same job again for %s', async (_, first, second) => {
    await freshTenant();
    const one = first === undefined ? await remove() : await post(first);
    const other = second === undefined ? await remove() : await post(second);
    expect(other.status).toBe(202);
    expect(other.headers.location).toBe(one.headers.location);
    expect(other.body.job_id).toBe(one.body.job_id);
  });

  it('gives one job to many requests at once', async () => {
    await freshTenant();
    const answers = await Promise.all(Array.from({ length: 8 }, () => remove()));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([202]));
    expect(new Set(answers.map((answer) => answer.body.job_id)).size).toBe(1);
  });

  it('refuses other options while a job is open, and names that job', async () => {
    await freshTenant();
    const { job_id } = (await remove()).body;
    const answer = await post({ restore_window: '2h' });
    expect(answer).toMatchObject({ status: 409, body: { code: 'job_open', job_id, state: 'pending' } });
  });

  it('lets a request ask for a longer window and never for a shorter one', async () => {
    await freshTenant();
    const answer = await post({ restore_window: '59s' });
    expect(answer).toMatchObject({ status: 422, body: { code: 'option_unavailable' } });
    expect((await post({ restore_window: '61s' })).body).toMatchObject({ restore_window_ms: 61_000 });
  });

  it('answers 410 for a tenant that has been erased, to owner and operator', async () => {
    await freshTenant();
    const { job_id: jobId } = (await remove()).body;
    const epoch = await api.records.beginRun(jobId, 'run');
    await api.records.decideProceed(jobId);
    // The memberships go with the tenant, and its mark is left, before the job has ended.
    await api.pool.query('DELETE FROM tenant.tenant_members WHERE tenant_id = $1', [tenant]);
    await api.pool.query('DELETE FROM tenant.tenants WHERE id = $1', [tenant]);
    const mark = 'INSERT INTO lethe_tenant.tenant_tombstones (tenant_id, job_id) VALUES ($1, $2)';
    await api.pool.query(mark, [tenant, jobId]);
    expect(await api.ask('GET', `/api/v1/deletion-jobs/${jobId}`, owner)).toMatchObject({ status: 200 });
    expect(await remove()).toMatchObject({ status: 409, body: { code: 'past_pivot', job_id: jobId } });
    expect(await api.ask('POST', `/api/v1/deletion-jobs/${jobId}/cancel`, owner)).toMatchObject({
      status: 409,
      body: { code: 'past_pivot' },
    });

    await complete(api.records, jobId, { epoch, number: 1 });
    for (const token of [owner, operator]) {
      const path = `/api/v1/tenants/${tenant}`;
      expect(await api.ask('DELETE', path, token)).toMatchObject({
        status: 410,
        body: { code: 'already_erased' },
      });
      expect(await api.ask('GET', `${path}/deletion-preview`, token)).toMatchObject({ status: 410 });
      expect(await api.ask('GET', `/api/v1/deletion-jobs/${jobId}`, token)).toMatchObject({
        status: 200,
        body: { status: 'completed' },
      });
    }
    expect(await api.ask('POST', `/api/v1/deletion-jobs/${jobId}/cancel`, owner)).toMatchObject({
      status: 409,
      body: { code: 'job_ended', state: 'completed' },
    });
    const stranger = await api.users.token({ userId: await api.user() });
    expect(await api.ask('DELETE', `/api/v1/tenants/${tenant}`, stranger)).toMatchObject({ status: 403 });
  });

  it('answers 404 for an unknown tenant to staff, and 403 to others, and opens nothing', async () => {
    const unknown = randomUUID();
    const path = `/api/v1/tenants/${unknown}`;
    expect(await api.ask('DELETE', path, operator)).toMatchObject({
      status: 404,
      body: { code: 'tenant_unknown' },
    });
    expect(await api.ask('DELETE', path, owner)).toMatchObject({ status: 403 });
    expect(await api.records.openJobOf(unknown)).toBeNull();
  });

  it('knows a tenant whose UUID is written in upper case as the same tenant', async () => {
    await freshTenant();
    const { job_id } = (await remove()).body;
    const shouted = await remove(tenant.toUpperCase());
    expect(shouted).toMatchObject({ status: 202, body: { job_id, tenant_id: tenant } });
    const listed = await api.ask('GET', `/api/v1/deletion-jobs?tenant_id=${tenant.toUpperCase()}`, operator);
    expect(listed.body.jobs).toMatchObject([{ job_id }]);
    const job = await api.ask('GET', `/api/v1/deletion-jobs/${job_id.toUpperCase()}`, owner);
    expect(job).toMatchObject({ status: 200, body: { job_id } });
  });

  it('accepts the hash of the preview that was looked at, and no other', async () => {
    await freshTenant();
    const look = () => api.ask('GET', `/api/v1/tenants/${tenant}/deletion-preview`, owner);
    const { preview_hash } = (await look()).body;
    api.sales.rows.set(tenant, 5);
    const late = await post({ preview_hash });
    expect(late).toMatchObject({ status: 409, body: { code: 'preview_changed' } });
    expect(await api.records.openJobOf(tenant)).toBeNull();
    const answer = await post({ preview_hash: (await look()).body.preview_hash });
    expect(answer.status).toBe(202);
    // By now the rows may be staged and the preview empty; the request is the same all the same.
    api.sales.rows.set(tenant, 0);
    expect(await post({ preview_hash: answer.body.preview_hash })).toMatchObject({
      status: 202,
      body: { job_id: answer.body.job_id },
    });
  });

  it('does not take a preview on trust from a service that is silent', async () => {
    await freshTenant();
    api.sales.fault = new Error('the database is on fire');
    const answer = await post({ preview_hash: 'a'.repeat(64) });
    api.sales.fault = null;
    expect(answer).toMatchObject({ status: 503, body: { code: 'service_unavailable', service: 'sales' } });
    expect(await api.records.openJobOf(tenant)).toBeNull();
  });
});
