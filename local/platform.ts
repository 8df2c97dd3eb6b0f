/**
 * A whole platform on this machine: PostgreSQL, migrations, Temporal, the services, the worker and the API, each a
 * process. `npm start`, the demo, and the tests that end processes are built on it.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { databaseUrlName, retainedUrlName } from '../config.js';
import { type MigrationOwner, migrate, migrationOwners } from '../prisma/migrate.js';
import type { RegistryEntry } from '../protocol/registry.js';
import { readParticipants } from '../services/participant-file/files.js';
import { prepareKeys, tenantKeySecret } from './keys.js';
import type { Echo } from './log-lines.js';
import {
  type PlatformFiles,
  platformProcesses,
  type ServedParticipants,
  writeRegistry,
} from './platform-processes.js';
import { freePort, freePorts, freeRange } from './ports.js';
import { checkGivenPostgres, ensureDatabase, preparePostgres } from './postgres.js';
import { type ManagedProcess, Supervisor } from './processes.js';
import { compilePrograms } from './programs.js';
import type { Progress } from './progress.js';
import { createLocalRoles, urlForRole } from './roles.js';
import { settled } from './settled.js';
import { checkGivenTemporal, prepareTemporal } from './temporal.js';

export interface PlatformPorts {
  readonly api: number;
  readonly temporal: number;
  readonly temporalUi: number;
  /** The services take this one and those that follow. */
  readonly servicesFirst: number;
}

export interface PlatformOptions {
  /** Everything that the platform keeps: data, keys, logs, the table of its processes. */
  readonly directory: string;
  /** Free ones by default. */
  readonly ports?: PlatformPorts;
  /** A superuser's URL of a database that exists; by default a PostgreSQL of the platform's own. */
  readonly databaseUrl?: string | undefined;
  /** A Temporal that runs; by default one of the platform's own. */
  readonly temporal?: { readonly address: string; readonly namespace?: string } | undefined;
  /** Where `compilePrograms` has put them; by default they are compiled into the directory. */
  readonly programs?: string | undefined;
  /** Names of this repository's services that are served; all by default. */
  readonly services?: readonly string[];
  /** Services that get a process each; the others share one. */
  readonly ownProcess?: readonly string[] | 'all';
  /** Participants that run elsewhere and have to agree too. */
  readonly foreignServices?: readonly RegistryEntry[];
  /** Participants' files, one or a directory of them: these are served, and none of this repository's services. */
  readonly participants?: string | undefined;
  /** For the API, the worker and the services; what is not set here comes from this process's environment. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Whether a process that ends unasked is started again. */
  readonly keepRunning?: boolean;
  readonly onProgress?: Progress;
  readonly echo?: Echo;
  /** Stops what has been started so far, where somebody changes their mind before everything is. */
  readonly signal?: AbortSignal;
}

export interface PlatformService {
  readonly name: string;
  readonly url: string;
  /** The database as the service's role; null for a participant that runs elsewhere. */
  readonly databaseUrl: string | null;
}

export interface Platform {
  readonly apiUrl: string;
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  /** Null where Temporal was given. */
  readonly temporalUiUrl: string | null;
  /** Superuser's. */
  readonly databaseUrl: string;
  readonly recordsDatabaseUrl: string;
  readonly services: readonly PlatformService[];
  readonly files: PlatformFiles;
  /** Where the compiled programs are: see `programIn`. */
  readonly programs: string;
  /** In the order of their start. */
  readonly processes: readonly ManagedProcess[];
  /** The process of that name: `postgres`, `temporal`, `services`, `service-<name>`, `worker`, `api`. */
  process(name: string): ManagedProcess;
  stop(): Promise<void>;
}

/** Brings a platform up; done when every process is ready. What fails on the way is stopped again. */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const report = options.onProgress ?? (() => undefined);
  mkdirSync(options.directory, { recursive: true });
  const supervisor = new Supervisor({
    directory: options.directory,
    keepRunning: options.keepRunning ?? false,
    report,
    ...(options.echo && { echo: options.echo }),
  });
  const stop = () => void supervisor.stop();
  options.signal?.addEventListener('abort', stop);
  try {
    options.signal?.throwIfAborted();
    return await bringUp(options, supervisor, report);
  } catch (error) {
    await supervisor.stop();
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', stop);
  }
}

async function bringUp(
  options: PlatformOptions,
  supervisor: Supervisor,
  report: Progress,
): Promise<Platform> {
  const ports = options.ports ?? (await somePorts());
  const participants = await participantsOf(options, ports);
  const [databaseUrl, temporal, programs] = await settled([
    bringUpDatabase(options, supervisor, report),
    bringUpTemporal(options, ports, supervisor, report),
    programsOf(options),
  ]);

  const local = (participants ? [] : migrationOwners())
    .filter(({ name }) => name !== 'lethe' && (options.services?.includes(name) ?? true))
    .map(({ name, role, reader }, index) => ({
      name,
      url: `http://127.0.0.1:${ports.servicesFirst + index}`,
      port: ports.servicesFirst + index,
      databaseUrl: urlForRole(databaseUrl, role),
      retainedUrl: reader && urlForRole(databaseUrl, reader),
    }));
  const entries = [...(participants?.entries ?? []), ...(options.foreignServices ?? [])];
  const foreign = entries.map(({ name, url }) => ({ name, url, databaseUrl: null }));
  const files = {
    ...(await prepareKeys(options.directory)),
    servicesFile: writeRegistry(options.directory, local, entries),
  };
  const recordsDatabaseUrl = urlForRole(databaseUrl, 'lethe_records');
  const { services, worker, api } = platformProcesses({
    programs,
    files,
    services: local,
    participants,
    ownProcess: options.ownProcess ?? [],
    apiPort: ports.api,
    workerHealthPort: await freePort(),
    environment: {
      ...(participants && { TENANT_KEY_SECRET: tenantKeySecret(options.directory) }),
      ...options.environment,
      RECORDS_DATABASE_URL: recordsDatabaseUrl,
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: temporal.namespace,
      ...Object.fromEntries(local.map((one) => [databaseUrlName(one.name), one.databaseUrl])),
      ...Object.fromEntries(
        local.flatMap((one) => (one.retainedUrl ? [[retainedUrlName(one.name), one.retainedUrl]] : [])),
      ),
    },
  });
  report(`Starting ${local.length || entries.length} services, the worker and the API`);
  await settled([...services, worker, api].map((spec) => supervisor.start(spec)));

  return {
    apiUrl: `http://127.0.0.1:${ports.api}`,
    temporalAddress: temporal.address,
    temporalNamespace: temporal.namespace,
    temporalUiUrl: options.temporal ? null : `http://127.0.0.1:${ports.temporalUi}`,
    databaseUrl,
    recordsDatabaseUrl,
    services: [
      ...local.map(({ name, url, databaseUrl: own }) => ({ name, url, databaseUrl: own })),
      ...foreign,
    ],
    files,
    programs,
    processes: supervisor.processes,
    process: (name) => {
      const found = supervisor.processes.find((one) => one.name === name);
      if (found) return found;
      const known = supervisor.processes.map((one) => one.name).join(', ');
      throw new Error(`The platform has no process ${name}; it has ${known}.`);
    },
    stop: () => supervisor.stop(),
  };
}

async function programsOf(options: PlatformOptions): Promise<string> {
  if (options.programs !== undefined) return options.programs;
  const programs = join(options.directory, 'programs');
  await compilePrograms(programs);
  return programs;
}

/** What is served from files, on the ports where services would be. */
async function participantsOf(
  { participants: path }: PlatformOptions,
  ports: PlatformPorts,
): Promise<ServedParticipants | null> {
  if (path === undefined) return null;
  const files = await readParticipants(path);
  const entries = files.map(({ file }, place) => ({
    name: file.name,
    url: `http://127.0.0.1:${ports.servicesFirst + place}`,
    role: 'participant' as const,
  }));
  return { path, firstPort: ports.servicesFirst, entries };
}

function ownerOfRecords(): MigrationOwner {
  const owner = migrationOwners().find(({ name }) => name === 'lethe');
  if (owner === undefined) throw new Error('prisma/lethe has no migrations.');
  return owner;
}

async function bringUpDatabase(
  options: PlatformOptions,
  supervisor: Supervisor,
  report: Progress,
): Promise<string> {
  const databaseUrl = options.databaseUrl ?? (await ownDatabase(options.directory, supervisor, report));
  if (options.databaseUrl) await checkGivenPostgres(databaseUrl);
  const owners = options.participants === undefined ? migrationOwners() : [ownerOfRecords()];
  await createLocalRoles(databaseUrl, owners);
  const done = await migrate({ databaseUrl, owners: owners.map(({ name }) => name) });
  const applied = done.reduce((sum, one) => sum + one.applied.length, 0);
  if (applied > 0) report(`Applied ${applied} migrations of ${done.length} owners`);
  return databaseUrl;
}

async function ownDatabase(directory: string, supervisor: Supervisor, report: Progress): Promise<string> {
  report('Starting PostgreSQL');
  const { url, spec } = await preparePostgres({
    directory: join(directory, 'postgres'),
    port: await freePort(),
    durable: true,
    report,
  });
  await supervisor.start(spec);
  return ensureDatabase(url, 'lethe');
}

async function bringUpTemporal(
  options: PlatformOptions,
  ports: PlatformPorts,
  supervisor: Supervisor,
  report: Progress,
): Promise<{ address: string; namespace: string }> {
  if (options.temporal) {
    const { address, namespace = 'default' } = options.temporal;
    await checkGivenTemporal(address, namespace);
    return { address, namespace };
  }
  report('Starting Temporal');
  const spec = await prepareTemporal({
    port: ports.temporal,
    uiPort: ports.temporalUi,
    databaseFile: join(options.directory, 'temporal.db'),
    report,
  });
  await supervisor.start(spec);
  return { address: `127.0.0.1:${ports.temporal}`, namespace: 'default' };
}

async function somePorts(): Promise<PlatformPorts> {
  const count = migrationOwners().length;
  const [api = 0, temporal = 0, temporalUi = 0] = await freePorts(3);
  return { api, temporal, temporalUi, servicesFirst: await freeRange(count) };
}
