import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createServiceClient, type ServiceClient } from '../../../protocol/client.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import {
  askParticipant,
  createTestKeys,
  TEST_ISSUER,
  type TestPlatformKeys,
} from '../../support/service-server.js';
import { type SimpleParticipant, startSimpleParticipant } from '../../support/simple-participant/index.js';

let database: TestDatabase;
let issuer: TestPlatformKeys;
let loyalty: SimpleParticipant;
let client: ServiceClient;

beforeAll(async () => {
  [database, issuer] = await Promise.all([createTestDatabase({ template: 'empty' }), createTestKeys()]);
  loyalty = await startSimpleParticipant({
    databaseUrl: database.url,
    jwks: () => issuer.keys.jwks,
    issuer: TEST_ISSUER,
    name: 'loyalty',
  });
  client = createServiceClient({ service: loyalty.entry, tokenFor: (request) => issuer.issue(request) });
});
afterAll(async () => {
  await client?.close();
  await loyalty?.close();
  await database?.drop();
});

const tenantWith = async (cards: number) => {
  const id = randomUUID();
  await loyalty.insertCards(id, cards);
  return id;
};

describe('a participant that knows the protocol from its page alone', () => {
  it('imports nothing of ours', () => {
    const file = join(import.meta.dirname, '../../support/simple-participant/server.ts');
    const imported = [...readFileSync(file, 'utf8').matchAll(/from '([^']+)'/g)].map(([, name]) => name);
    expect(imported.sort()).toEqual(['jose', 'node:crypto', 'node:http', 'pg']);
  });

  it("is understood by the platform's client, in every call that it answers", async () => {
    const [tenant, neighbour] = [await tenantWith(5), await tenantWith(3)];
    const params = { tenant_id: tenant };
    const query = { job_id: randomUUID() };
    const manifest = await client.call('manifest', { params: {} });
    expect(manifest).toMatchObject({ service_name: 'loyalty', reversible: false });
    const preview = await client.call('preview', { params });
    expect(preview).toMatchObject({ total_rows: 5, reversible: false, plan_hash: manifest.plan_hash });
    expect(await client.call('verification', { params, query })).toMatchObject({
      clean: false,
      rows_left: 5,
    });

    const first = await client.call('deleteNow', { params, query });
    expect(first).toMatchObject({ success: true, deleted_counts: { 'loyalty.cards': 5 } });
    expect(await client.call('deleteNow', { params, query })).toEqual(first);
    expect(await client.call('verification', { params, query })).toMatchObject({
      clean: true,
      rows_left: 0,
      horizon: null,
      horizon_passed: true,
    });
    expect(await loyalty.countCards(neighbour)).toBe(3);
  });

  it('deletes once for many at once, and adds what has come since', async () => {
    const tenant = await tenantWith(40);
    const parts = { params: { tenant_id: tenant }, query: { job_id: randomUUID() } };
    const answers = await Promise.all(Array.from({ length: 6 }, () => client.call('deleteNow', parts)));
    expect(Math.max(...answers.map(({ deleted_counts }) => deleted_counts['loyalty.cards'] ?? 0))).toBe(40);
    await loyalty.insertCards(tenant, 2);
    expect((await client.call('deleteNow', parts)).deleted_counts).toEqual({ 'loyalty.cards': 42 });
  });

  it('does not stage, and says so', async () => {
    const parts = { params: { tenant_id: randomUUID(), job_id: randomUUID() } };
    await expect(client.call('status', parts)).rejects.toMatchObject({ code: 'route_unknown' });
    await expect(client.call('advance', { ...parts, body: { target: 'staged' } })).rejects.toMatchObject({
      code: 'route_unknown',
    });
  });

  it('deletes nothing without a token of exactly this deletion', async () => {
    const tenant = await tenantWith(2);
    const job = randomUUID();
    const target = { url: loyalty.url, name: 'loyalty', issuer };
    const path = `/tenant/${tenant}?job_id=${job}`;
    const right = { action: 'purged', tenantId: tenant, jobId: job } as const;
    const refused = [
      [401, null],
      [401, 'hello'],
      [401, await issuer.issue({ audience: 'orders', ...right })],
      [403, { ...right, action: 'staged' }],
      [403, { ...right, action: 'preview' }],
      [403, { ...right, tenantId: randomUUID() }],
      [403, { ...right, jobId: randomUUID() }],
      [403, { action: 'purged', tenantId: tenant }],
    ] as const;
    for (const [status, token] of refused) {
      const answer = await askParticipant(target, 'DELETE', path, { token });
      expect([answer.status, answer.body?.status]).toEqual([status, status]);
    }
    expect((await askParticipant(target, 'DELETE', `/tenant/${tenant}`, { token: right })).status).toBe(422);
    expect(await loyalty.countCards(tenant)).toBe(2);
    expect((await askParticipant(target, 'DELETE', path, { token: right })).status).toBe(200);
    expect(await loyalty.countCards(tenant)).toBe(0);
  });
});
