import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

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
    // One after the other. Which files run beside each other depends on what they wait for.
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
          include: ['tests/{integration,replay}/**/*.test.ts'],
          // Most wait for PostgreSQL and Temporal, which want their share of the cores too.
          maxWorkers: Math.max(3, Math.ceil(cores / 2)),
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...everyTest,
          name: 'platforms',
          include: ['tests/{e2e,chaos}/**/*.test.ts'],
          // Each has a platform of processes, which is enough for a core or two.
          maxWorkers: Math.max(2, Math.ceil(cores / 3)),
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
