/** Before the first test: one PostgreSQL cluster and one Temporal server for the whole run. After the last: none. */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestProject } from 'vitest/node';
import { readLocalConfig } from '../../config.js';
import { isAlive, tryLock } from '../../local/lock.js';
import { projectRoot, stateDirectory } from '../../local/paths.js';
import { freePorts } from '../../local/ports.js';
import { checkGivenPostgres, preparePostgres } from '../../local/postgres.js';
import { endLeftovers } from '../../local/process-table.js';
import { Supervisor } from '../../local/processes.js';
import { compilePrograms } from '../../local/programs.js';
import { settled } from '../../local/settled.js';
import { checkGivenTemporal, prepareTemporal } from '../../local/temporal.js';
import { directoryInMemory, sweepMemory } from './cluster-directory.js';
import type {} from './provided.js';
import { dropDatabases, sweepDatabases } from './test-databases.js';

const testsDirectory = join(stateDirectory, 'tests');
const platformsDirectory = join(testsDirectory, 'platforms');

// Temporal is written in Go. With a second thread for its work it takes a tenth more of the processors, to wake one by the
// other, and these are what a run waits for. Its build, which may come first, has them all.
const ONE_THREAD = { GOMAXPROCS: '1' };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const runName = `${hostname()
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '')
    .slice(0, 12)}_${process.pid}`;
  project.provide('runName', runName);
  if (onlyUnitTests()) {
    project.provide('postgresUrl', '');
    project.provide('temporalAddress', '');
    project.provide('programs', '');
    return async () => undefined;
  }

  mkdirSync(testsDirectory, { recursive: true });
  await sweepDirectories();
  sweepMemory();
  // The one directory that keeps its template between runs; a second run at the same time makes one of its own.
  const release = tryLock(join(testsDirectory, 'kept.lock'));
  const directory = join(testsDirectory, release ? 'kept' : String(process.pid));
  await endLeftovers(join(directory, 'processes.json'));
  const supervisor = new Supervisor({ directory, keepRunning: false, report });
  // Some files are run again and again, and then the template that was kept counts; a whole run makes its own.
  const inMemory = askedFor().length === 0 ? directoryInMemory() : null;
  const removals = [...(release ? [] : [directory]), ...(inMemory ? [inMemory] : [])];
  const finish = async () => {
    await supervisor.stop();
    for (const path of removals) rmSync(path, { recursive: true, force: true });
    release?.();
  };

  try {
    const [postgresPort = 0, temporalPort = 0] = await freePorts(2);
    const programs = join(directory, 'programs');
    const [postgresUrl, temporalAddress] = await settled([
      startPostgres(supervisor, inMemory ?? directory, postgresPort, release ? [] : removals),
      startTemporal(supervisor, temporalPort),
      compilePrograms(programs),
    ]);
    await sweepDatabases(postgresUrl, runName);
    project.provide('postgresUrl', postgresUrl);
    project.provide('temporalAddress', temporalAddress);
    project.provide('programs', programs);
    return async () => {
      await dropDatabases(postgresUrl, runName);
      await finish();
    };
  } catch (error) {
    await finish();
    throw error;
  }
}

// Vitest does not tell a set-up which files were asked for; its command line does.
function askedFor(): string[] {
  return process.argv.slice(2).filter((word) => !word.startsWith('-') && !['run', 'watch'].includes(word));
}

function onlyUnitTests(): boolean {
  const asked = askedFor();
  const unit = join(projectRoot, 'tests', 'unit');
  return asked.length > 0 && asked.every((path) => resolve(path).startsWith(unit));
}

async function startPostgres(
  supervisor: Supervisor,
  directory: string,
  port: number,
  removals: string[],
): Promise<string> {
  const given = readLocalConfig().DATABASE_URL;
  if (given) {
    await checkGivenPostgres(given);
    return given;
  }
  const { url, dataDirectory, spec } = await preparePostgres({
    directory: join(directory, 'postgres'),
    port,
    durable: false,
    report,
  });
  // Not always within the run's directory: see reachableDirectory.
  removals.push(dataDirectory);
  await supervisor.start(spec);
  return url;
}

async function startTemporal(supervisor: Supervisor, port: number): Promise<string> {
  const given = readLocalConfig().TEMPORAL_ADDRESS;
  if (given) {
    await checkGivenTemporal(given);
    return given;
  }
  await supervisor.start({ ...(await prepareTemporal({ port, report })), environment: ONE_THREAD });
  return `127.0.0.1:${port}`;
}

/** Directories of runs that are gone: what still runs there is ended, then they are removed. */
async function sweepDirectories(): Promise<void> {
  for (const parent of [testsDirectory, platformsDirectory]) {
    for (const name of existsSync(parent) ? readdirSync(parent) : []) {
      const pid = /^(\d+)(-\d+)?$/.exec(name)?.[1];
      if (pid === undefined || isAlive(Number(pid))) continue;
      await endLeftovers(join(parent, name, 'processes.json'));
      rmSync(join(parent, name), { recursive: true, force: true });
    }
  }
}

function report(message: string): void {
  process.stderr.write(`${message}\n`);
}
