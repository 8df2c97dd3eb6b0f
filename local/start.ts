/** `npm start`: everything on this machine, until Ctrl-C. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type LocalConfig, readLocalConfig } from '../config.js';
import { migrationOwners } from '../prisma/migrate.js';
import { readParticipants } from '../services/participant-file/files.js';
import { tryLock } from './lock.js';
import { echoToTerminal } from './log-lines.js';
import { stateDirectory } from './paths.js';
import { type Platform, type PlatformPorts, startPlatform } from './platform.js';
import { isFree } from './ports.js';
import { endLeftovers, readProcessTable } from './process-table.js';
import { removeLocalEnvironment, writeLocalEnvironment } from './state.js';
import { onStopAsked } from './stop-signals.js';

// PostgreSQL's and Temporal's own lines are for the file; a person looks at them when something is wrong.
const QUIET = new Set(['postgres', 'temporal']);
const STOPPING_AGAIN_AFTER_MS = 1_000;

const say = (message: string): void => void process.stdout.write(`${message}\n`);

async function main(): Promise<void> {
  const config = readLocalConfig();
  const { values } = parseArgs({ options: { participants: { type: 'string' } } });
  const release = tryLock(join(stateDirectory, 'start.lock'));
  if (release === null) {
    const supervisor = readProcessTable(join(stateDirectory, 'processes.json'))?.supervisor.pid;
    throw new Error(
      `Lethe is running already from this clone${supervisor ? ` (process ${supervisor})` : ''}: its addresses are in .lethe/local.env. Stop that one first (Ctrl-C there${supervisor ? `, or kill ${supervisor}` : ''}).`,
    );
  }
  process.once('exit', release);
  const left = await endLeftovers(join(stateDirectory, 'processes.json'));
  if (left.length > 0) say(`Ended what an earlier start left running: ${left.join(', ')}`);

  const ports = portsOf(config);
  await checkPorts(ports, config, await servedNames(values.participants));
  const terminal = echoToTerminal();
  const stopping = new AbortController();
  const starting = startPlatform({
    directory: stateDirectory,
    ports,
    databaseUrl: config.DATABASE_URL,
    participants: values.participants,
    temporal: config.TEMPORAL_ADDRESS ? { address: config.TEMPORAL_ADDRESS } : undefined,
    keepRunning: true,
    onProgress: say,
    echo: (name, line) => {
      if (!QUIET.has(name)) terminal(name, line);
    },
    signal: stopping.signal,
  });
  onStop(async () => {
    say('Stopping the API, the worker and the services, then what they stand on');
    removeLocalEnvironment();
    stopping.abort();
    const started = await starting.catch(() => undefined);
    await started?.stop();
  });
  const platform = await starting.catch((error: unknown) => {
    // What was being started fails when it is stopped; that is no news.
    if (stopping.signal.aborted) return null;
    throw error;
  });
  if (platform === null) return;
  writeLocalEnvironment(platform);
  say(summary(platform, values.participants === undefined));
}

/** Who gets a port. */
async function servedNames(participants: string | undefined): Promise<string[]> {
  if (participants !== undefined) return (await readParticipants(participants)).map(({ file }) => file.name);
  return migrationOwners()
    .map(({ name }) => name)
    .filter((name) => name !== 'lethe');
}

function portsOf(config: LocalConfig): PlatformPorts {
  return {
    api: config.API_PORT,
    temporal: config.TEMPORAL_PORT,
    temporalUi: config.TEMPORAL_UI_PORT,
    servicesFirst: config.SERVICES_FIRST_PORT,
  };
}

async function checkPorts(
  ports: PlatformPorts,
  config: LocalConfig,
  services: readonly string[],
): Promise<void> {
  const wanted = [
    { port: ports.api, what: 'the API', variable: 'API_PORT' },
    ...(config.TEMPORAL_ADDRESS
      ? []
      : [
          { port: ports.temporal, what: 'Temporal', variable: 'TEMPORAL_PORT' },
          { port: ports.temporalUi, what: "Temporal's UI", variable: 'TEMPORAL_UI_PORT' },
        ]),
    ...services.map((name, index) => ({
      port: ports.servicesFirst + index,
      what: `the service ${name}`,
      variable: 'SERVICES_FIRST_PORT',
    })),
  ];
  const free = await Promise.all(wanted.map(({ port }) => isFree(port)));
  const taken = wanted.filter((_, index) => !free[index]);
  if (taken.length === 0) return;
  throw new Error(
    [
      'These ports are in use by another program:',
      ...taken.map(
        ({ port, what, variable }) => `  - ${port}, wanted for ${what}; choose another with ${variable}`,
      ),
      'Stop that program (`lsof -i :PORT` names it), or set the variables, e.g. `API_PORT=8090 npm start`.',
    ].join('\n'),
  );
}

/** Stops once, however often somebody asks for it. */
function onStop(stop: () => Promise<void>): void {
  let stoppingSince: number | undefined;
  onStopAsked(() => {
    if (stoppingSince === undefined) {
      stoppingSince = Date.now();
      stop().then(
        () => process.exit(0),
        (error: unknown) => fail(error),
      );
    } else if (Date.now() - stoppingSince > STOPPING_AGAIN_AFTER_MS) {
      say('Still stopping; what does not stop by itself is ended after 20 s');
    }
  });
}

function summary(platform: Platform, seeded: boolean): string {
  const log = join(stateDirectory, 'logs').replace(`${process.cwd()}/`, '');
  return [
    '',
    'Lethe is running.',
    `  API            ${platform.apiUrl}  (${platform.apiUrl}/docs)`,
    ...(platform.temporalUiUrl ? [`  Temporal's UI  ${platform.temporalUiUrl}`] : []),
    `  Temporal       ${platform.temporalAddress}`,
    `  Services       ${platform.services.length}, each with an address in .lethe/local.env`,
    `  Logs           ${log}/`,
    '',
    'Next, in another terminal:',
    ...(seeded ? ['  npm run seed -- --tenants 2 --rows 20000'] : []),
    '  export LETHE_TOKEN=$(npm run --silent token -- --role operator)',
    '  npm run lethe -- delete TENANT_ID',
    '',
    'Ctrl-C stops everything.',
    '',
  ].join('\n');
}

function fail(error: unknown): never {
  process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

main().catch(fail);
