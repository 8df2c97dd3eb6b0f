import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Problem } from '../../../protocol/problems.js';
import { openTestApi, type TestApi } from '../../support/api.js';

describe('a company without a tenant directory', () => {
  let api: TestApi;
  let operator: string;
  const tenant = 'bäckerei müller/1';
  const address = `/api/v1/tenants/${encodeURIComponent(tenant)}`;

  beforeAll(async () => {
    api = await openTestApi({ directory: false, tenantKeySecret: 'a secret of at least 32 characters' });
    operator = await api.users.token({ userId: 'operator-1', roles: ['operator'] });
    api.orders.rows.set(tenant, 2);
  });
  afterAll(() => api.close());

  it('takes the roles from the token', async () => {
    const owner = await api.users.token({ userId: 'o-1', tenants: { [tenant]: 'owner' } });
    const admin = await api.users.token({ userId: 'a-1', tenants: { [tenant]: 'admin' } });
    const other = await api.users.token({ userId: 'x-1', tenants: { another: 'owner' } });
    expect(await api.ask('DELETE', address, other)).toMatchObject({ status: 403 });
    expect(await api.ask('DELETE', address, admin)).toMatchObject({ status: 403 });
    expect(await api.ask('GET', `${address}/deletion-preview`, admin)).toMatchObject({
      status: 200,
      body: { tenant_id: tenant, total_rows: 2 },
    });
    expect(await api.ask('DELETE', address, owner)).toMatchObject({
      status: 202,
      body: { tenant_id: tenant },
    });
  });

  it('takes a preview of zero rows everywhere for a wrong id', async () => {
    for (const [method, path] of [
      ['DELETE', '/api/v1/tenants/bakery'],
      ['GET', '/api/v1/tenants/bakery/deletion-preview'],
    ] as const) {
      expect(await api.ask(method, path, operator)).toMatchObject({
        status: 404,
        body: { code: 'tenant_unknown' },
      });
    }
    expect(await api.records.openJobOf('bakery')).toBeNull();
  });

  it('does not call a tenant unknown while a service is silent, and opens a job where another has rows', async () => {
    api.sales.fault = new Error('away');
    const nobody = await api.ask('DELETE', '/api/v1/tenants/bakery', operator);
    const somebody = await api.ask('DELETE', address, operator);
    api.sales.fault = null;
    expect(nobody).toMatchObject({ status: 503, body: { code: 'service_unavailable', service: 'sales' } });
    expect(somebody).toMatchObject({ status: 202 });
  });

  it('knows the open job while the rows are staged and no preview shows any', async () => {
    const before = await api.records.openJobOf(tenant);
    api.orders.rows.set(tenant, 0);
    expect(await api.ask('DELETE', address, operator)).toMatchObject({
      status: 202,
      body: { job_id: before?.job_id },
    });
    expect(await api.ask('GET', `${address}/deletion-preview`, operator)).toMatchObject({
      status: 200,
      body: { total_rows: 0 },
    });
  });

  it('lets the engines decide which ids are any', async () => {
    api.orders.fault = new Problem('validation_failed', 'invalid input syntax for type integer: "bakery"');
    const answers = [
      await api.ask('DELETE', '/api/v1/tenants/bakery', operator),
      await api.ask('GET', '/api/v1/tenants/bakery/deletion-preview', operator),
    ];
    api.orders.fault = null;
    for (const answer of answers) {
      expect(answer).toMatchObject({
        status: 422,
        body: { code: 'validation_failed', errors: [{ path: 'params.tenant_id' }] },
      });
    }
  });

  it('has no ownership to change', async () => {
    const body = { new_owner_user_id: '0190b0a4-0000-7000-8000-000000000001' };
    expect(await api.ask('POST', `${address}/transfer-ownership`, operator, body)).toMatchObject({
      status: 409,
    });
    const other = '/api/v1/tenants/another';
    expect(await api.ask('POST', `${other}/transfer-ownership`, operator, body)).toMatchObject({
      status: 422,
      body: { code: 'option_unavailable' },
    });
    expect(await api.ask('GET', `${other}/admins`, operator)).toMatchObject({ status: 422 });
  });
});
