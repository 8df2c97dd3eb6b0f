import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EndedStatus } from '../../../protocol/jobs.js';
import type { Actor } from '../../../records/types.js';
import { openTestApi, type TestApi } from '../../support/api.js';
import { endAs } from '../../support/certificates.js';

const SAGA: Actor = { kind: 'system', id: 'lethe', role: 'saga' };
const list = '/api/v1/deletion-jobs';

describe('deletion jobs', () => {
  let api: TestApi;
  let operator: string;
  let ownerId: string;
  let owner: string;
  let tenant: string;

  beforeAll(async () => {
    api = await openTestApi();
    operator = await api.users.token({ userId: await api.user(), roles: ['operator'] });
  });
  beforeEach(async () => {
    ownerId = await api.user();
    owner = await api.users.token({ userId: ownerId });
    tenant = await api.tenant({ [ownerId]: 'owner' });
    api.runs.told.length = 0;
  });
  afterAll(() => api.close());

  async function opened(options: { start_at?: string; due_at?: string } = {}, of = tenant): Promise<string> {
    const answer = await api.ask('POST', `/api/v1/tenants/${of}/deletion-jobs`, operator, options);
    expect(answer.status).toBe(202);
    return answer.body.job_id;
  }
  async function endedAs(status: EndedStatus, of = tenant): Promise<string> {
    const jobId = await opened({}, of);
    const epoch = await api.records.beginRun(jobId, `run-${jobId}`);
    if (status === 'completed') await api.records.decideProceed(jobId);
    else {
      const cause = { cancelled: 'cancel', refused: 'refusal', compensated: 'failure' } as const;
      await api.records.decideAbort(jobId, cause[status], SAGA);
    }
    await endAs(api.records, jobId, { epoch, number: 1 }, status, 'as the test wants it');
    return jobId;
  }
  async function inNeed(of = tenant): Promise<string> {
    const jobId = await opened({}, of);
    const epoch = await api.records.beginRun(jobId, `run-${jobId}`);
    await api.records.decideProceed(jobId);
    await api.records.updateJob(jobId, { epoch, number: 1 }, { status: 'needs_attention', phase: 'purge' });
    return jobId;
  }
  const post = (jobId: string, verb: string, token = operator, body?: unknown) =>
    api.ask('POST', `${list}/${jobId}/${verb}`, token, body);

  describe('cancel', () => {
    it('decides first and then tells Temporal; asked again it says the same', async () => {
      const jobId = await opened();
      for (const time of [1, 2]) {
        const answer = await post(jobId, 'cancel', owner);
        expect(answer, `time ${time}`).toMatchObject({
          status: 200,
          body: { job_id: jobId, decision: 'abort', abort_cause: 'cancel', reversible: true },
        });
      }
      expect(api.runs.told).toContainEqual({ what: 'cancel', jobId });
    });

    it('is too late after the pivot, and says so with the state', async () => {
      const jobId = await inNeed();
      const answer = await post(jobId, 'cancel');
      expect(answer).toMatchObject({
        status: 409,
        body: { code: 'past_pivot', state: 'needs_attention', job_id: jobId },
      });
      expect((await api.records.getJob(jobId)).decision).toBe('proceed');
      expect(api.runs.told).not.toContainEqual({ what: 'cancel', jobId });
    });

    it.each(['completed', 'compensated', 'refused'] as const)(
      'is too late for a job that ended %s',
      async (end) => {
        const jobId = await endedAs(end);
        expect(await post(jobId, 'cancel')).toMatchObject({
          status: 409,
          body: { code: 'job_ended', state: end },
        });
      },
    );

    it('is what was wanted where the job has ended cancelled', async () => {
      const jobId = await endedAs('cancelled');
      expect(await post(jobId, 'cancel')).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    });
  });

  describe('reschedule', () => {
    it('moves the date and wakes the run', async () => {
      const jobId = await opened({ start_at: '2190-01-01T00:00:00Z' });
      const answer = await post(jobId, 'reschedule', owner, { start_at: '2190-03-01T00:00:00Z' });
      expect(answer).toMatchObject({ status: 200, body: { start_at: '2190-03-01T00:00:00.000Z' } });
      expect(api.runs.told).toContainEqual({ what: 'rescheduled', jobId });
    });

    it('is refused where the job waits for no date any more', async () => {
      const begun = await inNeed();
      const later = { start_at: '2190-03-01T00:00:00Z' };
      expect(await post(begun, 'reschedule', operator, later)).toMatchObject({
        status: 409,
        body: { code: 'state_conflict', state: 'needs_attention' },
      });
      const other = await api.tenant({ [ownerId]: 'owner' });
      expect(await post(await endedAs('refused', other), 'reschedule', operator, later)).toMatchObject({
        status: 409,
        body: { code: 'job_ended', state: 'refused' },
      });
    });
  });

  describe('replay', () => {
    it('tries the same job again where it needs attention: 200', async () => {
      const jobId = await inNeed();
      expect(await post(jobId, 'replay')).toMatchObject({ status: 200, body: { job_id: jobId } });
      expect(api.runs.told).toContainEqual({ what: 'replay', jobId });
    });

    it.each(['compensated', 'refused'] as const)(
      'runs one that ended %s again as a new job: 202',
      async (end) => {
        const jobId = await endedAs(end);
        const answer = await post(jobId, 'replay');
        expect(answer).toMatchObject({
          status: 202,
          body: { replay_of: jobId, status: 'pending', tenant_id: tenant },
        });
        expect(answer.headers.location).toBe(`${list}/${answer.body.job_id}`);
        expect(answer.body.job_id).not.toBe(jobId);
        // Asked twice, as after a lost answer: still one new job.
        expect(await post(jobId, 'replay')).toMatchObject({
          status: 202,
          body: { job_id: answer.body.job_id },
        });
      },
    );

    it.each(['completed', 'cancelled'] as const)('has nothing to do for one that ended %s', async (end) => {
      const jobId = await endedAs(end);
      expect(await post(jobId, 'replay')).toMatchObject({
        status: 409,
        body: { code: 'not_replayable', state: end },
      });
    });

    it('refuses a job that is under way, and one that a later job followed', async () => {
      const old = await endedAs('compensated');
      const current = await opened();
      expect(await post(current, 'replay')).toMatchObject({ status: 409, body: { state: 'pending' } });
      expect(await post(old, 'replay')).toMatchObject({
        status: 409,
        body: { code: 'not_replayable', job_id: current },
      });
    });
  });

  describe('replay of many', () => {
    const replay = (body: unknown) => api.ask('POST', `${list}/replay`, operator, body);

    it('lists in a dry run, and then replays the latest of each tenant, never cancelled ones', async () => {
      const since = new Date().toISOString();
      const [second, third] = [
        await api.tenant({ [ownerId]: 'owner' }),
        await api.tenant({ [ownerId]: 'owner' }),
      ];
      await endedAs('compensated');
      const failed = await endedAs('compensated');
      await endedAs('cancelled', second);
      const stuck = await inNeed(third);

      const dry = await replay({ from: since, dry_run: true });
      expect(dry).toMatchObject({ status: 200 });
      expect(dry.body.jobs).toEqual([
        { job_id: failed, tenant_id: tenant, replay_of: failed },
        { job_id: stuck, tenant_id: third, replay_of: null },
      ]);
      expect(await api.records.openJobOf(tenant)).toBeNull();

      const done = await replay({ from: since });
      const opened = await api.records.openJobOf(tenant);
      expect(done.body.jobs).toEqual([
        { job_id: opened?.job_id, tenant_id: tenant, replay_of: failed },
        { job_id: stuck, tenant_id: third, replay_of: null },
      ]);
      expect(await api.records.openJobOf(second)).toBeNull();
    });

    it('takes the filter service: where it has failed, not where it only takes part', async () => {
      const failed = await opened();
      const epoch = await api.records.beginRun(failed, `run-${failed}`);
      const lastError = {
        code: 'database_busy',
        message: 'a lock',
        table: null,
        privilege: null,
        sqlstate: '55P03',
        at: '2026-11-24T12:00:00.000Z',
      };
      await api.records.updateService(failed, { name: 'orders', role: 'participant', lastError });
      await api.records.updateService(failed, { name: 'sales', role: 'participant' });
      await api.records.decideAbort(failed, 'failure', SAGA);
      await api.records.endJob(failed, { epoch, number: 1 }, 'compensated', 'orders could not');
      const of = async (service: string) =>
        (await replay({ tenant_id: tenant, service, dry_run: true })).body.jobs;
      expect(await of('orders')).toMatchObject([{ job_id: failed }]);
      expect(await of('sales')).toEqual([]);
    });

    it.each([
      ['tenant_id', async () => ({ tenant_id: tenant })],
      ['status', async () => ({ status: 'compensated', from: new Date(Date.now() - 2_000).toISOString() })],
    ])('takes the filter %s', async (_, filter) => {
      const failed = await endedAs('compensated');
      const { jobs } = (await replay({ ...(await filter()), dry_run: true })).body;
      expect(jobs.map((job: { job_id: string }) => job.job_id)).toContain(failed);
      const none = await replay({ ...(await filter()), to: '2000-01-01T00:00:00Z', dry_run: true });
      expect(none.body.jobs).toEqual([]);
    });
  });

  describe('lists', () => {
    it('are paged by a cursor, newest first, without a gap or a double', async () => {
      const from = new Date().toISOString();
      const ids: string[] = [];
      for (let made = 0; made < 5; made += 1)
        ids.unshift(await opened({}, await api.tenant({ [ownerId]: 'owner' })));
      const seen: string[] = [];
      let cursor: string | null = '';
      while (cursor !== null) {
        const page = await api.ask(
          'GET',
          `${list}?limit=2&from=${from}${cursor && `&cursor=${cursor}`}`,
          owner,
        );
        expect(page.status).toBe(200);
        expect(page.body.jobs.length).toBeLessThanOrEqual(2);
        seen.push(...page.body.jobs.map((job: { job_id: string }) => job.job_id));
        cursor = page.body.next_cursor;
      }
      expect(seen).toEqual(ids);
    });

    it('are filtered by status, one or several, and by what is overdue', async () => {
      const late = await opened({ due_at: new Date(Date.now() - 1_000).toISOString() });
      const other = await api.tenant({ [ownerId]: 'owner' });
      const cancelled = await endedAs('cancelled', other);
      const idsOf = async (query: string) =>
        (await api.ask('GET', `${list}?${query}`, owner)).body.jobs.map(
          (job: { job_id: string }) => job.job_id,
        );
      expect(await idsOf('status=pending')).toEqual([late]);
      expect(await idsOf('status=pending&status=cancelled')).toEqual([cancelled, late]);
      expect(await idsOf('overdue=true')).toEqual([late]);
      expect(await idsOf('overdue=false')).toEqual([cancelled]);
      expect(await idsOf(`tenant_id=${other}`)).toEqual([cancelled]);
    });

    it('show others nothing of a tenant, and its later admins everything', async () => {
      const jobId = await opened();
      const admin = await api.user();
      const token = await api.users.token({ userId: admin });
      const path = `${list}?tenant_id=${tenant}`;
      expect((await api.ask('GET', path, token)).body.jobs).toEqual([]);
      expect(await api.ask('GET', `${list}/${jobId}`, token)).toMatchObject({
        status: 404,
        body: { code: 'job_unknown' },
      });
      await api.pool.query(`INSERT INTO tenant.tenant_members VALUES ($1, $2, 'admin')`, [tenant, admin]);
      expect((await api.ask('GET', path, token)).body.jobs).toMatchObject([{ job_id: jobId }]);
      expect(await api.ask('GET', `${list}/${jobId}`, token)).toMatchObject({ status: 200 });
    });
  });
});
