/** The tests' configuration, for the files that record instead of testing. */
import { defineConfig } from 'vitest/config';
import { everyTest } from '../../vitest.config.js';

export default defineConfig({
  test: {
    ...everyTest,
    globalSetup: ['tests/support/global-setup.ts'],
    include: ['tests/replay/recording*.ts'],
    exclude: ['tests/replay/recording.config.ts'],
  },
});
