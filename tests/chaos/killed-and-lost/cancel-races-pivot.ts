/** Cancel against the pivot, ten times at once: one of the two wins each time, and everything agrees with it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { JobView } from '../../../protocol/jobs.js';
import type { Caller } from '../../support/callers.js';
import type { TestPlatform } from '../../support/platform.js';
import { openWorld, type Victim, type World } from '../../support/world.js';

const RACES = 10;
/** Long enough to be held in it. */
const WINDOW = '12s';

/** Wants more patience than all of them take together. */
export function cancelRacesPivot(platformOf: () => TestPlatform): void {
  let world: World;
  let approver: Caller;

  beforeAll(async () => {
    world = await openWorld(platformOf(), { victims: RACES, rows: 300 });
    approver = await world.callers.caller({ userId: 'somebody of the law', roles: ['approver'] });
  });
  afterAll(() => world?.close());

  /** Held so that pivots come at a known time: before them, every ledger is read once more. */
  const LEDGER = 'lethe_notification.deletion_ledger';
  /** Nobody decides while it is held: who has asked by the time it is let go decides in the order of asking, or nearly. */
  const GATES = 'lethe_records.tenant_gates';
  const SPREAD_MS = 600;

  /** Asks at some time after the ledgers were let go, sooner rather than later. Gives the API's answer. */
  async function cancelBy(
    by: 'the API' | 'Temporal',
    victim: Victim,
    { job_id }: JobView,
  ): Promise<number | null> {
    await sleep(SPREAD_MS * Math.random() ** 2);
    if (by === 'the API') {
      return (await world.callers.operator.ask('POST', `/deletion-jobs/${job_id}/cancel`)).status;
    }
    // A run that has closed cannot be asked any more: then the pivot has won.
    await world.callers
      .run(victim)
      .cancel()
      .catch(() => undefined);
    return null;
  }

  /** Staged, and held there by law until all are. Gives what lifts the hold. */
  async function keepStaged({ tenantId }: Victim, job: JobView): Promise<() => Promise<void>> {
    await world.until([job], ({ staged_at }) => staged_at !== null);
    const { status, body } = await approver.ask('POST', `/tenants/${tenantId}/legal-holds`, {
      reason: 'A race',
    });
    expect(status).toBe(201);
    return async () => {
      const lifted = await approver.ask('DELETE', `/legal-holds/${body.hold_id}?reason=It%20begins`);
      expect(lifted.status).toBe(200);
    };
  }

  /** Gives who has won. */
  async function race(): Promise<JobView['decision'][]> {
    const { callers, holds } = world;
    const victims = Array.from({ length: RACES }, () => world.victim());
    const jobs = await Promise.all(
      victims.map((victim) => callers.request(victim, { restore_window: WINDOW })),
    );
    const lift = await Promise.all(
      victims.map((victim, index) => keepStaged(victim, jobs[index] as JobView)),
    );
    const ledger = await holds.table(LEDGER, 'ACCESS EXCLUSIVE');
    await Promise.all(lift.map((one) => one()));
    await world.until(jobs, ({ phase }) => phase === 'pivot');
    const gates = await holds.table(GATES, 'EXCLUSIVE');
    await ledger.release();
    const cancels = victims.map((victim, index) =>
      cancelBy(index % 2 ? 'the API' : 'Temporal', victim, jobs[index] as JobView),
    );
    await sleep(SPREAD_MS);
    await gates.release();
    const answers = await Promise.all(cancels);
    const ended = await Promise.all(jobs.map((job) => world.untilEnded(job)));
    for (const [index, job] of ended.entries()) {
      const proceeded = job.decision === 'proceed';
      await world.expectEnd(victims[index] as Victim, job, proceeded ? 'completed' : 'cancelled');
      const answer = answers[index] ?? null;
      if (answer !== null) expect([answer, job.decision]).toEqual([proceeded ? 409 : 200, job.decision]);
    }
    return ended.map(({ decision }) => decision);
  }

  it('has one winner each time, and job, ledgers, suspension, Temporal and rows agree with it', async () => {
    const winners = await race();
    expect(winners.filter((one) => one === 'abort' || one === 'proceed')).toHaveLength(RACES);
    await world.expectOthersUntouched();
  }, 300_000);
}
