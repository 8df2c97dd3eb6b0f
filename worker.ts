/** The Temporal worker's process: the workflow, its activities, and the reconciler. */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import {
  DefaultLogger,
  makeTelemetryFilterString,
  NativeConnection,
  Runtime,
  Worker,
} from '@temporalio/worker';
import closeWithGrace from 'close-with-grace';
import { type Logger, pino } from 'pino';
import {
  createActivities,
  createCertificateSigner,
  createTokenGiver,
  createWorks,
  settleEndedJob,
} from './activities/index.js';
import { createPreStage } from './activities/pre-stage.js';
import { ConfigurationError, readWorkerConfig, type WorkerConfig } from './config.js';
import { previewHash } from './proof/preview-hash.js';
import { createServiceClient } from './protocol/client.js';
import { JsonFileError, readJsonFile } from './protocol/json-file.js';
import { readSigningKeys, SigningKeyError } from './protocol/keys.js';
import { registry } from './protocol/registry.js';
import { createPublicKeyOf } from './protocol/tenant-key.js';
import { createTokenIssuer } from './protocol/tokens.js';
import { TASK_QUEUE } from './protocol/workflow.js';
import { createRecords } from './records/index.js';
import { createNotifier } from './records/notifier.js';
import { createReconciler } from './records/reconciler.js';
import { createRuns } from './records/runs.js';
import { ensureSearchAttributes } from './records/search-attributes.js';
import { closed, serveHealth } from './worker-health.js';
import { keepSchedules } from './worker-schedules.js';

const CONNECT_AGAIN_MS = 1_000;
/** How long a sweep waits for one answer of a service. */
const ASK_WITHIN_MS = 60_000;
/** Heartbeats carry cancellation back, so they are not saved up for long. */
const HEARTBEAT_AT_LEAST_EVERY = '2s';

async function main(): Promise<void> {
  const config = readWorkerConfig();
  const entries = await readJsonFile(config.LETHE_SERVICES_FILE, registry, 'LETHE_SERVICES_FILE');
  const keys = await readSigningKeys(config.SIGNING_KEYS_DIR, 'service-token');
  const temporal = loadClientConnectConfig();
  const namespace = temporal.namespace ?? 'default';
  const logger = pino({
    level: config.LOG_LEVEL,
    base: { service: 'worker' },
    timestamp: pino.stdTimeFunctions.isoTime,
  });
  installRuntime(logger);

  const publicKeyOf = createPublicKeyOf(config.TENANT_KEY_SECRET);
  const records = createRecords({
    databaseUrl: config.RECORDS_DATABASE_URL,
    publicKeyOf,
    gate: {
      rowsTolerance: config.APPROVAL_ROWS_TOLERANCE,
      capPerHour: config.CAP_PER_HOUR ?? null,
      capPerDay: config.CAP_PER_DAY ?? null,
    },
  });
  const issuer = createTokenIssuer({ key: keys.signing, issuer: config.SERVICE_TOKEN_ISSUER });
  const tokenFor = createTokenGiver({ records, issuer });
  const services = entries.map((service) => createServiceClient({ service, tokenFor }));
  const limits = { sliceMs: config.SLICE, longestTransactionMs: config.LONGEST_TRANSACTION };
  const works = createWorks({
    records,
    services,
    logger,
    ...(config.EXPORT_DIR !== undefined && { exportDirectory: config.EXPORT_DIR }),
    keeping: {
      issuer: config.CERTIFICATE_ISSUER,
      readKeys: () => readSigningKeys(config.SIGNING_KEYS_DIR, 'records'),
      recordsMs: config.RECORDS_RETENTION ?? null,
      certificatesMs: config.CERTIFICATE_RETENTION ?? null,
    },
    settings: {
      resurrected: config.RESURRECTED_TENANTS,
      requireApproval: config.REQUIRE_APPROVAL,
      askWithinMs: Math.min(config.LONGEST_TRANSACTION, ASK_WITHIN_MS),
      timeoutMs: config.LONGEST_TRANSACTION,
    },
  });
  const preStage = createPreStage({
    urls: config.PRE_STAGE_RECEIVERS ?? [],
    secret: config.NOTIFY_WEBHOOK_SECRET,
    publicKeyOf,
  });
  const activities = createActivities({
    records,
    services,
    previewHash,
    certificates: createCertificateSigner({
      issuer: config.CERTIFICATE_ISSUER,
      readKeys: () => readSigningKeys(config.SIGNING_KEYS_DIR, 'certificate'),
      coverage: {
        systems: await systemsOutside(config),
        backupsMs: config.BACKUP_RETENTION ?? null,
        walMs: config.WAL_RETENTION ?? null,
        replicasMs: config.REPLICA_DELAY ?? null,
      },
    }),
    housekeeping: works,
    ...(config.EXPORT_DIR !== undefined && {
      exports: { directory: config.EXPORT_DIR, ttlMs: config.EXPORT_TTL },
    }),
    ...(preStage !== null && { preStage }),
    settings: {
      ...limits,
      giveUpAfterMs: config.GIVE_UP_AFTER,
      olderTransactionLimitMs: config.OLDER_TRANSACTION_LIMIT,
      attentionRetryEveryMs: config.ATTENTION_RETRY_EVERY,
    },
  });
  const connection = Connection.lazy(temporal.connectionOptions);
  const runs = createRuns({
    connection,
    namespace,
    publicKeyOf,
  });
  const reconciler = createReconciler({
    records,
    runs,
    services,
    settle: (client, open) => settleEndedJob(records, client, open, limits),
    everyMs: config.RECONCILE_EVERY,
    logger,
  });

  const notifier = createNotifier({
    records,
    receivers: receiversOf(config),
    publicKeyOf,
    logger,
  });

  const stopping = new AbortController();
  let worker: Worker | null = null;
  const health = await serveHealth({
    host: config.WORKER_HEALTH_HOST,
    port: config.WORKER_HEALTH_PORT,
    records,
    checks: {
      records: () => records.ready(),
      temporal: () => runs.ready(),
      worker: async () => {
        if (worker?.getState() !== 'RUNNING') throw new Error('The worker is not connected to Temporal yet.');
      },
    },
  });

  const work = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      let native: NativeConnection | null = null;
      try {
        native = await NativeConnection.connect(temporal.connectionOptions);
        await registerSearchAttributes(connection, namespace, logger);
        await keepSchedules(config, works, { connection, namespace }, logger);
        worker = await createWorker({ config, activities, connection: native, namespace });
        if (stopping.signal.aborted) break;
        logger.info({ namespace, task_queue: TASK_QUEUE }, 'The worker runs.');
        await worker.run();
      } catch (error) {
        logger.warn({ reason: reasonOf(error) }, 'Temporal cannot be reached; it is tried again.');
      } finally {
        worker = null;
        await native?.close().catch(() => undefined);
      }
      await sleep(CONNECT_AGAIN_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };

  const working = work();
  reconciler.start();
  notifier.start();
  closeWithGrace({ delay: config.SHUTDOWN_GRACE + 10_000, logger: false }, async ({ err, signal }) => {
    if (err) logger.error({ reason: err.stack }, 'The process stops after an error that nobody caught.');
    else logger.info({ signal }, 'The process stops.');
    stopping.abort();
    if (worker?.getState() === 'RUNNING') worker.shutdown();
    await Promise.all([working, reconciler.stop(), notifier.stop()]);
    await Promise.all([...services.map((client) => client.close()), preStage?.sender.close()]);
    await Promise.all([connection.close(), records.close(), closed(health)]);
  });
}

function receiversOf({ NOTIFY_WEBHOOK_URL: urls, NOTIFY_WEBHOOK_SECRET: secret }: WorkerConfig) {
  return urls === undefined || secret === undefined ? null : { urls, secret };
}

/** `scope.not_covered`, as the configuration has it. */
async function systemsOutside(config: WorkerConfig): Promise<string[]> {
  const file = config.SCOPE_NOT_COVERED_FILE;
  const said =
    file === undefined ? (config.SCOPE_NOT_COVERED ?? '') : await readFile(file, 'utf8').catch(() => '');
  const systems = said
    .split(/[;\n]/)
    .map((one) => one.trim())
    .filter((one) => one !== '');
  if (systems.length > 0) return systems;
  throw new ConfigurationError([
    file === undefined
      ? 'SCOPE_NOT_COVERED names no system; where there is none outside, say so in words'
      : `SCOPE_NOT_COVERED_FILE (${file}) names no system, or cannot be read`,
  ]);
}

function createWorker(options: {
  readonly config: WorkerConfig;
  readonly activities: object;
  readonly connection: NativeConnection;
  readonly namespace: string;
}): Promise<Worker> {
  const { config, activities, connection, namespace } = options;
  const workflows = new URL(`./workflows/index${extname(import.meta.url)}`, import.meta.url);
  return Worker.create({
    connection,
    namespace,
    activities,
    taskQueue: TASK_QUEUE,
    ...(config.WORKFLOW_BUNDLE === undefined
      ? { workflowsPath: fileURLToPath(workflows) }
      : { workflowBundle: { codePath: config.WORKFLOW_BUNDLE } }),
    shutdownGraceTime: config.SHUTDOWN_GRACE,
    maxHeartbeatThrottleInterval: HEARTBEAT_AT_LEAST_EVERY,
    // One for every service of several jobs: most of the time they wait for a service.
    maxConcurrentActivityTaskExecutions: 200,
  });
}

// Without the right to do so, somebody else has to register them; runs cannot be started until then.
async function registerSearchAttributes(
  connection: Connection,
  namespace: string,
  logger: Logger,
): Promise<void> {
  try {
    await ensureSearchAttributes(connection, namespace);
  } catch (error) {
    logger.error(
      { reason: reasonOf(error) },
      'Search attributes could not be registered; register TenantId and DeletionStatus as Keyword and FailedServices as KeywordList.',
    );
  }
}

/** Signals are this process's to handle, and the SDK's logs go where ours go. */
function installRuntime(logger: Logger): void {
  Runtime.install({
    shutdownSignals: [],
    telemetryOptions: {
      logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) },
    },
    logger: new DefaultLogger('INFO', ({ level, message, meta }) => {
      // Whoever has a task's token may complete it.
      const { error, taskToken: _secret, ...facts } = (meta ?? {}) as Record<string, unknown>;
      // What our activities say is the worker's news; what the SDK says of itself is not.
      const info = facts.sdkComponent === 'activity' ? 'info' : 'debug';
      const method = ({ TRACE: 'trace', DEBUG: 'debug', INFO: info, WARN: 'warn', ERROR: 'error' } as const)[
        level
      ];
      logger[method]({ ...plain(facts), ...(error !== undefined && { reason: reasonOf(error) }) }, message);
    }),
  });
}

function plain(facts: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(facts).filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value)),
  );
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

main().catch((error: unknown) => {
  const configuration =
    error instanceof ConfigurationError || error instanceof JsonFileError || error instanceof SigningKeyError;
  process.stderr.write(
    `${configuration ? error.message : error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.exit(configuration ? 2 : 1);
});
