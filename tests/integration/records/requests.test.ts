import { randomUUID } from 'node:crypto';
import { version as uuidVersion } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Records } from '../../../records/types.js';
import { complete } from '../../support/certificates.js';
import {
  ended,
  expectProblem,
  OPERATOR,
  OWNER,
  open,
  openTestRecords,
  PLAN_HASH,
  request,
  SAGA,
  type TestRecords,
  valid,
} from './support.js';

let test: TestRecords;
let records: Records;
let other: Records;
beforeAll(async () => {
  test = await openTestRecords();
  ({ records, other } = test);
});
afterAll(() => test?.close());

const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

describe('opening a job', () => {
  it('writes what was asked for', async () => {
    const asked = request({
      options: {
        reason: 'They left.',
        start_at: '2031-05-01T02:00:00+02:00',
        due_at: inAnHour(),
        preview_hash: PLAN_HASH,
      },
      restoreWindowMs: 259_200_000,
    });
    const { job, created } = await records.openJob(asked);
    expect(created).toBe(true);
    expect(uuidVersion(job.job_id)).toBe(7);
    expect(valid(job)).toMatchObject({
      tenant_id: asked.tenantId,
      status: 'pending',
      phase: 'open',
      reversible: true,
      decision: null,
      reason: 'They left.',
      requested_by: OWNER.id,
      start_at: '2031-05-01T00:00:00.000Z',
      due_at: asked.options.due_at,
      overdue: false,
      restore_window_ms: 259_200_000,
      preview_hash: PLAN_HASH,
      replay_of: null,
      services: [],
    });
    expect(await records.openJobOf(asked.tenantId)).toEqual(job);
    expect(await records.getJob(job.job_id)).toEqual(job);
  });

  it('twenty requests at once: one job, and everybody is given it', async () => {
    const asked = request();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 ? records : other).openJob(asked)),
    );
    expect(new Set(answers.map(({ job }) => job.job_id)).size).toBe(1);
    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    const { rows } = await test.superuser.query(
      'SELECT 1 FROM lethe_records.deletion_jobs WHERE tenant_id = $1',
      [asked.tenantId],
    );
    expect(rows).toHaveLength(1);
  });

  it('asked again in other words: the same job', async () => {
    const asked = request({ options: { start_at: '2031-05-01T02:00:00+02:00', require_approval: false } });
    const { job } = await records.openJob(asked);
    const again = await records.openJob({ ...asked, options: { start_at: '2031-05-01T00:00:00Z' } });
    expect(again).toEqual({ job, created: false });
    // Moved meanwhile: it is still what that request has opened.
    await records.reschedule(job.job_id, inAnHour(), OWNER);
    expect((await records.openJob(asked)).job.job_id).toBe(job.job_id);
  });

  it('with other options while one is open: refused, and the open one is named', async () => {
    const asked = request();
    const { job } = await records.openJob(asked);
    for (const changes of [
      { restoreWindowMs: 1 },
      { options: { reason: 'x' } },
      { options: { due_at: inAnHour() } },
    ]) {
      const problem = await expectProblem(records.openJob({ ...asked, ...changes }), 'job_open');
      expect(problem.extras).toMatchObject({ job_id: job.job_id, state: 'pending' });
    }
    expect(await records.getJob(job.job_id)).toEqual(job);
  });

  it('of an erased tenant: gone, also where both are asked at once', async () => {
    const { tenant_id } = await ended(records, 'completed');
    await expectProblem(records.openJob(request({ tenantId: tenant_id })), 'already_erased');

    const job = await open(records);
    await records.decideProceed(job.job_id);
    const opening = () =>
      other.openJob(request({ tenantId: job.tenant_id })).then(
        (answer) => answer.job.job_id,
        (problem: { code: string }) => problem.code,
      );
    const [, ...answers] = await Promise.all([
      complete(records, job.job_id, { epoch: 1, number: 1 }),
      ...Array.from({ length: 6 }, opening),
    ]);
    // Never a second job.
    for (const answer of answers) expect(['already_erased', job.job_id]).toContain(answer);
    expect(await records.openJobOf(job.tenant_id)).toBeNull();
  });

  it('after one that went back: a new job', async () => {
    const first = await ended(records, 'compensated');
    const second = await open(records, { tenantId: first.tenant_id, replayOf: first.job_id });
    expect(second.job_id).not.toBe(first.job_id);
    expect(valid(second).replay_of).toBe(first.job_id);
  });

  it('knows tenants by any scalar, whatever is in it', async () => {
    const tenantId = `O'Neil; DROP TABLE x --${randomUUID()}"`;
    const job = await open(records, { tenantId });
    expect((await records.openJobOf(tenantId))?.job_id).toBe(job.job_id);
    expect((await records.decideAbort(job.job_id, 'cancel', OWNER)).decision).toBe('abort');
  });
});

describe('moving the date', () => {
  it('of a job that waits for it; what it waits for is told with the new date', async () => {
    const { job_id } = await open(records, { options: { start_at: inAnHour() } });
    const epoch = await records.beginRun(job_id, 'a');
    const until = inAnHour();
    const waitingFor = {
      kind: 'date' as const,
      since: until,
      until,
      who_can_act: 'owner',
      next_action: 'move',
    };
    await records.updateJob(job_id, { epoch, number: 1 }, { status: 'waiting', phase: 'date', waitingFor });
    const moved = valid(await records.reschedule(job_id, '2040-01-01T01:00:00+01:00', OWNER));
    expect(moved.start_at).toBe('2040-01-01T00:00:00.000Z');
    expect(moved.waiting_for).toEqual({ ...waitingFor, until: '2040-01-01T00:00:00.000Z' });
  });

  it.each([
    'its date has come',
    'it never had a date',
    'it is past the date',
    'it was decided',
    'it has ended',
  ])('refused where %s', async (where) => {
    const later = { options: { start_at: inAnHour() } };
    const past = { options: { start_at: '2020-01-01T00:00:00Z' } };
    const job = await (where === 'it has ended'
      ? ended(records, 'cancelled', later)
      : open(records, where === 'it never had a date' ? {} : where === 'its date has come' ? past : later));
    if (where === 'it was decided') await records.decideAbort(job.job_id, 'cancel', OWNER);
    if (where === 'it is past the date') {
      await records.updateJob(job.job_id, { epoch: 1, number: 1 }, { phase: 'check', status: 'in_progress' });
    }
    const before = await records.getJob(job.job_id);
    const problem = await expectProblem(
      records.reschedule(job.job_id, inAnHour(), OWNER),
      where === 'it has ended' ? 'job_ended' : 'state_conflict',
    );
    expect(problem.extras.state).toBe(before.status);
    expect(await records.getJob(job.job_id)).toEqual(before);
  });
});

describe('replay of a job that needs attention', () => {
  it('is noted until the run takes it up', async () => {
    const { job_id } = await open(records);
    await expectProblem(records.requestReplay(job_id, OPERATOR), 'not_replayable');
    const epoch = await records.beginRun(job_id, 'a');
    await records.updateJob(job_id, { epoch, number: 1 }, { status: 'needs_attention', phase: 'purge' });
    expect(await records.replaysAskedFor()).toEqual([]);
    const job = valid(await records.requestReplay(job_id, OPERATOR));
    await records.requestReplay(job_id, OPERATOR);
    expect(await records.replaysAskedFor()).toEqual([job]);
    await records.updateJob(job_id, { epoch, number: 2 }, { outcome: 'Still.' });
    expect(await records.replaysAskedFor()).toHaveLength(1);
    await records.updateJob(job_id, { epoch, number: 3 }, { status: 'in_progress' });
    await records.updateJob(job_id, { epoch, number: 4 }, { status: 'needs_attention' });
    expect(await records.replaysAskedFor()).toEqual([]);
  });

  it('is refused where the job has ended', async () => {
    const { job_id } = await ended(records, 'compensated');
    const problem = await expectProblem(records.requestReplay(job_id, OPERATOR), 'not_replayable');
    expect(problem.extras.state).toBe('compensated');
  });
});

describe('the audit', () => {
  it('tells a life in order: who, what, when, by which request', async () => {
    const { job_id, tenant_id } = await open(records, {
      options: { start_at: inAnHour(), reason: 'secret' },
    });
    await records.reschedule(job_id, inAnHour(), OPERATOR);
    const epoch = await records.beginRun(job_id, 'run-1');
    await records.updateJob(job_id, { epoch, number: 1 }, { phase: 'stage', status: 'in_progress' });
    await records.updateJob(job_id, { epoch, number: 2 }, { rowsTotal: 3 });
    await records.recordStageRequest(job_id, 'orders');
    await records.updateService(job_id, { name: 'orders', state: 'staging' });
    await records.updateService(job_id, { name: 'orders', state: 'staging', rowsDone: 3 });
    await records.decideAbort(job_id, 'failure', SAGA);
    await records.endJob(job_id, { epoch, number: 3 }, 'compensated', 'Back.');
    await records.audit({
      jobId: job_id,
      tenantId: tenant_id,
      actor: OPERATOR,
      action: 'looked',
      details: { ok: true },
    });
    const trail = await records.auditTrail(job_id);
    expect(trail.map(({ action, actor }) => [action, actor.role])).toEqual([
      ['deletion requested', 'user'],
      ['rescheduled', 'operator'],
      ['run began', 'saga'],
      ['step reached', 'saga'],
      ['stage requested', 'saga'],
      ['service changed state', 'saga'],
      ['decided to abort', 'saga'],
      ['job ended', 'saga'],
      ['looked', 'operator'],
    ]);
    expect(trail[0]).toMatchObject({
      actor: OWNER,
      jobId: job_id,
      tenantId: tenant_id,
      at: expect.any(String),
    });
    expect(trail[5]?.details).toEqual({ service: 'orders', from: 'absent', to: 'staging' });
    // The reason that a person gave stays in the job.
    expect(JSON.stringify(trail)).not.toContain('secret');
  });

  it('tells nothing of what did not happen', async () => {
    const { job_id } = await open(records);
    const before = await records.auditTrail(job_id);
    await expectProblem(records.endJob(job_id, { epoch: 1, number: 1 }, 'completed', 'x'), 'state_conflict');
    await expectProblem(records.reschedule(job_id, inAnHour(), OWNER), 'state_conflict');
    expect(await records.auditTrail(job_id)).toEqual(before);
  });
});

it('writes what others may tell again and again into the trail once', async () => {
  const told = (tenantId: string, at: string) => ({
    jobId: null,
    tenantId,
    actor: { kind: 'system', id: 'orders', role: 'participant' } as const,
    action: 'gone round',
    details: { service: 'orders', at },
  });
  const [tenant, neighbour] = [randomUUID(), randomUUID()];
  expect(await records.auditOnce(told(tenant, 'monday'))).toBe(true);
  expect(await other.auditOnce(told(tenant, 'monday'))).toBe(false);
  expect(await records.auditOnce(told(tenant, 'tuesday'))).toBe(true);
  expect(await records.auditOnce(told(neighbour, 'monday'))).toBe(true);
});
