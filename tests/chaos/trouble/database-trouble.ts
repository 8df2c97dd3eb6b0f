/** What other sessions of a database do to a deletion: rights, deadlocks, late writers. Locks: `failure-and-replay.ts`. */
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { JobView } from '../../../protocol/jobs.js';
import { until } from '../../support/conditions.js';
import type { TestPlatform } from '../../support/platform.js';
import { openWorld, type Victim, type World } from '../../support/world.js';

const WITHIN_MS = 240_000;

/** Leaves the platform as it was. */
export function databaseTrouble(platformOf: () => TestPlatform): void {
  let world: World;
  const sessions: pg.Client[] = [];

  beforeAll(async () => {
    world = await openWorld(platformOf(), { victims: 5, rows: 600 });
  });
  afterEach(async () => {
    await world?.holds.releaseAll();
    await Promise.all(sessions.splice(0).map((session) => session.end().catch(() => undefined)));
  });
  afterAll(() => world?.close());

  /** Somebody else's session, and its process id. */
  async function somebody(): Promise<{ session: pg.Client; pid: number }> {
    const session = new pg.Client({ connectionString: world.platform.databaseUrl });
    session.on('error', () => undefined);
    await session.connect();
    sessions.push(session);
    const { rows } = await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return { session, pid: rows[0]?.pid ?? 0 };
  }

  /** Runs the job again, now that what was in its way is gone. */
  async function expectReplayed(victim: Victim, ended: JobView): Promise<void> {
    const { status, body } = await world.callers.operator.ask(
      'POST',
      `/deletion-jobs/${ended.job_id}/replay`,
    );
    expect([status, body.replay_of]).toEqual([202, ended.job_id]);
    await world.expectEnd(victim, await world.untilEnded(body), 'completed');
  }

  function partOf(job: JobView, service: string) {
    return job.services.find(({ name }) => name === service);
  }

  describe('a privilege that is taken away', () => {
    it(
      'between check and stage: every row comes back, and a replay after GRANT completes',
      async () => {
        const victim = world.victim();
        const hold = await world.holds.table('lethe_tenant.tenant_suspensions', 'SHARE');
        const job = await world.callers.request(victim, {});
        await hold.waitedFor();
        await world.until([job], ({ phase }) => phase === 'suspend');
        await world.callers.sql('REVOKE DELETE ON recipes.recipes FROM lethe_recipes');
        await hold.release();
        const ended = await world.untilEnded(job);
        await world.expectEnd(victim, ended, 'compensated');
        expectMissing(ended, 'recipes', 'recipes.recipes');
        await world.callers.sql('GRANT DELETE ON recipes.recipes TO lethe_recipes');
        await expectReplayed(victim, ended);
      },
      WITHIN_MS,
    );
  });

  function expectMissing(job: JobView, service: string, table: string): void {
    expect(partOf(job, service)?.last_error).toMatchObject({
      code: 'privilege_missing',
      privilege: 'DELETE',
      table,
    });
    expect(job.outcome).toContain(`${service}: privilege_missing (DELETE`);
  }

  describe('a deadlock with a writer', () => {
    it.each([
      ['that the writer wins', '1min', 'written'],
      ['that the deletion wins', '50ms', '40P01'],
    ])(
      '%s: the deletion completes',
      async (_, deadlockTimeout, outcome) => {
        const victim = world.victim();
        const { session, pid } = await somebody();
        await session.query(`SET deadlock_timeout = '${deadlockTimeout}'; BEGIN`);
        const touch = (table: string) =>
          session.query(`UPDATE orders.${table} SET id = id WHERE tenant_id = $1`, [victim.tenantId]);
        // Customers go last, recurring orders before them.
        await touch('customers');
        const job = await world.callers.request(victim, {});
        await untilBlockedBy(pid, job);
        const second = await touch('recurring_orders').then(
          () => 'written',
          (error: { code: string }) => error.code,
        );
        expect(second).toBe(outcome);
        await session.query(second === 'written' ? 'COMMIT' : 'ROLLBACK');
        await world.expectEnd(victim, await world.untilEnded(job), 'completed');
      },
      WITHIN_MS,
    );
  });

  async function untilBlockedBy(pid: number, { job_id }: JobView): Promise<void> {
    await until(
      async () =>
        (
          await world.callers.sql(
            `SELECT FROM pg_stat_activity
           WHERE $1 = ANY (pg_blocking_pids(pid)) AND application_name LIKE 'lethe ' || $2 || '%'`,
            [pid, job_id],
          )
        ).length > 0,
      { timeoutMs: 60_000, everyMs: 20, what: 'the deletion to wait for the writer' },
    );
  }

  const LATE_CUSTOMER = `INSERT INTO orders.customers (id, tenant_id, customer_number, name)
  VALUES (gen_random_uuid(), $1, 'late', 'Late')`;

  describe('writers that began before the fence', () => {
    it(
      'are waited for by name, for longer than patience lasts, and what they write goes with the rest',
      async () => {
        const [hasWritten, hasLooked] = [world.victim(), world.victim()];
        const committed = await somebody();
        await committed.session.query('BEGIN ISOLATION LEVEL READ COMMITTED');
        await committed.session.query(LATE_CUSTOMER, [hasWritten.tenantId]);
        const repeatable = await somebody();
        await repeatable.session.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
        await repeatable.session.query('SELECT count(*) FROM orders.customers');
        const idle = await somebody();
        await idle.session.query('BEGIN ISOLATION LEVEL READ COMMITTED');

        const jobs = await Promise.all(
          [hasWritten, hasLooked].map((victim) => world.callers.request(victim, {})),
        );
        await world.until(jobs, ({ waiting_for }) => waiting_for?.kind === 'older_transaction');
        const waitedSince = Date.now();
        for (const { job_id } of jobs) {
          const waiting = await world.callers.until(job_id, (job) => {
            const blockers = partOf(job, 'orders')?.waiting_for?.blockers.join() ?? '';
            return [committed, repeatable].every(({ pid }) => blockers.includes(`pid ${pid} `));
          });
          expect(waiting).toMatchObject({
            status: 'waiting',
            phase: 'stage',
            reversible: true,
            decision: null,
          });
        }
        // Who has no snapshot yet meets the fence, like everybody who begins now.
        await expect(idle.session.query(LATE_CUSTOMER, [hasLooked.tenantId])).rejects.toMatchObject({
          code: '23514',
        });
        await idle.session.query('ROLLBACK');
        await repeatable.session.query(LATE_CUSTOMER, [hasLooked.tenantId]);
        await until(async () => Date.now() - waitedSince > 9_000);
        await world.until(jobs, ({ phase, decision }) => phase === 'stage' && decision === null);
        await Promise.all([committed.session.query('COMMIT'), repeatable.session.query('COMMIT')]);

        await world.expectEnd(hasWritten, await world.untilEnded(jobs[0] as JobView), 'completed', 1);
        await world.expectEnd(hasLooked, await world.untilEnded(jobs[1] as JobView), 'completed', 1);
      },
      WITHIN_MS,
    );
  });

  it('leaves everybody else alone', () => world.expectOthersUntouched());
}
