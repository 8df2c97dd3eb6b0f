/** Faults that one platform lives through, one after the other. */
import { afterAll, beforeAll, describe, vi } from 'vitest';
import { startTestPlatform, type TestPlatform } from '../support/platform.js';
import { FEW_SERVICES } from '../support/world.js';
import { databaseTrouble } from './trouble/database-trouble.js';
import { failureAndReplay } from './trouble/failure-and-replay.js';
import { participantsMisbehave } from './trouble/participants-misbehave.js';

// Seconds on a machine that has nothing else to do.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

let platform: TestPlatform;

beforeAll(async () => {
  platform = await startTestPlatform({
    services: [...FEW_SERVICES, 'suppliers'],
    environment: {
      GIVE_UP_AFTER: '8s',
      SLICE: '3s',
      ATTENTION_RETRY_EVERY: '2s',
      RECONCILE_EVERY: '10s',
      LOG_LEVEL: 'debug',
    },
  });
});
afterAll(() => platform?.stop());

describe('a deletion that fails', () => failureAndReplay(() => platform));
describe('what other sessions of a database do', () => databaseTrouble(() => platform));
describe('participants that misbehave', () => participantsMisbehave(() => platform));
