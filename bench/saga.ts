/** The whole saga: from the API call to the certificate, over real HTTP, real Temporal and real PostgreSQL. */
import { join } from 'node:path';
import { type ApiClient, createApiClient } from '../cli/api-client.js';
import { readLocalConfig } from '../config.js';
import { createDemoApi, type DemoApi } from '../local/demo/jobs.js';
import { stateDirectory } from '../local/paths.js';
import { type Platform, startPlatform } from '../local/platform.js';
import { compilePrograms } from '../local/programs.js';
import type { Progress } from '../local/progress.js';
import { jobView, tenantPreview } from '../protocol/jobs.js';
import { readSigningKeys } from '../protocol/keys.js';
import { createLocalUserIssuer } from '../protocol/local-issuer.js';
import type { SeededTenant } from '../services/sample-data/load.js';
import { measureBare } from './bare.js';
import type { Cluster } from './cluster.js';
import type { Times } from './figures.js';
import { forgetMostMemory, mostMemoryMiB } from './processes.js';

export const SAGA = 'whole saga';
export const SAGA_EMPTY = 'whole saga of an empty tenant';
export const ACCEPT = 'accepting a deletion, by API';
export const PREVIEW_API = 'preview over twelve services, by API';
export const MEMORY = (process: 'worker' | 'services', rows: number) =>
  `most memory of the ${process}, ${rows} rows`;

const ACCEPTED = 20;
const PREVIEWS = 20;
const SOMEBODY = '00000000-0000-7000-8000-000000000001';

export interface SagaTenants {
  /** The first warms the processes up. */
  readonly empty: readonly SeededTenant[];
  readonly large: readonly SeededTenant[];
  /** Of those a deletion is accepted that never begins. */
  readonly waiting: readonly SeededTenant[];
  /** Whose deletion shows what memory the processes use; each on processes of its own. */
  readonly memory: readonly SeededTenant[];
}

export async function runSagas(
  cluster: Cluster,
  tenants: SagaTenants,
  times: Times,
  report: Progress,
): Promise<void> {
  await onPlatform(cluster, 'platform', report, async (platform, api) => {
    const [first, ...empty] = tenants.empty;
    if (first === undefined) return;
    await deleted(api, first);
    const sagas = empty.map((tenant) => async () => times.add(SAGA_EMPTY, await deleted(api, tenant)));
    await measureBare(platform, first.tenantId, sagas, times);
    await measureApi(platform, tenants, times);
    for (const tenant of tenants.large) times.add(SAGA, await deleted(api, tenant));
  });
  for (const tenant of tenants.memory) {
    await onPlatform(cluster, `platform-${tenant.rows}`, report, async (platform, api) => {
      const processes = (['worker', 'services'] as const).map((name) => ({
        name,
        pid: platform.process(name).pid,
      }));
      for (const { pid } of processes) if (pid !== null) forgetMostMemory(pid);
      await deleted(api, tenant);
      for (const { name, pid } of processes) {
        const peak = pid === null ? null : mostMemoryMiB(pid);
        if (peak !== null) times.add(MEMORY(name, tenant.rows), peak, 'MiB');
      }
    });
  }
}

async function onPlatform(
  cluster: Cluster,
  directory: string,
  report: Progress,
  work: (platform: Platform, api: DemoApi) => Promise<void>,
): Promise<void> {
  const { TEMPORAL_ADDRESS: address } = readLocalConfig();
  // The cluster lies outside of the clone, where programs would not find their libraries. Made anew for each platform.
  const programs = join(stateDirectory, 'bench', 'programs');
  await compilePrograms(programs);
  const platform = await startPlatform({
    directory: join(cluster.directory, directory),
    programs,
    databaseUrl: cluster.url,
    environment: { RATE_LIMIT_PER_MINUTE: '1000000' },
    ...(address && { temporal: { address, namespace: `lethe-bench-${process.pid}` } }),
    onProgress: report,
  });
  try {
    const api = await createDemoApi(platform);
    try {
      await work(platform, api);
    } finally {
      await api.close();
    }
  } finally {
    await platform.stop();
  }
}

/** By the record's own times: looking at the job from outside would add its pauses. */
async function deleted(api: DemoApi, tenant: SeededTenant): Promise<number> {
  const { job_id } = await api.delete(tenant);
  const job = await api.ended(job_id, () => undefined);
  if (job.status !== 'completed' || job.ended_at === null) {
    throw new Error(`The deletion job ended ${job.status} in the phase ${job.phase}.`);
  }
  return Date.parse(job.ended_at) - Date.parse(job.requested_at);
}

async function measureApi(platform: Platform, { waiting, large }: SagaTenants, times: Times): Promise<void> {
  const operator = await operatorOf(platform);
  try {
    const startAt = new Date(Date.now() + 24 * 3_600_000).toISOString();
    for (const { tenantId } of waiting.slice(0, ACCEPTED)) {
      const path = `/api/v1/tenants/${tenantId}/deletion-jobs`;
      await times.measure(ACCEPT, () => operator.call(jobView, 'POST', path, { start_at: startAt }));
    }
    const [tenant] = large;
    if (tenant === undefined) return;
    const path = `/api/v1/tenants/${tenant.tenantId}/deletion-preview`;
    for (let done = 0; done < PREVIEWS; done++) {
      await times.measure(PREVIEW_API, () => operator.call(tenantPreview, 'GET', path));
    }
  } finally {
    await operator.close();
  }
}

async function operatorOf(platform: Platform): Promise<ApiClient> {
  const issuer = createLocalUserIssuer({
    key: (await readSigningKeys(platform.files.signingKeysDirectory, 'user-token')).signing,
    production: readLocalConfig().NODE_ENV === 'production',
  });
  const token = await issuer.issue({ userId: SOMEBODY, roles: ['operator'] });
  return createApiClient({ apiUrl: platform.apiUrl, token });
}
