/** What each process reads from the environment: name, form and default of every variable. Read by `config.ts` alone. */
import { z } from 'zod';
import { duration } from './protocol/duration.js';

const port = z.coerce
  .number('should be a port number')
  .int('should be a port number')
  .min(0, 'should be a port number')
  .max(65_535, 'should be a port number');
export const databaseUrl = z.url({
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

export const apiVariables = z.object({
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

export const workerVariables = z.object({
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
export const workerVariablesWhole = workerVariables.superRefine((config, context) => {
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

export const serviceVariables = z.object({
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

export const localVariables = z.object({
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

export const migrateVariables = z.object({
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

export const cliVariables = z.object({
  ...general,
  API_URL: z
    .url({ protocol: /^https?$/, error: 'should be the address of the API, e.g. http://127.0.0.1:8080' })
    .optional(),
  LETHE_TOKEN: z.string().optional(),
  NO_COLOR: z.string().optional(),
});
