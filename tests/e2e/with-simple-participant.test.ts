/** What one platform is enough for: with few services, and a participant more that cannot bring rows back. */
import { afterAll, beforeAll, describe, vi } from 'vitest';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { FEW_SERVICES } from '../support/world.js';
import { commandLine } from './with-simple-participant/command-line.js';
import { type Loyalty, openLoyalty } from './with-simple-participant/loyalty.js';
import { simpleParticipant } from './with-simple-participant/simple-participant.js';

// Seconds on a machine that has nothing else to do.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

let loyalty: Loyalty;
let platform: TestPlatform;

beforeAll(async () => {
  loyalty = await openLoyalty(() => platform.files.platformJwks);
  platform = await startTestPlatform({
    services: FEW_SERVICES,
    foreignServices: [loyalty.entry],
    environment: { GIVE_UP_AFTER: '3s', LOCK_TIMEOUT: '1s', ATTENTION_RETRY_EVERY: '2s' },
  });
});
afterAll(async () => {
  await platform?.stop();
  await loyalty?.close();
});

describe('lethe', () => commandLine(() => platform));
describe('a participant that cannot bring rows back', () => simpleParticipant(() => ({ platform, loyalty })));
