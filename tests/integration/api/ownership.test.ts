import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openTestApi, type TestApi } from '../../support/api.js';

describe('ownership and memberships', () => {
  let api: TestApi;
  let operator: string;
  let ownerId: string;
  let heirId: string;
  let owner: string;
  let tenant: string;

  beforeAll(async () => {
    api = await openTestApi();
    operator = await api.users.token({ userId: await api.user(), roles: ['operator'] });
  });
  beforeEach(async () => {
    ownerId = await api.user();
    heirId = await api.user();
    owner = await api.users.token({ userId: ownerId });
    tenant = await api.tenant({ [ownerId]: 'owner', [heirId]: 'member' });
  });
  afterAll(() => api.close());

  const transfer = (to: string, token = owner) =>
    api.ask('POST', `/api/v1/tenants/${tenant}/transfer-ownership`, token, { new_owner_user_id: to });
  const leave = (user: string, query = '', token = operator) =>
    api.ask('DELETE', `/api/v1/tenants/user/${user}/memberships${query}`, token);
  async function roles(): Promise<Record<string, string>> {
    const { rows } = await api.pool.query<{ user_id: string; role: string }>(
      'SELECT user_id, role FROM tenant.tenant_members WHERE tenant_id = $1',
      [tenant],
    );
    return Object.fromEntries(rows.map(({ user_id, role }) => [user_id, role]));
  }
  const openDeletion = async () =>
    (
      await api.ask('POST', `/api/v1/tenants/${tenant}/deletion-jobs`, operator, {
        start_at: '2190-01-01T00:00:00Z',
      })
    ).body.job_id as string;

  it('hands a tenant over: one owner before, one after, and the new one may act', async () => {
    const answer = await transfer(heirId);
    expect(answer.status).toBe(200);
    expect(answer.body.admins).toContainEqual(expect.objectContaining({ user_id: heirId, role: 'owner' }));
    expect(Object.values(await roles()).filter((role) => role === 'owner')).toHaveLength(1);
    const heir = await api.users.token({ userId: heirId });
    expect(await api.ask('GET', `/api/v1/tenants/${tenant}/admins`, heir)).toMatchObject({ status: 200 });
    expect(await transfer(ownerId, owner)).toMatchObject({ status: 403 });
    const { rows } = await api.pool.query(
      `SELECT details FROM lethe_records.audit_events WHERE action = 'ownership transferred' AND tenant_id = $1`,
      [tenant],
    );
    // By pseudonym, which the page of the trail leads back to the user.
    const [{ details }] = rows;
    expect(Object.keys(details)).toEqual(['new_owner']);
    const { people } = await api.records.auditPage({ tenantId: tenant, limit: 10 });
    expect(people[details.new_owner]).toBe(heirId);
  });

  it('hands nothing to somebody who is no member', async () => {
    const before = await roles();
    expect(await transfer(randomUUID())).toMatchObject({ status: 404, body: { code: 'user_unknown' } });
    expect(await transfer(await api.user())).toMatchObject({ status: 409, body: { code: 'not_a_member' } });
    expect(await roles()).toEqual(before);
  });

  it('changes no owner while a deletion is open, whoever asks, and again when it has ended', async () => {
    const jobId = await openDeletion();
    const before = await roles();
    for (const token of [owner, operator]) {
      expect(await transfer(heirId, token)).toMatchObject({
        status: 409,
        body: { code: 'deletion_open', job_id: jobId },
      });
    }
    expect(await leave(ownerId, `?transfer_ownership_to=${heirId}`)).toMatchObject({
      status: 409,
      body: { code: 'deletion_open', tenant_ids: [tenant] },
    });
    expect(await roles()).toEqual(before);
    await api.ask('POST', `/api/v1/deletion-jobs/${jobId}/cancel`, owner);
    const epoch = await api.records.beginRun(jobId, 'run');
    await api.records.endJob(jobId, { epoch, number: 1 }, 'cancelled', 'as asked');
    expect(await transfer(heirId)).toMatchObject({ status: 200 });
  });

  it('lets a mere member leave while a deletion is open', async () => {
    await openDeletion();
    const heir = await api.users.token({ userId: heirId });
    expect(await leave(heirId, '', heir)).toMatchObject({
      status: 200,
      body: { removed: [{ tenant_id: tenant }] },
    });
    expect(await roles()).toEqual({ [ownerId]: 'owner' });
  });

  it('removes no only owner, and names the tenants; with an heir in the same request it does', async () => {
    const before = await roles();
    expect(await leave(ownerId)).toMatchObject({
      status: 409,
      body: { code: 'sole_owner', tenant_ids: [tenant] },
    });
    expect(await roles()).toEqual(before);
    const answer = await leave(ownerId.toUpperCase(), `?transfer_ownership_to=${heirId}`, owner);
    expect(answer).toMatchObject({
      status: 200,
      body: { user_id: ownerId, transferred: [{ tenant_id: tenant, new_owner_user_id: heirId }] },
    });
    expect(await roles()).toEqual({ [heirId]: 'owner' });
  });

  it('says 404 of a tenant that is none', async () => {
    expect(await api.ask('GET', `/api/v1/tenants/${randomUUID()}/admins`, operator)).toMatchObject({
      status: 404,
      body: { code: 'tenant_unknown' },
    });
  });
});
