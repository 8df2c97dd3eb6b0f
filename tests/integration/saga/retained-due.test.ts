/** Retained rows whose date has come: what the platform asks of services, and what it writes down of their answers. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTokenGiver } from '../../../activities/index.js';
import { createRetained } from '../../../activities/retained.js';
import { createServiceClient, type ServiceClient } from '../../../protocol/client.js';
import { Problem } from '../../../protocol/problems.js';
import type { ErasedDue } from '../../../protocol/retained.js';
import type { Participant } from '../../../services/http/participant.js';
import { playedParticipant } from '../../support/played-participant.js';
import { createTestKeys, serveParticipant, type TestService } from '../../support/service-server.js';
import { OPERATOR, openTestRecords, type TestRecords } from '../records/support.js';

let test: TestRecords;
let served: TestService[];
let clients: ServiceClient[];
const gone = randomUUID();
const held = randomUUID();
const job = randomUUID();
/** What orders was asked, and what it answers from then on. */
const asked: { run_id: string; before: string; except_tenants: string[] }[] = [];
let answers: (ErasedDue | Problem)[] = [];
const line = (tenant_id: string, rows: number) => ({
  tenant_id,
  job_id: job,
  table: 'orders.invoices',
  ground: 'tax law',
  rows,
});

beforeAll(async () => {
  test = await openTestRecords();
  const keys = await createTestKeys();
  const orders: Participant = {
    ...playedParticipant('orders'),
    calls: {
      eraseDue: async ({ body: { run_id, before, except_tenants } }) => {
        asked.push({ run_id, before, except_tenants });
        const answer = answers.shift();
        if (answer === undefined || answer instanceof Problem) throw answer ?? new Error('Asked too often.');
        return answer;
      },
    },
  };
  served = await Promise.all([orders, playedParticipant('simple')].map((one) => serveParticipant(one, keys)));
  const tokenFor = createTokenGiver({ records: test.records, issuer: keys });
  clients = served.map(({ name, url }) =>
    createServiceClient({ service: { name, url, role: 'participant' }, tokenFor }),
  );
});
afterAll(async () => {
  await Promise.all([...(clients ?? []), ...(served ?? [])].map((one) => one.close()));
  await test?.close();
});

const run = (runId: string) =>
  createRetained({ records: test.records, services: clients, settings: { timeoutMs: 5_000 } })({
    cursor: null,
    runId,
    dueAt: new Date('2036-01-01T00:00:00Z'),
    signal: new AbortController().signal,
  });
const told = async () =>
  (
    await test.superuser.query<{ details: { rows: number } }>(
      `SELECT details FROM lethe_records.audit_events WHERE action = 'retained rows erased' AND tenant_id = $1 ORDER BY event_id`,
      [gone],
    )
  ).rows.map(({ details }) => details);

it('are erased until no more is due, but for who is on hold, and told once', async () => {
  await test.records.placeHold(held, 'a lawsuit', OPERATOR, true);
  const runId = randomUUID();
  const answer = { service_name: 'orders', held: 4 };
  const whole = { ...answer, erased: [line(gone, 7)], more: false };
  answers = [{ ...answer, erased: [line(gone, 5)], more: true }, whole];
  const expected = { services: 2, rows: 7, held: 4, failed: 0 };
  expect(await run(runId)).toEqual({ outcome: expected, cursor: null });
  const request = { run_id: runId, before: '2036-01-01T00:00:00.000Z', except_tenants: [held] };
  expect(asked.splice(0)).toEqual([request, request]);
  const entry = {
    service: 'orders',
    job_id: job,
    table: 'orders.invoices',
    ground: 'tax law',
    rows: 7,
    run_id: runId,
  };
  expect(await told()).toEqual([entry]);

  // The worker died after the answer: the same run asks again, and is told the same.
  answers = [whole];
  expect((await run(runId)).outcome).toEqual(expected);
  expect(await told()).toEqual([entry]);
  // Another run is another matter.
  answers = [{ ...answer, erased: [line(gone, 1)], more: false }];
  await run(randomUUID());
  expect((await told()).map(({ rows }) => rows)).toEqual([7, 1]);
});

it('stay where a service cannot do it, which is said', async () => {
  answers = [new Problem('database_busy', 'A lock is in the way.')];
  expect((await run(randomUUID())).outcome).toEqual({ services: 2, rows: 0, held: 0, failed: 1 });
});
