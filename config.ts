/**
 * The reader of the environment. Each process reads once, at its start, and is told of all faults together.
 * `docs/configuration.md` explains every name; Temporal's own names are read by `@temporalio/envconfig`.
 */
import { z } from 'zod';
import {
  apiVariables,
  cliVariables,
  databaseUrl,
  localVariables,
  migrateVariables,
  serviceVariables,
  workerVariables,
  workerVariablesWhole,
} from './config-variables.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** All that is wrong with the environment, one line a variable. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  constructor(readonly faults: readonly string[]) {
    super(
      `The configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
    );
  }
}

function read<S extends z.ZodType>(schema: S, environment: Environment): z.output<S> {
  const result = schema.safeParse(withoutEmpty(environment));
  if (result.success) return result.data;
  throw new ConfigurationError(
    result.error.issues.map((issue) => {
      const name = issue.path.join('.');
      return environment[name] ? `${name} ${issue.message}` : `${name} is missing: ${missing(issue.message)}`;
    }),
  );
}

// Compose passes unset variables as empty strings.
function withoutEmpty(environment: Environment): Environment {
  return Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
}

function missing(message: string): string {
  return message.startsWith('Invalid input') ? 'it has to be set' : message;
}

/** Configuration of `api/server.ts`. Durations in milliseconds. */
export type ApiConfig = z.output<typeof apiVariables>;
/** Throws `ConfigurationError` that lists every fault. */
export function readApiConfig(environment: Environment = process.env): ApiConfig {
  return read(apiVariables, environment);
}

/** Configuration of `worker.ts`. Durations in milliseconds. */
export type WorkerConfig = z.output<typeof workerVariables>;
/** Throws `ConfigurationError` that lists every fault. */
export function readWorkerConfig(environment: Environment = process.env): WorkerConfig {
  return read(workerVariablesWhole, environment);
}

/** Configuration of `services/main.ts`: which services this process serves, and with which database each. */
export type ServicesConfig = z.output<typeof serviceVariables> & {
  readonly services: readonly {
    readonly name: string;
    readonly port: number;
    readonly databaseUrl: string;
    /** Of the role that may read what is retained; without it that is listed and not shown. */
    readonly retainedUrl: string | undefined;
  }[];
};
/** Throws `ConfigurationError` that lists every fault. */
export function readServicesConfig(environment: Environment = process.env): ServicesConfig {
  const served = (environment.SERVE ?? '').split(',').map((entry) => entry.split(':')[0] ?? '');
  const urls = z.object(
    Object.fromEntries(
      served.filter(Boolean).flatMap((name): [string, z.ZodType][] => [
        [databaseUrlName(name), databaseUrl],
        [retainedUrlName(name), databaseUrl.optional()],
      ]),
    ),
  );
  const both = read(serviceVariables.and(urls), environment) as z.output<typeof serviceVariables> &
    Record<string, string | undefined>;
  const services = both.SERVE.split(',').map((entry) => {
    const [name = '', number = ''] = entry.split(':');
    return {
      name,
      port: Number(number),
      databaseUrl: both[databaseUrlName(name)] ?? '',
      retainedUrl: both[retainedUrlName(name)],
    };
  });
  return { ...both, services };
}

/** Configuration of `lethe serve`: as of services, but for what is served. */
export type ServingConfig = Omit<z.output<typeof serviceVariables>, 'SERVE' | 'ORPHAN_USERS'>;
/** Throws `ConfigurationError` that lists every fault. */
export function readServingConfig(environment: Environment = process.env): ServingConfig {
  return read(serviceVariables.omit({ SERVE: true, ORPHAN_USERS: true }), environment);
}

/** The database URL in the variable that a participant's file names. Throws `ConfigurationError`. */
export function readDatabaseUrl(name: string, environment: Environment = process.env): string {
  return read(z.object({ [name]: databaseUrl }), environment)[name] as string;
}

/** The variable that holds a service's database URL, e.g. `ORDERS_DATABASE_URL`. */
export function databaseUrlName(service: string): string {
  return `${service.toUpperCase().replaceAll('-', '_')}_DATABASE_URL`;
}

/** Likewise for the role that reads what is retained, e.g. `ORDERS_RETAINED_DATABASE_URL`. */
export function retainedUrlName(service: string): string {
  return databaseUrlName(service).replace(/_DATABASE_URL$/, '_RETAINED_DATABASE_URL');
}

/** Configuration of the tools for a laptop (`local/`) and of the tests. */
export type LocalConfig = z.output<typeof localVariables>;
/** Throws `ConfigurationError` that lists every fault. */
export function readLocalConfig(environment: Environment = process.env): LocalConfig {
  return read(localVariables, environment);
}

/** Configuration of `prisma/migrate-cli.ts`. */
export type MigrateConfig = Omit<z.output<typeof migrateVariables>, 'SERVICES_PASSWORD'> & {
  /** Not needed where there are the records alone. */
  readonly SERVICES_PASSWORD?: string | undefined;
};
/** Throws `ConfigurationError` that lists every fault. */
export function readMigrateConfig(environment: Environment = process.env): MigrateConfig {
  const alone = environment.MIGRATE === 'lethe';
  return read(alone ? migrateVariables.partial({ SERVICES_PASSWORD: true }) : migrateVariables, environment);
}

/** What a child process gets: this process's environment and what its parent adds; `undefined` takes a name away. */
export function childEnvironment(additions: Environment = {}): Record<string, string> {
  const entries = Object.entries({ ...process.env, ...additions });
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** Every variable that a process reads, by the process; `docs/configuration.md` has a section for each. */
export const VARIABLES = {
  api: apiVariables.shape,
  worker: workerVariables.shape,
  services: serviceVariables.shape,
  local: localVariables.shape,
  migrations: migrateVariables.shape,
  cli: cliVariables.shape,
} as const;

/** Configuration of `lethe`. */
export type CliConfig = z.output<typeof cliVariables>;
/** Throws `ConfigurationError` that lists every fault. */
export function readCliConfig(environment: Environment = process.env): CliConfig {
  return read(cliVariables, environment);
}
