/** The saga with everything real around it: records, Temporal, HTTP and tokens; the participants' rows lie in memory. */
import { randomUUID } from 'node:crypto';
import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import pg from 'pg';
import { expect } from 'vitest';
import type { ExportSettings } from '../../activities/export.js';
import type { HousekeepingWorks } from '../../activities/housekeeping.js';
import { createActivities, createTokenGiver, settleEndedJob } from '../../activities/index.js';
import type { PreStageSettings } from '../../activities/pre-stage.js';
import type { SagaSettings } from '../../activities/types.js';
import { previewHash } from '../../proof/preview-hash.js';
import { createServiceClient, type ServiceClient } from '../../protocol/client.js';
import { type DeletionOptions, hasEnded, type JobView } from '../../protocol/jobs.js';
import type { RegistryEntry } from '../../protocol/registry.js';
import { workflowIdOf } from '../../protocol/workflow.js';
import type { GateRules } from '../../records/gate-types.js';
import { createRecords } from '../../records/index.js';
import { createReconciler, type Reconciler } from '../../records/reconciler.js';
import { createRuns, type JobRuns } from '../../records/runs.js';
import { ensureSearchAttributes } from '../../records/search-attributes.js';
import type { Actor, Records } from '../../records/types.js';
import { type TestCertificates, testCertificates } from './certificates.js';
import { type UntilOptions, until } from './conditions.js';
import { type FaultyProxy, type Held, type ProxiedRequest, startFaultyProxy } from './faulty-proxy.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';
import { createTestKeys, serveParticipant, type TestPlatformKeys } from './service-server.js';
import { stagingDirectory } from './staging-directory.js';
import { type StagingParticipant, stagingParticipant } from './staging-participant.js';
import { connectTemporal } from './temporal.js';
import { quietRuntime } from './temporal-runtime.js';
import { workflowBundle } from './workflow-bundle.js';

export const OPERATOR: Actor = { kind: 'user', id: 'an-operator', role: 'operator' };

export interface SagaWorker {
  stop(): Promise<void>;
}

export interface TestSaga {
  readonly database: TestDatabase;
  readonly pool: pg.Pool;
  readonly records: Records;
  readonly runs: JobRuns;
  readonly reconciler: Reconciler;
  readonly client: Client;
  readonly taskQueue: string;
  readonly keys: TestPlatformKeys;
  readonly certificates: TestCertificates;
  readonly orders: StagingParticipant;
  readonly sales: StagingParticipant;
  /** In front of each service, by its name. */
  proxy(service: 'orders' | 'sales' | 'tenant'): FaultyProxy;
  /** Workers read them anew for each step. */
  readonly settings: { -readonly [K in keyof SagaSettings]: SagaSettings[K] };
  /** The registry of workers that are started from now on. */
  registry: RegistryEntry[];
  /** A tenant with rows everywhere; gives the id. */
  tenant(): string;
  /** A tenant who has nothing to do with it. */
  readonly bystander: string;
  /** Rows of somebody else have to be as they were; and no service does what it was told to do any more. */
  settle(): void;
  /** Throws where a row of the tenant is not where it was. */
  expectUntouched(tenantId: string): void;
  expectGone(tenantId: string): void;
  request(tenantId: string, options?: DeletionOptions, windowMs?: number): Promise<JobView>;
  /** As the API does: the record first, then Temporal. */
  cancel(job: JobView): Promise<void>;
  wake(job: JobView): Promise<void>;
  job(job: JobView): Promise<JobView>;
  until(job: JobView, what: (job: JobView) => boolean, timeoutMs?: number): Promise<JobView>;
  untilEnded(job: JobView, timeoutMs?: number): Promise<JobView>;
  /** How the tenant's run stands in Temporal, once it is closed. */
  closed(job: JobView): Promise<WorkflowExecutionDescription>;
  describe(job: JobView): Promise<WorkflowExecutionDescription>;
  isSuspended(tenantId: string): boolean | null;
  startWorker(): Promise<SagaWorker>;
  /** Keeps a job in a phase; the tenant's rows are as the phase leaves them. */
  holdIn(phase: HeldPhase, tenantId: string): Held;
  close(): Promise<void>;
}

/** Phases that a test can keep a job in by keeping a service's answer. */
export const HELD_PHASES = {
  check: { service: 'orders', matches: ({ path }) => path.endsWith('/deletion-preview') },
  suspend: { service: 'tenant', matches: ({ path }) => path.endsWith('/suspension') },
  stage: { service: 'orders', matches: ({ target }) => target === 'staged' },
  pivot: { service: 'orders', matches: ({ method, path }) => method === 'GET' && /deletions/.test(path) },
  purge: { service: 'orders', matches: ({ target }) => target === 'purged' },
  directory: { service: 'tenant', matches: ({ target }) => target === 'purged' },
  verify: { service: 'orders', matches: ({ path }) => path.endsWith('/verification') },
  restore: { service: 'orders', matches: ({ target }) => target === 'restored' },
} as const satisfies Record<
  string,
  { service: 'orders' | 'sales' | 'tenant'; matches: (request: ProxiedRequest) => boolean }
>;
export type HeldPhase = keyof typeof HELD_PHASES;

export interface TestSagaOptions {
  readonly directory?: boolean;
  readonly settings?: Partial<SagaSettings>;
  readonly extra?: readonly RegistryEntry[];
  /** How strict the gate is. */
  readonly gate?: Partial<GateRules>;
  /** What workers do by themselves. */
  readonly housekeeping?: HousekeepingWorks;
  /** Keys that the extra services were started with. */
  readonly keys?: TestPlatformKeys;
  readonly exports?: ExportSettings;
  /** Who has to agree before anything is staged. */
  readonly preStage?: PreStageSettings;
}

const ORDERS = ['o1', 'o2', 'o3'];
const SALES = ['s1', 's2'];

const PATIENCE_MS = 90_000;

const QUICK: SagaSettings = {
  giveUpAfterMs: 1_500,
  olderTransactionLimitMs: 3_000,
  longestTransactionMs: 3_000,
  sliceMs: 200,
  attentionRetryEveryMs: 60_000,
};

export async function openTestSaga(options: TestSagaOptions = {}): Promise<TestSaga> {
  const { directory = true } = options;
  const settings = { ...QUICK, ...options.settings };
  quietRuntime();
  const [database, keys, temporal, codePath] = await Promise.all([
    createTestDatabase(),
    options.keys ?? createTestKeys(),
    connectTemporal(),
    workflowBundle(),
  ]);
  await ensureSearchAttributes(temporal.client.connection, 'default');
  const certificates = await testCertificates();
  const pool = new pg.Pool({ connectionString: database.url, max: 4 });
  const records = createRecords({
    databaseUrl: database.urlFor('lethe_records'),
    poolSize: 8,
    gate: options.gate ?? {},
  });
  const orders = stagingParticipant('orders');
  const sales = stagingParticipant('sales');
  // In memory, too: a real one waits for older transactions, and the other tests of a cluster hold some.
  const ofTenants = stagingDirectory('tenant');
  const served = await Promise.all(
    [orders, sales, ...(directory ? [ofTenants] : [])].map((one) => serveParticipant(one, keys)),
  );
  const proxies: Record<string, FaultyProxy> = {};
  for (const { name, url } of served) proxies[name] = await startFaultyProxy(url);
  const registry: RegistryEntry[] = [
    ...served.map(({ name }) => ({
      name,
      url: proxies[name]?.url ?? '',
      role: name === 'tenant' ? ('tenant_directory' as const) : ('participant' as const),
    })),
    ...(options.extra ?? []),
  ];

  const taskQueue = `saga-${randomUUID()}`;
  const runs = createRuns({
    connection: temporal.client.connection,
    namespace: 'default',
    taskQueue,
    publicKeyOf: (tenantId) => tenantId,
  });
  const tokenFor = createTokenGiver({ records, issuer: keys });
  const clients: ServiceClient[] = [];
  const clientsOf = (entries: readonly RegistryEntry[]) => {
    const made = entries.map((service) => createServiceClient({ service, tokenFor }));
    clients.push(...made);
    return made;
  };
  const reconciler = createReconciler({
    records,
    runs,
    services: clientsOf(registry),
    settle: (client, open) => settleEndedJob(records, client, open, settings),
    everyMs: 500,
    logger: { info: () => undefined, warn: () => undefined },
  });
  const workers = new Set<SagaWorker>();
  const bystander = randomUUID();
  orders.rows.set(bystander, ['o1', 'o2']);
  sales.rows.set(bystander, ['s1']);
  const handleOf = (job: JobView) => temporal.client.workflow.getHandle(workflowIdOf(job.tenant_id));

  async function untilJob(
    { job_id }: JobView,
    what: (job: JobView) => boolean,
    howLong: UntilOptions,
  ): Promise<JobView> {
    let last: JobView | null = null;
    try {
      return await until(
        async () => {
          last = await records.getJob(job_id);
          return what(last) && last;
        },
        { ...howLong, what: 'the job' },
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}: ${JSON.stringify(last)}`);
    }
  }

  const saga: TestSaga = {
    database,
    pool,
    records,
    runs,
    reconciler,
    client: temporal.client,
    taskQueue,
    keys,
    certificates,
    orders,
    sales,
    proxy(service) {
      const found = proxies[service];
      if (found === undefined) throw new Error(`There is no ${service}.`);
      return found;
    },
    settings,
    registry,
    bystander,
    settle() {
      for (const proxy of Object.values(proxies)) proxy.fault = null;
      for (const one of [orders, sales]) {
        Object.assign(one, {
          findings: [],
          waiting: null,
          slices: 1,
          restoreConflict: false,
          exportsLess: false,
        });
        one.planHash = 'a'.repeat(64);
      }
      expect([orders.rows.get(bystander), sales.rows.get(bystander)]).toEqual([['o1', 'o2'], ['s1']]);
    },
    expectUntouched(tenantId) {
      expect([orders.rows.get(tenantId), sales.rows.get(tenantId)]).toEqual([ORDERS, SALES]);
      expect([orders.archived(tenantId), sales.archived(tenantId)]).toEqual([0, 0]);
      if (directory) expect(saga.isSuspended(tenantId)).toBe(false);
    },
    expectGone(tenantId) {
      expect([orders.rows.has(tenantId), sales.rows.has(tenantId)]).toEqual([false, false]);
      expect([orders.archived(tenantId), sales.archived(tenantId)]).toEqual([0, 0]);
      if (directory) expect(saga.isSuspended(tenantId)).toBeNull();
    },
    tenant() {
      const id = randomUUID();
      ofTenants.tenants.add(id);
      orders.rows.set(id, [...ORDERS]);
      sales.rows.set(id, [...SALES]);
      return id;
    },
    async request(tenantId, asked = {}, windowMs = 0) {
      const { job } = await records.openJob({
        tenantId,
        actor: OPERATOR,
        options: asked,
        restoreWindowMs: windowMs,
        readers: [],
      });
      await runs.start(job);
      return job;
    },
    async cancel(job) {
      await records.decideAbort(job.job_id, 'cancel', OPERATOR);
      await runs.requestCancel(job);
    },
    async wake(job) {
      await records.requestReplay(job.job_id, OPERATOR);
      await runs.wake(job, 'replay');
    },
    job: (job) => records.getJob(job.job_id),
    until: (job, what, timeoutMs = PATIENCE_MS) => untilJob(job, what, { timeoutMs, everyMs: 100 }),
    untilEnded: (job, timeoutMs = PATIENCE_MS) =>
      untilJob(job, ({ status }) => hasEnded(status), { timeoutMs, everyMs: 100, relaxedToMs: 500 }),
    closed: (job) =>
      until(async () => {
        const description = await handleOf(job).describe();
        return description.status.name !== 'RUNNING' && description;
      }),
    describe: (job) => handleOf(job).describe(),
    isSuspended: (tenantId) => ofTenants.isSuspended(tenantId),
    holdIn(phase, tenantId) {
      const { service, matches } = HELD_PHASES[phase];
      return saga
        .proxy(service)
        .hold((request) => request.path.startsWith(`/tenant/${tenantId}`) && matches(request));
    },
    async startWorker() {
      const native = await NativeConnection.connect({ address: temporal.address });
      const worker = await Worker.create({
        connection: native,
        namespace: 'default',
        taskQueue,
        workflowBundle: { codePath },
        activities: createActivities({
          records,
          ...(options.housekeeping && { housekeeping: options.housekeeping }),
          services: clientsOf(saga.registry),
          ...(options.exports && { exports: options.exports }),
          ...(options.preStage && { preStage: options.preStage }),
          settings,
          previewHash,
          certificates: certificates.signer,
        }),
        shutdownGraceTime: 200,
        maxHeartbeatThrottleInterval: 300,
      });
      const running = worker.run();
      const stop = async () => {
        if (!workers.delete(started)) return;
        worker.shutdown();
        await running;
        await native.close();
      };
      const started = { stop };
      workers.add(started);
      return started;
    },
    async close() {
      await reconciler.stop();
      await Promise.all([...workers].map((worker) => worker.stop()));
      await Promise.all(clients.map((client) => client.close()));
      await Promise.all(Object.values(proxies).map((proxy) => proxy.close()));
      await Promise.all(served.map((service) => service.close()));
      await records.close();
      await pool.end();
      await temporal.close();
      certificates.remove();
      await database.drop();
    },
  };
  return saga;
}
