/** Cancel against the pivot, again and again: one of the two wins, and everything agrees with it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { hasEnded, type JobView } from '../../protocol/jobs.js';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { openWorld, type World } from '../support/world.js';

const ROUNDS = 4;
const AT_ONCE = 5;
const WINDOW_MS = 2_000;

let platform: TestPlatform;
let world: World;

beforeAll(async () => {
  platform = await startTestPlatform({ environment: { RECONCILE_EVERY: '2s' } });
  world = await openWorld(platform, { victims: ROUNDS * AT_ONCE, rows: 300 });
});
afterAll(async () => {
  await world?.close();
  await platform?.stop();
});

interface Race {
  readonly job: JobView;
  /** What the API answered; null where Temporal was asked. */
  readonly answered: number | null;
  /** From the end of the window to the decision. */
  readonly decidedAfterMs: number;
}

/** `aroundMs`: when the pivot may be expected, counted from the end of the window. */
async function race(by: 'api' | 'temporal', aroundMs: number): Promise<Race> {
  const { callers } = world;
  const victim = world.victim();
  const requested = await callers.request(victim, { restore_window: `${WINDOW_MS}ms` });
  await world.until([requested], ({ staged_at }) => staged_at !== null);
  const { job_id, staged_at } = await callers.job(requested.job_id);
  const end = Date.parse(staged_at ?? '') + WINDOW_MS;
  await sleep(Math.max(0, end + aroundMs + (Math.random() - 0.5) * 300 - Date.now()));
  let answered: number | null = null;
  if (by === 'api') {
    answered = (await callers.operator.ask('POST', `/deletion-jobs/${job_id}/cancel`)).status;
  } else {
    // A run that has closed cannot be asked any more: then the pivot has won.
    await callers
      .run(victim)
      .cancel()
      .catch(() => undefined);
  }
  await world.until([requested], ({ status }) => hasEnded(status));
  const job = await callers.job(job_id);
  await world.expectEnd(victim, job, job.decision === 'proceed' ? 'completed' : 'cancelled');
  if (answered !== null)
    expect([answered, job.decision]).toEqual(answered === 409 ? [409, 'proceed'] : [200, 'abort']);
  return { job, answered, decidedAfterMs: Date.parse(job.decided_at ?? '') - end };
}

it('has one winner each time, and job, ledgers, suspension, Temporal and rows agree with it', async () => {
  let aroundMs = 250;
  for (let round = 0; round < ROUNDS; round += 1) {
    const races = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, index) =>
        race((round + index) % 2 ? 'api' : 'temporal', (2 * aroundMs * index) / (AT_ONCE - 1)),
      ),
    );
    // The next ones come closer: around where the pivot was, later where it never was.
    const pivots = races.filter(({ job }) => job.decision === 'proceed');
    const together = pivots.reduce((sum, { decidedAfterMs }) => sum + decidedAfterMs, 0);
    aroundMs = pivots.length === 0 ? 2 * aroundMs : together / pivots.length;
  }
  await world.expectOthersUntouched();
}, 300_000);
