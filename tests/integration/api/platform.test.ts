import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { servicesView } from '../../../protocol/platform.js';
import { Problem } from '../../../protocol/problems.js';
import { openTestApi, type TestApi } from '../../support/api.js';

describe('what the API says of the platform', () => {
  let api: TestApi;
  let operator: string;
  let tenant: string;

  beforeAll(async () => {
    api = await openTestApi();
    operator = await api.users.token({ userId: await api.user(), roles: ['operator'] });
    tenant = await api.tenant({ [await api.user()]: 'owner' });
  });
  afterAll(() => api.close());

  it('shows every service: reachable, token accepted, ready, and its manifest', async () => {
    const { status, body } = await api.ask('GET', '/api/v1/services', operator);
    expect(status).toBe(200);
    const { services } = servicesView.parse(body);
    expect(services.map(({ name, role }) => ({ name, role }))).toEqual([
      { name: 'orders', role: 'participant' },
      { name: 'sales', role: 'participant' },
      { name: 'tenant', role: 'tenant_directory' },
    ]);
    for (const service of services) {
      expect(service).toMatchObject({ reachable: true, token_accepted: true, ready: true, error: null });
      expect(service.manifest?.tables.length).toBeGreaterThan(0);
    }
  });

  it('names a service that is ill, and shows the others all the same', async () => {
    api.sales.fault = new Problem('database_unavailable', 'The database cannot be reached.');
    const { services } = servicesView.parse((await api.ask('GET', '/api/v1/services', operator)).body);
    const preview = await api.ask('GET', `/api/v1/tenants/${tenant}/deletion-preview`, operator);
    api.sales.fault = null;
    expect(services.find((service) => service.name === 'sales')).toMatchObject({
      ready: false,
      manifest: null,
      error: { code: 'database_unavailable' },
    });
    expect(services.find((service) => service.name === 'orders')).toMatchObject({ ready: true, error: null });

    expect(preview).toMatchObject({ status: 200, body: { preview_hash: null } });
    expect(preview.body.services).toMatchObject([
      { name: 'orders', preview: { total_rows: 3 }, error: null },
      { name: 'sales', preview: null, error: { code: 'database_unavailable' } },
      { name: 'tenant', error: null },
    ]);
  });

  it('adds previews up, and changes the hash with the rows alone', async () => {
    const look = async () =>
      (await api.ask('GET', `/api/v1/tenants/${tenant}/deletion-preview`, operator)).body;
    const first = await look();
    // Three and four at the participants, the tenant and its membership at the directory.
    expect(first).toMatchObject({ tenant_id: tenant, total_rows: 9, reversible: true });
    expect((await look()).preview_hash).toBe(first.preview_hash);
    api.orders.rows.set(tenant, 8);
    const later = await look();
    api.orders.rows.set(tenant, 3);
    expect(later.total_rows).toBe(14);
    expect(later.preview_hash).not.toBe(first.preview_hash);
    expect((await look()).preview_hash).toBe(first.preview_hash);
  });

  it('publishes the public keys of service tokens and nothing private', async () => {
    const { body } = await api.ask('GET', '/.well-known/jwks.json', null);
    expect(body).toEqual(api.services[0]?.issuer.keys.jwks);
    // A key that signs certificates or heads of the trail is none that a token is accepted by.
    for (const purpose of ['certificate', 'records']) {
      const apart = await api.ask('GET', `/.well-known/${purpose}-keys.json`, null);
      expect(apart).toMatchObject({ status: 200, body: { keys: [] } });
    }
    expect(JSON.stringify(body)).not.toContain('"d"');
  });

  it('describes every call in OpenAPI, with fields and answers, and has a page for it', async () => {
    const { body } = await api.ask('GET', '/openapi.json', null);
    expect(body.openapi).toBe('3.1.0');
    expect(Object.keys(body.paths).sort()).toEqual([
      '/api/v1/audit',
      '/api/v1/audit/export',
      '/api/v1/audit/heads',
      '/api/v1/deletion-jobs',
      '/api/v1/deletion-jobs/halt',
      '/api/v1/deletion-jobs/replay',
      '/api/v1/deletion-jobs/resume',
      '/api/v1/deletion-jobs/{job_id}',
      '/api/v1/deletion-jobs/{job_id}/approve',
      '/api/v1/deletion-jobs/{job_id}/cancel',
      '/api/v1/deletion-jobs/{job_id}/certificate',
      '/api/v1/deletion-jobs/{job_id}/export',
      '/api/v1/deletion-jobs/{job_id}/reject',
      '/api/v1/deletion-jobs/{job_id}/replay',
      '/api/v1/deletion-jobs/{job_id}/reschedule',
      '/api/v1/erased-tenants',
      '/api/v1/erased-tenants/export',
      '/api/v1/erased-tenants/import',
      '/api/v1/erased-tenants/{tenant_id}',
      '/api/v1/erased-tenants/{tenant_id}/check',
      '/api/v1/housekeeping',
      '/api/v1/legal-holds/{hold_id}',
      '/api/v1/notifications/undelivered',
      '/api/v1/people/{user_id}',
      '/api/v1/retained',
      '/api/v1/retained/export',
      '/api/v1/services',
      '/api/v1/services/{name}/reapply',
      '/api/v1/services/{name}/waive',
      '/api/v1/services/{name}/waive/{waiver_id}/approve',
      '/api/v1/services/{name}/waive/{waiver_id}/withdraw',
      '/api/v1/tenants/user/{user_id}/memberships',
      '/api/v1/tenants/{tenant_id}',
      '/api/v1/tenants/{tenant_id}/admins',
      '/api/v1/tenants/{tenant_id}/deletion-jobs',
      '/api/v1/tenants/{tenant_id}/deletion-preview',
      '/api/v1/tenants/{tenant_id}/legal-holds',
      '/api/v1/tenants/{tenant_id}/tombstone-release',
      '/api/v1/tenants/{tenant_id}/tombstone-release/approve',
      '/api/v1/tenants/{tenant_id}/transfer-ownership',
      '/readyz',
    ]);
    const request = body.paths['/api/v1/tenants/{tenant_id}/deletion-jobs'].post;
    const fields = JSON.stringify(request.requestBody);
    for (const option of [
      'reason',
      'start_at',
      'restore_window',
      'require_approval',
      'preview_hash',
      'due_at',
    ]) {
      expect(fields).toContain(`"${option}"`);
    }
    expect(Object.keys(request.responses)).toEqual(['202', 'default']);
    const page = await api.ask('GET', '/docs/', null);
    expect(page).toMatchObject({ status: 200 });
    expect(page.headers['content-security-policy']).toContain("'self'");
  });

  it('counts requests by route and status, without a tenant in any label', async () => {
    await api.ask('GET', `/api/v1/tenants/${tenant}/deletion-preview`, operator);
    const { body } = await api.ask('GET', '/metrics', null);
    expect(body).toContain('route="/api/v1/tenants/:tenant_id/deletion-preview",status="200"');
    expect(body).not.toContain(tenant);
  });
});

describe('too many requests', () => {
  it('are 429 with the time to wait, for health checks never', async () => {
    const api = await openTestApi({ directory: false, settings: { rateLimitPerMinute: 3 } });
    const answers = [];
    for (let asked = 0; asked < 5; asked += 1)
      answers.push(await api.ask('GET', '/api/v1/deletion-jobs', null));
    expect(answers.map((answer) => answer.status)).toEqual([401, 401, 401, 429, 429]);
    expect(answers[4]).toMatchObject({ body: { code: 'rate_limited' } });
    expect(Number(answers[4]?.headers['retry-after'])).toBeGreaterThan(0);
    expect((await api.ask('GET', '/nowhere', null)).status).toBe(429);
    expect((await api.ask('GET', '/healthz', null)).status).toBe(200);
    await api.close();
  });
});
