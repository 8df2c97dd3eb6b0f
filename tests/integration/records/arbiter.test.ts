import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Records } from '../../../records/types.js';
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

describe('the decision', () => {
  it('two deciders at once: one wins, both are told the same', async () => {
    const winners = new Set<string>();
    for (let round = 0; round < 40; round += 1) {
      const { job_id } = await open(records);
      const abort = () => records.decideAbort(job_id, 'cancel', OWNER);
      const proceed = () => other.decideProceed(job_id);
      const [one, two] = await Promise.all(round % 2 ? [abort(), proceed()] : [proceed(), abort()]);
      expect(two).toEqual(one);
      expect(await records.decisionOf(job_id)).toEqual(one);
      const job = valid(await records.getJob(job_id));
      expect(job).toMatchObject({
        decision: one.decision,
        abort_cause: one.cause,
        reversible: one.decision === 'abort',
        decided_at: one.at,
      });
      const decided = (await records.auditTrail(job_id)).filter(({ action }) => action.startsWith('decided'));
      expect(decided.map(({ action }) => action)).toEqual([`decided to ${one.decision}`]);
      winners.add(String(one.decision));
    }
    // Otherwise the race was none.
    expect(winners).toEqual(new Set(['abort', 'proceed']));
  });

  it('many causes at once: the first stands, with its cause', async () => {
    const { job_id } = await staged(records);
    const found = await Promise.all([
      records.decideAbort(job_id, 'cancel', OWNER),
      other.decideAbort(job_id, 'failure', SAGA),
      records.decideAbort(job_id, 'refusal', SAGA),
      other.decideAbort(job_id, 'cancel', OPERATOR),
    ]);
    for (const one of found) expect(one).toEqual(found[0]);
  });

  it('lost answer: asked again, it tells what stands', async () => {
    const { job_id } = await open(records);
    expect(await records.decisionOf(job_id)).toBeNull();
    const first = await records.decideProceed(job_id);
    expect(first).toMatchObject({ decision: 'proceed', cause: null });
    expect(await records.decideProceed(job_id)).toEqual(first);
    expect(await records.decideAbort(job_id, 'cancel', OWNER)).toEqual(first);
  });

  it('waits for whoever holds the gate of the tenant, and meets what that one has decided', async () => {
    const { job_id, tenant_id } = await open(records);
    const client = await test.superuser.connect();
    try {
      await client.query('BEGIN');
      await client.query('SELECT 1 FROM lethe_records.tenant_gates WHERE tenant_id = $1 FOR UPDATE', [
        tenant_id,
      ]);
      let answered = false;
      const pivot = records.decideProceed(job_id).finally(() => {
        answered = true;
      });
      await until(
        async () =>
          (
            await client.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
          AND application_name = 'lethe records' AND wait_event_type = 'Lock'`)
          ).rowCount,
      );
      expect(answered).toBe(false);
      await client.query(
        `UPDATE lethe_records.deletion_jobs SET decision = 'abort', abort_cause = 'cancel', decided_at = now()
         WHERE job_id = $1`,
        [job_id],
      );
      await client.query('COMMIT');
      expect(await pivot).toMatchObject({ decision: 'abort', cause: 'cancel' });
    } finally {
      client.release();
    }
  });

  it('a job that has ended is not decided anew', async () => {
    const { job_id } = await ended(records, 'compensated');
    expect(await records.decideProceed(job_id)).toMatchObject({ decision: 'abort', cause: 'failure' });
    expect(await records.decideAbort(job_id, 'cancel', OWNER)).toMatchObject({ cause: 'failure' });
    expect(valid(await records.getJob(job_id)).status).toBe('compensated');
  });

  it('cancelled while it waits: it waits for nothing any more and goes back', async () => {
    const { job_id } = await staged(records);
    const epoch = await records.beginRun(job_id, 'a');
    const since = new Date().toISOString();
    const waitingFor = {
      kind: 'window' as const,
      since,
      until: null,
      who_can_act: 'owner',
      next_action: 'cancel',
    };
    await records.updateJob(job_id, { epoch, number: 1 }, { status: 'waiting', phase: 'window', waitingFor });
    await records.decideAbort(job_id, 'cancel', OWNER);
    expect(valid(await records.getJob(job_id))).toMatchObject({
      status: 'compensating',
      waiting_for: null,
      reversible: true,
    });
  });

  it('is asked of a job that does not exist', async () => {
    const id = '01990000-0000-7000-8000-000000000000';
    await expectProblem(records.decideProceed(id), 'job_unknown');
    await expectProblem(records.decideAbort(id, 'cancel', OWNER), 'job_unknown');
    await expectProblem(records.decisionOf('no-id'), 'job_unknown');
  });
});

describe('staging and the decision', () => {
  it('raced: a service is asked before the decision, which then knows of it, or not at all', async () => {
    const outcomes = new Set<boolean>();
    // Later where it came first and sooner where it came too late: both are met, however long a decision takes here.
    let pauseMs = 5;
    for (let round = 0; round < 30 || (outcomes.size < 2 && round < 300); round += 1) {
      const { job_id } = await open(records);
      const ask = async () => {
        await sleep(pauseMs);
        return records.recordStageRequest(job_id, 'orders').then(
          () => true,
          () => false,
        );
      };
      const abort = async () => {
        await other.decideAbort(job_id, 'failure', SAGA);
        return (await other.getJob(job_id)).services.some((service) => service.stage_requested_at !== null);
      };
      const [asked, seen] = await Promise.all([ask(), abort()]);
      expect(seen).toBe(asked);
      outcomes.add(asked);
      pauseMs = asked ? pauseMs + 1 : Math.max(0, pauseMs - 1);
    }
    expect(outcomes).toEqual(new Set([true, false]));
  });

  it.each(['abort', 'proceed'] as const)(
    'under %s no service is asked to stage any more',
    async (decision) => {
      const { job_id } = await staged(records);
      await (decision === 'abort'
        ? records.decideAbort(job_id, 'failure', SAGA)
        : records.decideProceed(job_id));
      await expectProblem(records.recordStageRequest(job_id, 'orders'), 'state_conflict');
      await expectProblem(records.recordStageRequest(job_id, 'pos'), 'state_conflict');
      expect((await records.getJob(job_id)).services.map(({ name }) => name)).toEqual(['orders']);
    },
  );

  it('the first request to stage is the one that is kept', async () => {
    const job = await staged(records);
    const [first] = job.services;
    await records.recordStageRequest(job.job_id, 'orders');
    const [again] = valid(await records.getJob(job.job_id)).services;
    expect(again?.stage_requested_at).toBe(first?.stage_requested_at);
    const told = (await records.auditTrail(job.job_id)).filter(({ action }) => action === 'stage requested');
    expect(told).toHaveLength(1);
  });
});
