/** A participant that can only preview, delete and verify: asked before, called after the pivot until it has deleted. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type FaultyProxy, startFaultyProxy } from '../../support/faulty-proxy.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { openTestSaga, type TestSaga } from '../../support/saga.js';
import { createTestKeys, TEST_ISSUER } from '../../support/service-server.js';
import { type SimpleParticipant, startSimpleParticipant } from '../../support/simple-participant/index.js';

let saga: TestSaga;
let database: TestDatabase;
let loyalty: SimpleParticipant;
let proxy: FaultyProxy;

beforeAll(async () => {
  const keys = await createTestKeys();
  database = await createTestDatabase({ template: 'empty' });
  loyalty = await startSimpleParticipant({
    databaseUrl: database.url,
    jwks: keys.keys.jwks,
    issuer: TEST_ISSUER,
    name: 'loyalty',
  });
  proxy = await startFaultyProxy(loyalty.url);
  saga = await openTestSaga({
    directory: false,
    keys,
    extra: [{ ...loyalty.entry, url: proxy.url }],
    settings: { giveUpAfterMs: 30_000 },
  });
  await saga.startWorker();
});
afterAll(async () => {
  await saga?.close();
  await proxy?.close();
  await loyalty?.close();
  await database?.drop();
});
afterEach(async () => {
  proxy.fault = null;
  saga.settle();
  expect(await loyalty.countCards(saga.bystander)).toBe(5);
});

it('deletes there once nobody can go back any more', async () => {
  await loyalty.insertCards(saga.bystander, 5);
  const tenantId = saga.tenant();
  await loyalty.insertCards(tenantId, 4);
  const job = await saga.request(tenantId, {}, 3_000);
  await saga.until(job, ({ phase }) => phase === 'window');
  expect(await loyalty.countCards(tenantId)).toBe(4);
  const ended = await saga.untilEnded(job);
  expect(ended.status).toBe('completed');
  expect(ended.services.find(({ name }) => name === 'loyalty')).toMatchObject({
    reversible: false,
    state: 'purged',
    stage_requested_at: null,
    counts: [{ table: 'loyalty.cards', rows: 4 }],
  });
  expect(await loyalty.countCards(tenantId)).toBe(0);
  saga.expectGone(tenantId);
});

it('is not asked to delete where another service brings everything back', async () => {
  const tenantId = saga.tenant();
  await loyalty.insertCards(tenantId, 4);
  saga.proxy('sales').fault = ({ target }) =>
    target === 'staged' ? { status: 409, code: 'privilege_missing' } : null;
  expect(await saga.untilEnded(await saga.request(tenantId))).toMatchObject({ status: 'compensated' });
  expect(await loyalty.countCards(tenantId)).toBe(4);
  saga.expectUntouched(tenantId);
});

it('is called until it has deleted, and counted once although its answer was lost', async () => {
  const tenantId = saga.tenant();
  await loyalty.insertCards(tenantId, 4);
  let calls = 0;
  proxy.fault = ({ method }) => {
    if (method !== 'DELETE') return null;
    calls += 1;
    return calls === 1 ? { status: 500 } : calls === 2 ? 'lost' : null;
  };
  const ended = await saga.untilEnded(await saga.request(tenantId));
  expect(ended).toMatchObject({ status: 'completed', rows_deleted: 9 });
  expect(calls).toBe(3);
  expect(await loyalty.countCards(tenantId)).toBe(0);
  saga.expectGone(tenantId);
});
