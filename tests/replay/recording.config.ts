/** The tests' configuration, for the files that record instead of testing. */
import config from '../../vitest.config.js';

export default {
  ...config,
  test: {
    ...config.test,
    include: ['tests/replay/recording*.ts'],
    exclude: ['tests/replay/recording.config.ts'],
  },
};
