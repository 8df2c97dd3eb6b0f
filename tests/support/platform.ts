/** A platform of processes for a test: a database of its own, free ports, and nothing left behind. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inject } from 'vitest';
import { projectRoot } from '../../local/paths.js';
import { type Platform, type PlatformOptions, startPlatform } from '../../local/platform.js';
import { newDirectory } from './own-directory.js';
import { createTestDatabase } from './postgres.js';
import { workflowBundle } from './workflow-bundle.js';

export interface TestPlatform extends Platform {
  /** What a process printed so far. */
  logOf(process: string): string;
}

export type TestPlatformOptions = Partial<
  Pick<
    PlatformOptions,
    'services' | 'ownProcess' | 'foreignServices' | 'participants' | 'environment' | 'keepRunning' | 'echo'
  >
> & {
  /** Has a Temporal of its own, which the test may end; otherwise a namespace of the run's. */
  readonly ownTemporal?: boolean;
};

/** Starts one. What it takes from the run is its own there: a database, a namespace. */
export async function startTestPlatform({
  ownTemporal = false,
  ...options
}: TestPlatformOptions = {}): Promise<TestPlatform> {
  const database = await createTestDatabase({
    template: options.participants === undefined ? 'platform' : 'empty',
  });
  const directory = newDirectory();
  const address = inject('temporalAddress');
  const cleanUp = async () => {
    await database.drop();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const platform = await startPlatform({
      directory,
      databaseUrl: database.url,
      programs: inject('programs'),
      temporal: ownTemporal ? undefined : { address, namespace: `lethe-${basename(directory)}` },
      ...options,
      environment: {
        WORKFLOW_BUNDLE: await workflowBundle(),
        NODE_OPTIONS: `--import=${pathToFileURL(join(projectRoot, 'tests/support/brief-process.mjs'))}`,
        ...options.environment,
      },
    });
    return {
      ...platform,
      logOf: (process) => {
        const file = join(directory, 'logs', `${process}.log`);
        return existsSync(file) ? readFileSync(file, 'utf8') : '';
      },
      stop: async () => {
        await platform.stop();
        await cleanUp();
      },
    };
  } catch (error) {
    await cleanUp();
    throw error;
  }
}
