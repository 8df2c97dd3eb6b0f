/** `kill -9` of each process, and of every connection to the database, while deletions are in the middle of every phase, and its start afterwards. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { HELD_SERVICE, type ScenePhase, setScene } from '../support/scene.js';
import { openWorld, type World } from '../support/world.js';

const PHASES: readonly ScenePhase[] = ['stage', 'restore', 'pivot', 'purge'];
const KILLS = [
  ['the worker', 'worker', 'cancelled'],
  ['a service', `service-${HELD_SERVICE}`, 'compensated'],
  ['the API', 'api', 'compensated'],
  ['Temporal', 'temporal', 'cancelled'],
] as const;
const WITHIN_MS = 240_000;

let platform: TestPlatform;
let world: World;

beforeAll(async () => {
  platform = await startTestPlatform({
    ownTemporal: true,
    ownProcess: [HELD_SERVICE],
    environment: { GIVE_UP_AFTER: '4m', SLICE: '1s', RECONCILE_EVERY: '2s', ATTENTION_RETRY_EVERY: '2s' },
  });
  world = await openWorld(platform, { victims: (KILLS.length + 1) * PHASES.length, rows: 1_500 });
});
afterEach(() => world?.holds.releaseAll());
afterAll(async () => {
  await world?.close();
  await platform?.stop();
});

describe('kill -9 in the middle of stage, restore, pivot and purge', () => {
  it.each(KILLS)(
    'of %s: every job ends as its decision says, and nobody else notices',
    async (_, name, goesBack) => {
      const scene = await setScene(world, { phases: PHASES, goesBack });
      await platform.process(name).kill('SIGKILL');
      await platform.process(name).restart();
      await scene.letGo();
      await scene.expectEnds();
    },
    WITHIN_MS,
  );

  it(
    'of the sessions that are in the middle of it: every job ends as its decision says',
    async () => {
      const scene = await setScene(world, { phases: PHASES, goesBack: 'cancelled' });
      for (const [phase, { job }] of scene.held) {
        const name = phase === 'pivot' ? 'lethe records' : `lethe ${job.job_id}%`;
        const ended = await world.callers.sql(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND application_name LIKE $1 AND wait_event_type = 'Lock'`,
          [name],
        );
        expect([phase, ended.length > 0]).toEqual([phase, true]);
      }
      await scene.letGo();
      await scene.expectEnds();
    },
    WITHIN_MS,
  );
});
