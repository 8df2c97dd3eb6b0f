/** What becomes of jobs is told, in order, also to a receiver that was away; waivers take two people. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createNotifier, type Notifier, retryAfter } from '../../../records/notifier.js';
import { until } from '../../support/conditions.js';
import {
  ended,
  expectProblem,
  OPERATOR,
  OWNER,
  open,
  openTestRecords,
  SAGA,
  staged,
  type TestRecords,
} from './support.js';

const SECRET = 'a secret of thirty-two characters';
const APPROVER = { kind: 'user', id: randomUUID(), role: 'approver' } as const;
let test: TestRecords;
beforeAll(async () => {
  test = await openTestRecords();
});
afterAll(() => test?.close());

describe('notices', () => {
  let receiver: Server;
  let answer: (request: { url: string }) => { status: number; headers?: Record<string, string> };
  let got: { body: string; headers: IncomingHttpHeaders; url: string }[];
  let url: string;
  const notifiers: Notifier[] = [];

  const notifier = (to: string | string[] = url, timeoutMs = 10_000, more: object = {}) => {
    const made = createNotifier({
      records: test.records,
      receivers: { urls: Array.isArray(to) ? to : [to], secret: SECRET },
      publicKeyOf: (tenantId) => {
        if (tenantId === 'Bakery Ltd') throw new Error('no secret');
        return tenantId;
      },
      timeoutMs,
      logger: { info: () => undefined, warn: () => undefined },
      ...more,
    });
    notifiers.push(made);
    return made;
  };
  const dueNow = () =>
    test.superuser.query('UPDATE lethe_records.notices SET next_at = now() WHERE delivered_at IS NULL');
  const told = (jobId: string) =>
    got
      .map(({ body }) => JSON.parse(body) as { type: string; data: Record<string, unknown> })
      .filter(({ data }) => data.job_id === jobId)
      .map(({ type, data }) => `${type} ${data.status} ${data.waiting_for ?? ''}`.trim());

  beforeAll(async () => {
    receiver = createServer((request, response) => {
      let body = '';
      request.on('data', (part: Buffer) => {
        body += part.toString();
      });
      request.on('end', () => {
        const { status, headers = {} } = answer({ url: request.url ?? '' });
        if (status === 0) return;
        if (status < 300) got.push({ body, headers: request.headers, url: request.url ?? '' });
        response.writeHead(status, headers).end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  });
  afterAll(() => {
    receiver?.closeAllConnections();
    receiver?.close();
  });
  beforeEach(async () => {
    got = [];
    answer = () => ({ status: 204 });
    await test.superuser.query('DELETE FROM lethe_records.notices');
  });
  afterEach(async () => {
    await Promise.all(notifiers.splice(0).map((one) => one.stop()));
  });

  /** A job that waited, needed somebody, and was cancelled. */
  async function eventful(): Promise<string> {
    const { job_id: jobId } = await staged(test.records, { tenantId: randomUUID() });
    const epoch = await test.records.beginRun(jobId, `run-${jobId}`);
    const waits = (kind: 'window' | 'hold') => ({
      kind,
      since: '2026-01-01T00:00:00Z',
      until: null,
      who_can_act: 'somebody',
      next_action: 'something',
    });
    const show = (number: number, patch: object) => test.records.updateJob(jobId, { epoch, number }, patch);
    await show(1, { status: 'waiting', phase: 'window', waitingFor: waits('window') });
    await show(2, { status: 'waiting', waitingFor: { ...waits('window'), since: '2026-01-02T00:00:00Z' } });
    await show(3, { status: 'waiting', waitingFor: waits('hold') });
    await show(4, { status: 'needs_attention', waitingFor: null });
    await test.records.decideAbort(jobId, 'cancel', OWNER);
    await test.records.endJob(jobId, { epoch, number: 5 }, 'cancelled', 'Cancelled by somebody with a name.');
    return jobId;
  }
  const STORY = [
    'deletion_job.waiting waiting window',
    'deletion_job.waiting waiting hold',
    'deletion_job.needs_attention needs_attention',
    'deletion_job.status_changed compensating',
    'deletion_job.ended cancelled',
  ];

  it('of a job come once each and in their order, signed, with nothing personal', async () => {
    const jobId = await eventful();
    expect(await notifier().runOnce()).toBe(STORY.length);
    expect(told(jobId)).toEqual(STORY);
    const [first] = got;
    const verified = new Webhook(SECRET, { format: 'raw' }).verify(
      first?.body ?? '',
      first?.headers as Record<string, string>,
    );
    expect(Object.keys((verified as { data: object }).data).sort()).toEqual(
      ['job_id', 'phase', 'status', 'tenant', 'waiting_for'].sort(),
    );
    expect(() =>
      new Webhook('another secret of 32 characters!', { format: 'raw' }).verify(
        first?.body ?? '',
        first?.headers as Record<string, string>,
      ),
    ).toThrow();
    expect(got.map(({ body }) => body).join()).not.toContain('somebody');
    expect(await notifier().runOnce()).toBe(0);
  });

  it('wait for a receiver that is away, none is lost, and those of a job keep their order', async () => {
    const jobs = [await eventful(), await eventful()];
    const away = notifier('http://127.0.0.1:9/hook');
    expect(await away.runOnce()).toBe(0);
    // Not again at once: each attempt waits longer.
    expect(await away.runOnce()).toBe(0);
    const { rows } = await test.superuser.query(
      "SELECT attempts, last_error, next_at > now() + interval '3 s' AS later FROM lethe_records.notices ORDER BY notice_id",
    );
    expect(rows.filter(({ attempts }) => attempts === 1)).toHaveLength(2);
    expect(rows[0]).toMatchObject({ last_error: 'ECONNREFUSED', later: true });
    expect(await test.records.undeliveredNotices(50)).toHaveLength(2 * STORY.length);
    // It is there, but broken: what it refuses stays, and so does what comes after.
    answer = () => ({ status: 500 });
    await dueNow();
    expect(await notifier().runOnce()).toBe(0);
    // An hour later.
    answer = () => ({ status: 200 });
    await dueNow();
    expect(await notifier().runOnce()).toBe(2 * STORY.length);
    for (const jobId of jobs) expect(told(jobId)).toEqual(STORY);
    expect(await test.records.undeliveredNotices(50)).toEqual([]);
  });

  it('go to each of several receivers at its own pace, whatever the others do, in order and once', async () => {
    const jobId = await eventful();
    const { host } = new URL(url);
    const both = [`${url}/away?token=hidden`, `${url}/there`];
    answer = ({ url: path }) => ({ status: path.startsWith('/hook/away') ? 503 : 204 });
    expect(await notifier(both).runOnce()).toBe(STORY.length);
    expect(told(jobId)).toEqual(STORY);
    expect(got.every((one) => one.url === '/hook/there')).toBe(true);
    const left = await test.records.undeliveredNotices(50);
    expect(left.map(({ receiver: name, attempts }) => [name, attempts])).toEqual([
      ...STORY.slice(1).map(() => [host, 0]),
      [host, 1],
    ]);
    const ids = got.map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(STORY.length);
    expect(left.map((one) => one.message_id).reverse()).toEqual(ids);

    got = [];
    answer = () => ({ status: 204 });
    await dueNow();
    expect(await notifier(both).runOnce()).toBe(STORY.length);
    expect(told(jobId)).toEqual(STORY);
    expect(got.every((one) => one.url.startsWith('/hook/away'))).toBe(true);
    expect(await test.records.undeliveredNotices(50)).toEqual([]);
    // Whom nobody has configured any more is not told, and does not keep the others.
    answer = () => ({ status: 503 });
    await open(test.records);
    await eventful();
    await notifier(both).runOnce();
    answer = () => ({ status: 204 });
    await dueNow();
    got = [];
    expect(await notifier([`${url}/away`]).runOnce()).toBe(STORY.length);
    expect(new Set((await test.records.undeliveredNotices(50)).map((one) => one.receiver))).toEqual(
      new Set([`${host} 2`]),
    );
  });

  it('follow no redirect, wait for no answer for long, and are claimed by one at a time', async () => {
    await open(test.records);
    await test.records.tell({
      kind: 'tenant.rows_came_back',
      jobId: null,
      tenantId: 'Bakery Ltd',
      facts: { rows: 3 },
    });
    answer = () => ({ status: 302, headers: { location: '/elsewhere' } });
    expect(await notifier().runOnce()).toBe(0);
    answer = () => ({ status: 0 });
    await dueNow();
    expect(await notifier(url, 300).runOnce()).toBe(0);
    expect((await test.records.undeliveredNotices(1))[0]).toMatchObject({
      attempts: 2,
      last_error: 'no answer within 300 ms',
    });
    await dueNow();
    const both = await Promise.all([test.records.dueNotices(9, 60_000), test.other.dueNotices(9, 60_000)]);
    expect(both.flat()).toHaveLength(1);
    await dueNow();
    answer = () => ({ status: 200 });
    await notifier().runOnce();
    expect(got.map((one) => one.url)).toEqual(['/hook']);
    expect(JSON.parse(got[0]?.body ?? '{}')).toMatchObject({
      type: 'tenant.rows_came_back',
      data: { job_id: null, tenant: null, rows: 3 },
    });
    expect(await test.records.forgetNotices(0)).toBeGreaterThan(0);
  });

  it('are told by one process at a time, by itself, and by the next one when that stops', async () => {
    const quick = { records: test.records, everyMs: 20 };
    const [first, second] = [
      notifier(url, 10_000, quick),
      notifier(url, 10_000, { ...quick, records: test.other }),
    ];
    first.start();
    const one = await eventful();
    await until(async () => told(one).length === STORY.length);
    expect(await second.runOnce()).toBeNull();
    await first.stop();
    const other = await eventful();
    expect(await second.runOnce()).toBe(STORY.length);
    expect([told(one), told(other)]).toEqual([STORY, STORY]);
  });

  it('are given up after days, and then the next one may go', async () => {
    const total = Array.from({ length: 200 }, (_, place) => retryAfter(place + 1) ?? 0);
    expect(total.reduce((sum, one) => sum + one, 0)).toBeGreaterThan(4 * 24 * 3_600_000);
    expect(retryAfter(200)).toBeNull();
    const jobId = await eventful();
    await test.superuser.query(
      'UPDATE lethe_records.notices SET attempts = 500 WHERE notice_id = (SELECT min(notice_id) FROM lethe_records.notices)',
    );
    answer = () => ({ status: 500 });
    await notifier().runOnce();
    answer = () => ({ status: 200 });
    await dueNow();
    await notifier().runOnce();
    expect(told(jobId)).toEqual(STORY.slice(1));
    expect(await test.records.undeliveredNotices(5)).toMatchObject([{ next_at: null, attempts: 501 }]);
  });
});

describe('a waiver', () => {
  const ask = (jobId: string | null, service = 'orders') =>
    test.records.requestWaiver({ service, jobId, reason: 'It is gone.', actor: OPERATOR });

  it('counts for nothing until somebody else has approved it, and nobody can approve their own', async () => {
    const job = await staged(test.records);
    const waiver = await ask(job.job_id);
    expect(await test.records.useWaiver(job.job_id, 'orders', 'purge')).toBeNull();
    await expectProblem(
      test.records.approveWaiver('orders', waiver.waiver_id, OPERATOR),
      'approver_is_requester',
    );
    await expect(
      test.superuser.query(
        'UPDATE lethe_records.service_waivers SET approved_by = requested_by, approved_at = now()',
      ),
    ).rejects.toThrow('two_people');
    await expectProblem(test.records.approveWaiver('sales', waiver.waiver_id, APPROVER), 'waiver_unknown');
    await test.records.approveWaiver('orders', waiver.waiver_id, APPROVER);
    const other = await open(test.records);
    expect(await test.records.waivedFor(job.job_id, ['orders', 'sales'])).toEqual(['orders']);
    expect(await test.records.waivedFor(other.job_id, ['orders'])).toEqual([]);
    expect(await test.records.useWaiver(other.job_id, 'orders', 'purge')).toBeNull();
    const uses = await Promise.all(
      [test.records, test.other, test.records].map((one) => one.useWaiver(job.job_id, 'orders', 'purge')),
    );
    expect(new Set(uses.map((use) => JSON.stringify(use))).size).toBe(1);
    expect(await test.records.waiversOf(job.job_id)).toHaveLength(1);
    for (const sql of [
      "UPDATE lethe_records.deletion_jobs SET waivers = '[]' WHERE waivers <> '[]'",
      "UPDATE lethe_records.service_waivers SET approved_by = 'me' WHERE approved_at IS NOT NULL",
      'UPDATE lethe_records.service_waivers SET used_at = NULL WHERE used_at IS NOT NULL',
    ]) {
      await expect(test.superuser.query(sql)).rejects.toMatchObject({ code: '23514' });
    }
    const trail = (await test.records.auditTrail(job.job_id)).map(({ action }) => action);
    expect(trail.filter((action) => /waive|without/.test(action))).toEqual([
      'waiver requested',
      'waiver approved',
      'went on without a service',
    ]);
    await expectProblem(test.records.withdrawWaiver('orders', waiver.waiver_id, OPERATOR), 'waiver_used');
  });

  it('that was withdrawn counts for nothing any more; what went on by it stays in its record', async () => {
    const all = await ask(null);
    await test.records.approveWaiver('orders', all.waiver_id, APPROVER);
    const first = await staged(test.records);
    await test.records.useWaiver(first.job_id, 'orders', 'check');
    await test.records.withdrawWaiver('orders', all.waiver_id, OPERATOR);
    const second = await open(test.records);
    expect(await test.records.useWaiver(second.job_id, 'orders', 'check')).toBeNull();
    expect((await test.records.getJob(first.job_id)).services[0]?.waived?.waiver_id).toBe(all.waiver_id);
    await expectProblem(test.records.approveWaiver('orders', all.waiver_id, APPROVER), 'state_conflict');
    expect((await test.records.listWaivers('orders'))[0]?.waiver_id).toBe(all.waiver_id);
  });
});

describe('an export', () => {
  const made = { bytes: 10, rows: 2, sha256: 'f'.repeat(64), expiresAt: '2026-01-01T00:00:00.000Z' };

  it('is not kept of a job that is decided, and is removed once', async () => {
    const job = await staged(test.records, { options: { export: true } });
    expect((await test.records.recordExport(job.job_id, made)).export?.state).toBe('expired');
    expect(await test.records.expiredExports()).toContain(job.job_id);
    await test.records.dropExport(job.job_id, 'expired');
    expect(await test.records.expiredExports()).not.toContain(job.job_id);
    await test.records.decideAbort(job.job_id, 'failure', SAGA);
    await expectProblem(test.records.recordExport(job.job_id, made), 'state_conflict');
    const none = await ended(test.records, 'completed').catch(() => null);
    expect(none?.export ?? null).toBeNull();
  });
});
