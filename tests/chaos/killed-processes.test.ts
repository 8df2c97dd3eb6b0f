/** `kill -9` of each process while deletions are in the middle of every phase, and its start afterwards. */
import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
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
  world = await openWorld(platform, { victims: KILLS.length * PHASES.length, rows: 1_500 });
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
});
