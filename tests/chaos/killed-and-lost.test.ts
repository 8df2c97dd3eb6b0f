/** Processes that are killed, runs and databases that are lost, races: on one platform, one after the other. */
import { afterAll, beforeAll, describe, vi } from 'vitest';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { HELD_SERVICE } from '../support/scene.js';
import { FEW_SERVICES } from '../support/world.js';
import { cancelRacesPivot } from './killed-and-lost/cancel-races-pivot.js';
import { deletionsThatWait } from './killed-and-lost/deletions-that-wait.js';
import { killedProcesses } from './killed-and-lost/killed-processes.js';
import { runsEndedByHand } from './killed-and-lost/runs-ended-by-hand.js';

// Seconds on a machine that has nothing else to do.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

let platform: TestPlatform;

beforeAll(async () => {
  platform = await startTestPlatform({
    services: FEW_SERVICES,
    ownTemporal: true,
    ownProcess: [HELD_SERVICE],
    environment: { GIVE_UP_AFTER: '4m', SLICE: '3s', RECONCILE_EVERY: '3s', ATTENTION_RETRY_EVERY: '2s' },
  });
});
afterAll(() => platform?.stop());

describe('a deletion that waits', () => deletionsThatWait(() => platform));
describe('cancel against the pivot', () => cancelRacesPivot(() => platform));
describe('kill -9', () => killedProcesses(() => platform));
describe('runs that are ended by hand', () => runsEndedByHand(() => platform));
