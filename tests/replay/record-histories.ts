/**
 * `npm run record-histories`: records a history of every way a run can end or wait, by the workflow as it is now. Do
 * it for a release, and keep those of the release before for as long as its runs may still wait.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { projectRoot } from '../../local/paths.js';

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const { status } = spawnSync(
  process.execPath,
  [vitest, 'run', '--root', projectRoot, '--config', 'tests/replay/recording.config.ts'],
  { stdio: 'inherit', cwd: projectRoot },
);
process.exitCode = status ?? 1;
