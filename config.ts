/**
 * The reader of the environment. Each process reads once, at its start, and is told of all faults together.
 * `docs/configuration.md` explains every name; Temporal's own names are read by `@temporalio/envconfig`.
 */
import { z } from 'zod';
import { duration } from './protocol/duration.js';

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

const port = z.coerce
  .number('should be a port number')
  .int('should be a port number')
  .min(0, 'should be a port number')
  .max(65_535, 'should be a port number');
const databaseUrl = z.url({
  protocol: /^postgres(ql)?$/,
  error: 'should be a PostgreSQL URL: postgres://user:password@host:port/database',
});
function wholeNumber(least: number, most: number) {
  const message = `should be a whole number from ${least} to ${most}`;
  return z.coerce.number(message).int(message).min(least, message).max(most, message);
}
const share = z.coerce
  .number('should be a share from 0 to 1')
  .min(0, 'should be a share from 0 to 1')
  .max(1, 'should be a share from 0 to 1');
const path = z.string().min(1, 'should be a path');
const UNITS = { kB: 1_000, MB: 1_000_000, GB: 1_000_000_000 } as const;
/** Bytes a second, written `16MB`. */
const bytesPerSecond = z
  .string()
  .regex(/^[1-9]\d{0,5}(kB|MB|GB)$/, 'should be bytes a second such as 500kB, 16MB or 1GB')
  .transform((written) => Number(written.slice(0, -2)) * UNITS[written.slice(-2) as keyof typeof UNITS]);
const logLevel = z
  .enum(
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
    'should be fatal, error, warn, info, debug, trace or silent',
  )
  .default('info');

const address = z.url({ protocol: /^https?$/ });
const parts = (written: string) => written.split(',').map((one) => one.trim());
const webhookAddresses = z
  .string()
  .refine(
    (written) => parts(written).every((one) => address.safeParse(one).success),
    'should be http(s) addresses, several with commas',
  )
  .transform(parts);

const general = {
  LOG_LEVEL: logLevel,
  NODE_ENV: z.string().default('development'),
};

const platform = {
  ...general,
  RECORDS_DATABASE_URL: databaseUrl,
  LETHE_SERVICES_FILE: path,
  SIGNING_KEYS_DIR: path,
  SERVICE_TOKEN_ISSUER: z.string().min(1).default('lethe'),
  /** Key of the hash that stands for tenants who are not known by UUID wherever a name would leave the records. */
  TENANT_KEY_SECRET: z.string().min(32, 'should be a secret of at least 32 characters').optional(),
};

const flag = z
  .enum(['true', 'false'], 'should be true or false')
  .default('false')
  .transform((value) => value === 'true');

const apiVariables = z.object({
  ...platform,
  API_HOST: z.string().default('127.0.0.1'),
  API_PORT: port.default(8080),
  TOKEN_ISSUERS_FILE: path,
  RESTORE_WINDOW: duration.prefault('0s'),
  REQUIRE_APPROVAL: flag,
  /** How long an approval is good for. */
  APPROVAL_TTL: duration.prefault('72h'),
  /** Whether a request has to repeat the tenant's name. */
  REQUIRE_NAME_CONFIRMATION: flag,
  RATE_LIMIT_PER_MINUTE: wholeNumber(1, 1_000_000).default(600),
  PREVIEW_TIMEOUT: duration.prefault('15s'),
  EXPORT_DIR: path.optional(),
});

const LEAST_RETENTION_MS = 32 * 24 * 3_600_000;
const longRetention = duration.refine((ms) => ms >= LEAST_RETENTION_MS, 'should be at least 32d');

const workerVariables = z.object({
  ...platform,
  /** Of jobs that the platform opens by itself. */
  REQUIRE_APPROVAL: flag,
  APPROVAL_ROWS_TOLERANCE: share.default(0.1),
  /** How many tenants may go within an hour, and within a day; any number where it is not set. */
  CAP_PER_HOUR: wholeNumber(1, 1_000_000).optional(),
  CAP_PER_DAY: wholeNumber(1, 1_000_000).optional(),
  GIVE_UP_AFTER: duration.prefault('15m'),
  OLDER_TRANSACTION_LIMIT: duration.prefault('4h'),
  LONGEST_TRANSACTION: duration.prefault('10m'),
  SLICE: duration.prefault('5s'),
  ATTENTION_RETRY_EVERY: duration.prefault('10m'),
  RECONCILE_EVERY: duration.prefault('60s'),
  /** Whether erased tenants are still gone. */
  SWEEP_EVERY: duration.prefault('24h'),
  /** Whether retained rows are due. */
  RETENTION_EVERY: duration.prefault('24h'),
  /** The rest of what runs by itself. */
  HOUSEKEEPING_EVERY: duration.prefault('24h'),
  RESURRECTED_TENANTS: z.enum(['report', 'erase'], 'should be report or erase').default('report'),
  EXPORT_DIR: path.optional(),
  EXPORT_TTL: duration.prefault('7d'),
  /** Who is told what becomes of jobs; several with commas. */
  NOTIFY_WEBHOOK_URL: webhookAddresses.optional(),
  NOTIFY_WEBHOOK_SECRET: z.string().min(24, 'should be a secret of at least 24 characters').optional(),
  /** Who has to agree before anything is staged; several with commas. */
  PRE_STAGE_RECEIVERS: webhookAddresses.optional(),
  WORKER_HEALTH_HOST: z.string().default('127.0.0.1'),
  WORKER_HEALTH_PORT: port.default(0),
  SHUTDOWN_GRACE: duration.prefault('10s'),
  WORKFLOW_BUNDLE: path.optional(),
  /** Who a certificate says that it is from. */
  CERTIFICATE_ISSUER: z.string().min(1).default('lethe'),
  /** `scope.not_covered` of certificates: systems outside of the registry, one a line or separated by semicolons. */
  SCOPE_NOT_COVERED: z.string().optional(),
  SCOPE_NOT_COVERED_FILE: path.optional(),
  /** How long after a purge each still has the rows; certificates say that nobody knows where one is not set. */
  BACKUP_RETENTION: duration.optional(),
  WAL_RETENTION: duration.optional(),
  REPLICA_DELAY: duration.optional(),
  /** How long the platform's own records are kept; for ever where it is not set. */
  RECORDS_RETENTION: longRetention.optional(),
  CERTIFICATE_RETENTION: longRetention.optional(),
});
// A certificate that reads as total and is not is worse than none, so somebody has to say what is outside.
const workerVariablesWhole = workerVariables.superRefine((config, context) => {
  const { SCOPE_NOT_COVERED: said, SCOPE_NOT_COVERED_FILE: file } = config;
  const webhooks = config.NOTIFY_WEBHOOK_URL ?? config.PRE_STAGE_RECEIVERS;
  if (webhooks !== undefined && config.NOTIFY_WEBHOOK_SECRET === undefined) {
    const message = 'webhooks are signed, so a secret that the receiver knows is needed';
    context.addIssue({ code: 'custom', path: ['NOTIFY_WEBHOOK_SECRET'], message });
  }
  if ((said === undefined) !== (file === undefined)) return;
  context.addIssue({
    code: 'custom',
    path: ['SCOPE_NOT_COVERED'],
    message:
      said === undefined
        ? 'certificates name the systems outside that hold data of tenants, and have to; say which, or in a file that SCOPE_NOT_COVERED_FILE names'
        : 'and SCOPE_NOT_COVERED_FILE are both set; leave one out',
  });
});

const serviceVariables = z.object({
  ...general,
  /** `name:port`, several with commas. */
  SERVE: z
    .string()
    .regex(/^[a-z][a-z0-9_-]*:\d+(,[a-z][a-z0-9_-]*:\d+)*$/, 'should be name:port, several with commas'),
  SERVICE_HOST: z.string().default('127.0.0.1'),
  PLATFORM_JWKS: z.string().min(1, "should be a path or URL of the platform's public keys"),
  SERVICE_TOKEN_ISSUER: z.string().min(1).default('lethe'),
  LOCK_TIMEOUT: duration.prefault('4s'),
  LONGEST_TRANSACTION: duration.prefault('10m'),
  /** How long a tenant's rows may take in one transaction before they go in chunks; and how many are expected to. */
  CHUNK_AFTER: duration.prefault('10s'),
  CHUNK_AFTER_ROWS: wholeNumber(0, 1_000_000_000).default(500_000),
  CHUNK_TIME: duration.prefault('700ms'),
  WAL_LIMIT: bytesPerSecond.optional(),
  CONCURRENT_WORK: wholeNumber(1, 1_000).default(16),
  POOL_SIZE: wholeNumber(2, 100).default(6),
  /** What becomes of users whose only tenant goes; the tenant service's business alone. */
  ORPHAN_USERS: z.enum(['report', 'delete', 'keep'], 'should be report, delete or keep').default('report'),
});

const localVariables = z.object({
  ...general,
  DATABASE_URL: databaseUrl.optional(),
  TEMPORAL_ADDRESS: z
    .string()
    .regex(/^[^:/]+:\d+$/, 'should be host:port')
    .optional(),
  API_PORT: port.default(8080),
  TEMPORAL_PORT: port.default(7233),
  TEMPORAL_UI_PORT: port.default(8233),
  SERVICES_FIRST_PORT: port.default(8101),
  /** How many random schemas a test of the engine makes, and from which seed. */
  TEST_SCHEMAS: wholeNumber(1, 1_000_000).default(12),
  TEST_SEED: wholeNumber(1, 2_147_483_647).default(7),
  XDG_CACHE_HOME: path.optional(),
  HOME: path.optional(),
  PATH: z.string().default(''),
  CI: z.string().optional(),
});

const migrateVariables = z.object({
  ...general,
  /** Of a role that may create roles and schemas. */
  DATABASE_URL: databaseUrl,
  /** Whose migrations: folders of `prisma/`. All of them by default; `lethe` alone where only others' databases take part. */
  MIGRATE: z
    .string()
    .regex(
      /^[a-z][a-z0-9_-]*(,[a-z][a-z0-9_-]*)*$/,
      'should be names of folders in prisma/, several with commas',
    )
    .optional(),
  RECORDS_PASSWORD: z.string().min(1, 'should be the password of lethe_records'),
  SERVICES_PASSWORD: z.string().min(1, 'should be the password of the roles of the services'),
  /** Of the roles that read what is retained; nobody logs in as one where it is not set. */
  RETAINED_PASSWORD: z.string().min(1).optional(),
});

const cliVariables = z.object({
  ...general,
  API_URL: z
    .url({ protocol: /^https?$/, error: 'should be the address of the API, e.g. http://127.0.0.1:8080' })
    .optional(),
  LETHE_TOKEN: z.string().optional(),
  NO_COLOR: z.string().optional(),
});

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
