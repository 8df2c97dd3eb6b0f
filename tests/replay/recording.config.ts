/** The tests' configuration, for the one file that records instead of testing. */
import config from '../../vitest.config.js';

export default { ...config, test: { ...config.test, include: ['tests/replay/recording.ts'] } };
