/** Deletions that wait: for a date, for the end of a window, for Temporal, for the records' database. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { differingTables, totalRows } from '../../../local/checksums.js';
import { leavingRows } from '../../../local/leaving.js';
import type { SeededTenant } from '../../../services/sample-data/load.js';
import { type Caller, type Callers, createCallers } from '../../support/callers.js';
import { until } from '../../support/conditions.js';
import { Holds } from '../../support/holds.js';
import type { TestPlatform } from '../../support/platform.js';
import { FEW_SERVICES, servedOf } from '../../support/world.js';

const ROWS = 600;
const DENIED = 'recipes.recipe_steps';
const anHourAhead = () => new Date(Date.now() + 3_600_000).toISOString();

/** Wants a Temporal of its own. */
export function deletionsThatWait(platformOf: () => TestPlatform): void {
  let platform: TestPlatform;
  let callers: Callers;
  let holds: Holds;
  let operator: Caller;
  const unused: SeededTenant[] = [];

  beforeAll(async () => {
    platform = platformOf();
    callers = await createCallers(platform);
    holds = new Holds(platform.databaseUrl);
    ({ operator } = callers);
    unused.push(...(await callers.seed(9, ROWS)));
  });
  afterAll(async () => {
    await holds?.close();
    await callers?.close();
  });

  function tenant(): SeededTenant {
    const next = unused.pop();
    if (next === undefined) throw new Error('Seed more tenants: every one has been used.');
    return next;
  }
  const cancel = (jobId: string) => operator.ask('POST', `/deletion-jobs/${jobId}/cancel`);
  const live = async ({ tenantId }: SeededTenant) => totalRows(await callers.checksums({ only: tenantId }));

  describe('for a date', () => {
    it('touches nothing before it, can be moved, and starts when the new date comes', async () => {
      const one = tenant();
      const startAt = anHourAhead();
      const { job_id: jobId } = await callers.request(one, { start_at: startAt });
      const waiting = await callers.until(jobId, ({ phase }) => phase === 'date');
      expect(waiting).toMatchObject({
        status: 'waiting',
        waiting_for: { kind: 'date', until: startAt, who_can_act: 'owner or operator' },
      });
      expect([await live(one), await callers.isSuspended(one)]).toEqual([one.rows, false]);

      const owner = await callers.owner(one);
      const soon = new Date(Date.now() + 1_500).toISOString();
      const moved = await owner.ask('POST', `/deletion-jobs/${jobId}/reschedule`, { start_at: soon });
      expect(moved).toMatchObject({ status: 200, body: { start_at: soon, job_id: jobId } });
      const ended = await callers.untilEnded(jobId);
      expect(ended).toMatchObject({ status: 'completed', rows_deleted: leavingRows(one) });
      expect(Date.parse(ended.decided_at ?? '')).toBeGreaterThanOrEqual(Date.parse(soon));
      const late = await operator.ask('POST', `/deletion-jobs/${jobId}/reschedule`, { start_at: soon });
      expect([late.status, late.body.code]).toEqual([409, 'job_ended']);
    });

    it('is the same job for who asks again, and another for nobody, while it waits', async () => {
      const one = tenant();
      const options = { start_at: anHourAhead() };
      const { job_id: jobId } = await callers.request(one, options);
      expect((await callers.request(one, options)).job_id).toBe(jobId);
      const other = await operator.ask('POST', `/tenants/${one.tenantId}/deletion-jobs`, {});
      expect(other).toMatchObject({ status: 409, body: { code: 'job_open', job_id: jobId } });
      await callers.until(jobId, ({ phase }) => phase === 'date');
      expect(await cancel(jobId)).toMatchObject({ status: 200 });
      const ended = await callers.untilEnded(jobId);
      expect(ended).toMatchObject({ status: 'cancelled', services: [] });
      expect((await callers.closedRun(one)).status.name).toBe('CANCELLED');
      expect(await live(one)).toBe(one.rows);
    });
  });

  describe('in its window', () => {
    it('has moved every row aside, and a cancel brings each of them back as it was', async () => {
      const one = tenant();
      const before = await callers.checksums();
      const { job_id: jobId } = await callers.request(one, { restore_window: '1h' });
      const waiting = await callers.until(jobId, ({ phase }) => phase === 'window');
      expect(waiting).toMatchObject({
        status: 'waiting',
        reversible: true,
        decision: null,
        waiting_for: { kind: 'window', until: expect.any(String) },
      });
      // Until the directory's own part, which comes last, the tenant is there and suspended.
      const left = Object.entries(await callers.checksums({ only: one.tenantId }));
      const tables = left.filter(([, { rows }]) => rows > 0).map(([table]) => table);
      expect(tables.filter((table) => !table.startsWith('tenant.'))).toEqual([]);
      expect((await callers.archives()).length).toBeGreaterThanOrEqual(servedOf(platform).length);
      expect(await callers.isSuspended(one)).toBe(true);

      const owner = await callers.owner(one);
      const cancelled = await owner.ask('POST', `/deletion-jobs/${jobId}/cancel`);
      expect(cancelled).toMatchObject({ status: 200, body: { decision: 'abort', abort_cause: 'cancel' } });
      expect(await callers.untilEnded(jobId)).toMatchObject({ status: 'cancelled', rows_deleted: 0 });
      expect(differingTables(before, await callers.checksums())).toEqual([]);
      expect([await callers.archives(), await callers.isSuspended(one)]).toEqual([[], false]);
      // Asked once more after a lost answer, it is what was wanted.
      expect(await cancel(jobId)).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    });

    it('goes on when the window is over, and then a cancel comes too late, while it lasts and after it', async () => {
      const one = tenant();
      const { job_id: jobId } = await callers.request(one, { restore_window: '5s' });
      await callers.until(jobId, ({ phase }) => phase === 'window');
      const hold = await holds.archive('orders', jobId);
      await hold.waitedFor(jobId);
      const late = await cancel(jobId);
      expect(late).toMatchObject({ status: 409, body: { code: 'past_pivot', job_id: jobId } });
      await hold.release();
      expect(await callers.untilEnded(jobId)).toMatchObject({ status: 'completed', decision: 'proceed' });
      const ended = await cancel(jobId);
      expect(ended).toMatchObject({ status: 409, body: { code: 'job_ended', state: 'completed' } });
      expect([await live(one), await callers.archives()]).toEqual([0, []]);
    });
  });

  describe('for Temporal, which is away', () => {
    it('is asked for, cancelled and replayed all the same, and carried out when Temporal is back', async () => {
      const [asked, called, replayed] = [tenant(), tenant(), tenant()];
      const before = await callers.checksums({ only: called.tenantId });
      await callers.sql(`REVOKE DELETE ON ${DENIED} FROM lethe_recipes`);
      const refused = await callers.untilEnded((await callers.delete(replayed)).job_id);
      expect(refused.status).toBe('refused');
      await callers.sql(`GRANT DELETE ON ${DENIED} TO lethe_recipes`);
      const inWindow = await callers.request(called, { restore_window: '1h' });
      await callers.until(inWindow.job_id, ({ phase }) => phase === 'window');

      await platform.process('temporal').kill('SIGKILL');
      const request = await callers.delete(asked);
      const cancelled = await cancel(inWindow.job_id);
      const replay = await operator.ask('POST', `/deletion-jobs/${refused.job_id}/replay`);
      expect(request).toMatchObject({ status: 'pending', decision: null });
      expect(cancelled).toMatchObject({ status: 200, body: { decision: 'abort', abort_cause: 'cancel' } });
      expect(replay).toMatchObject({ status: 202, body: { replay_of: refused.job_id, status: 'pending' } });
      expect((await callers.job(inWindow.job_id)).status).toBe('compensating');
      const ready = await fetch(`${platform.apiUrl}/readyz`);
      expect([ready.status, await ready.json()]).toMatchObject([
        200,
        { ready: true, checks: { temporal: { ok: false }, records: { ok: true } } },
      ]);

      await platform.process('temporal').restart();
      expect(await callers.untilEnded(request.job_id)).toMatchObject({
        status: 'completed',
        rows_deleted: leavingRows(asked),
      });
      expect(await callers.untilEnded(replay.body.job_id)).toMatchObject({ status: 'completed' });
      expect(await callers.untilEnded(inWindow.job_id)).toMatchObject({ status: 'cancelled' });
      expect(await callers.checksums({ only: called.tenantId })).toEqual(before);
      expect([await live(asked), await live(replayed)]).toEqual([0, 0]);
      expect((await callers.closedRun(called)).status.name).toBe('CANCELLED');
    });
  });

  describe('for the database of the records, which is away', () => {
    it('is answered 503 with Retry-After, and goes on by itself when the database is back', async () => {
      const [begun, later] = [tenant(), tenant()];
      const { job_id: jobId } = await callers.request(begun, { restore_window: '6s' });
      await callers.until(jobId, ({ phase }) => phase === 'window');
      const back = await takeRecordsAway(callers);
      try {
        const owner = await callers.owner(later);
        const answers = [
          await owner.ask('DELETE', `/tenants/${later.tenantId}`),
          await operator.ask('GET', `/deletion-jobs/${jobId}`),
          await operator.ask('POST', `/deletion-jobs/${jobId}/cancel`),
        ];
        for (const { status, body, headers } of answers) {
          expect([status, body.code]).toEqual([503, 'records_unavailable']);
          expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
        }
        expect((await fetch(`${platform.apiUrl}/readyz`)).status).toBe(503);
        // The window ends meanwhile: nobody decides without the record.
        await until(async () => Date.now() > Date.parse(await windowEnd(callers, jobId)) + 1_000);
        expect((await callers.archives()).length).toBeGreaterThanOrEqual(servedOf(platform).length);
      } finally {
        await back();
      }
      const ended = await callers.untilEnded(jobId);
      expect(ended).toMatchObject({ status: 'completed', rows_deleted: leavingRows(begun) });
      expect(await live(later)).toBe(later.rows);
      const job = await callers.untilEnded((await callers.delete(later)).job_id);
      expect(job).toMatchObject({ status: 'completed', rows_deleted: leavingRows(later) });
    });
  });
}

/** Keeps the records' role out of the platform's database, as if it were another server that is gone. */
async function takeRecordsAway(callers: Callers): Promise<() => Promise<void>> {
  const [row] = await callers.sql<{ name: string }>('SELECT quote_ident(current_database()) AS name');
  const database = row?.name;
  const others = FEW_SERVICES.map((name) => `lethe_${name}`).join(', ');
  await callers.sql(`GRANT CONNECT ON DATABASE ${database} TO ${others}`);
  await callers.sql(`REVOKE CONNECT ON DATABASE ${database} FROM PUBLIC`);
  await callers.sql(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE usename = 'lethe_records' AND datname = current_database()`,
  );
  return async () => {
    await callers.sql(`GRANT CONNECT ON DATABASE ${database} TO PUBLIC`);
  };
}

async function windowEnd(callers: Callers, jobId: string): Promise<string> {
  const [row] = await callers.sql<{ ends: Date }>(
    `SELECT staged_at + restore_window_ms * interval '1 ms' AS ends FROM lethe_records.deletion_jobs
     WHERE job_id = $1`,
    [jobId],
  );
  return row?.ends.toISOString() ?? '';
}
