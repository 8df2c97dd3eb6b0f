import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    globalSetup: ['tests/support/global-setup.ts'],
    // Temporal's worker runs native code and threads of its own: it wants a process, not a thread.
    pool: 'forks',
    // Most tests wait for PostgreSQL and Temporal, which want their share of the cores too.
    maxWorkers: Math.max(3, Math.ceil(availableParallelism() / 2)),
    testTimeout: 180_000,
    hookTimeout: 240_000,
    teardownTimeout: 60_000,
    reporters: ['default'],
  },
});
