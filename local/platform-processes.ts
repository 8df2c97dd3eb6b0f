/** The processes of a platform: which program each is, and what it is told. */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RegistryEntry } from '../protocol/registry.js';
import type { KeyFiles } from './keys.js';
import { nodeProcess, type ProcessSpec } from './processes.js';
import { programIn } from './programs.js';

/** Files that the processes read, made for this platform. */
export interface PlatformFiles extends KeyFiles {
  /** `LETHE_SERVICES_FILE`. */
  readonly servicesFile: string;
}

/** A service of this repository, as this platform runs it. */
export interface LocalService {
  readonly name: string;
  readonly url: string;
  readonly port: number;
}

/** Participants that are served from their files. */
export interface ServedParticipants {
  /** A file, or a directory of them. */
  readonly path: string;
  readonly firstPort: number;
  readonly entries: readonly RegistryEntry[];
}

export interface PlatformProcessesOptions {
  /** Where the programs were compiled to. */
  readonly programs: string;
  readonly files: PlatformFiles;
  readonly services: readonly LocalService[];
  readonly participants?: ServedParticipants | null;
  readonly ownProcess: readonly string[] | 'all';
  readonly apiPort: number;
  readonly workerHealthPort: number;
  /** For every process. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** `SERVICE_TOKEN_ISSUER` of every local platform. */
export const SERVICE_TOKEN_ISSUER = 'lethe';

/** Writes the registry: every service of this repository, and those that run elsewhere. Gives the file. */
export function writeRegistry(
  directory: string,
  services: readonly LocalService[],
  foreign: readonly RegistryEntry[],
): string {
  const entries: RegistryEntry[] = services.map(({ name, url }) => ({
    name,
    url,
    role: name === 'tenant' ? 'tenant_directory' : 'participant',
  }));
  const file = join(directory, 'services.json');
  writeFileSync(file, `${JSON.stringify([...entries, ...foreign], null, 2)}\n`);
  return file;
}

/** How each process of ours is started. */
export function platformProcesses(options: PlatformProcessesOptions): {
  services: ProcessSpec[];
  worker: ProcessSpec;
  api: ProcessSpec;
} {
  const { files, ownProcess, programs } = options;
  const common = { NODE_ENV: 'development', ...options.environment, SERVICE_TOKEN_ISSUER };
  const platform = {
    EXPORT_DIR: join(dirname(files.signingKeysDirectory), 'exports'),
    ...common,
    LETHE_SERVICES_FILE: files.servicesFile,
    SIGNING_KEYS_DIR: files.signingKeysDirectory,
  };
  const alone = ({ name }: LocalService) => ownProcess === 'all' || ownProcess.includes(name);
  const together = options.services.filter((service) => !alone(service));
  return {
    services: [
      ...(together.length > 0 ? [serviceProcess('services', together, options, common)] : []),
      ...options.services
        .filter(alone)
        .map((service) => serviceProcess(`service-${service.name}`, [service], options, common)),
      ...(options.participants ? [participantsProcess(options.participants, options, common)] : []),
    ],
    worker: nodeProcess({
      name: 'worker',
      program: programIn(programs, 'worker'),
      environment: {
        SCOPE_NOT_COVERED: 'Whatever this laptop’s services have sent elsewhere: e-mail, exports, logs',
        BACKUP_RETENTION: '0s',
        ...platform,
        WORKER_HEALTH_PORT: String(options.workerHealthPort),
      },
      ready: () => answersOk(`http://127.0.0.1:${options.workerHealthPort}/readyz`),
    }),
    api: nodeProcess({
      name: 'api',
      program: programIn(programs, 'api/server'),
      environment: {
        ...platform,
        TOKEN_ISSUERS_FILE: files.tokenIssuersFile,
        API_HOST: '127.0.0.1',
        API_PORT: String(options.apiPort),
      },
      ready: () => answersOk(`http://127.0.0.1:${options.apiPort}/readyz`),
    }),
  };
}

function serviceProcess(
  name: string,
  services: readonly LocalService[],
  { files, programs }: PlatformProcessesOptions,
  environment: Readonly<Record<string, string | undefined>>,
): ProcessSpec {
  return nodeProcess({
    name,
    program: programIn(programs, 'services/main'),
    environment: {
      ...environment,
      SERVE: services.map((service) => `${service.name}:${service.port}`).join(','),
      SERVICE_HOST: '127.0.0.1',
      PLATFORM_JWKS: files.platformJwks,
    },
    ready: async () => {
      const answers = await Promise.all(services.map((service) => answersOk(`${service.url}/readyz`)));
      return answers.every(Boolean);
    },
  });
}

function participantsProcess(
  { path, firstPort, entries }: ServedParticipants,
  { files, programs }: PlatformProcessesOptions,
  environment: Readonly<Record<string, string | undefined>>,
): ProcessSpec {
  return nodeProcess({
    name: 'participants',
    program: programIn(programs, 'cli/lethe'),
    words: ['serve', '--config', path, '--port', String(firstPort)],
    environment: { ...environment, SERVICE_HOST: '127.0.0.1', PLATFORM_JWKS: files.platformJwks },
    ready: async () => {
      const answers = await Promise.all(entries.map(({ url }) => answersOk(`${url}/readyz`)));
      return answers.every(Boolean);
    },
  });
}

async function answersOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
