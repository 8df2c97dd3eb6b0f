import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import SpreadPlatforms from './tests/support/sequencer.js';

/** What holds for every test. */
export const everyTest = {
  // Temporal's worker runs native code and threads of its own: it wants a process, not a thread.
  pool: 'forks' as const,
  // A process that lives for minutes has no use for WebAssembly that is compiled twice, the second time thoroughly.
  execArgv: ['--liftoff-only'],
  // Files of a group share processes, what these have imported, and what they have compiled.
  isolate: false,
  testTimeout: 180_000,
  hookTimeout: 240_000,
  teardownTimeout: 60_000,
};

const cores = availableParallelism();

export default defineConfig({
  test: {
    globalSetup: ['tests/support/global-setup.ts'],
    reporters: ['default'],
    sequence: { sequencer: SpreadPlatforms },
    // One after the other.
    projects: [
      {
        test: {
          ...everyTest,
          name: 'unit',
          include: ['tests/unit/**/*.test.ts'],
          maxWorkers: cores,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...everyTest,
          name: 'integration',
          include: ['tests/{integration,replay,e2e,chaos}/**/*.test.ts'],
          // Most wait for PostgreSQL, Temporal and processes, which want their share of the cores too.
          maxWorkers: Math.max(3, Math.ceil(cores / 2)),
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
