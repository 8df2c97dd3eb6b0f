/** The whole saga: from the API call until verify has ended, over real HTTP, real Temporal and real PostgreSQL. */
import { join } from 'node:path';
import { readLocalConfig } from '../config.js';
import { createDemoApi } from '../local/demo/jobs.js';
import { startPlatform } from '../local/platform.js';
import type { Progress } from '../local/progress.js';
import type { SeededTenant } from '../services/sample-data/load.js';
import type { Cluster } from './cluster.js';
import type { Times } from './figures.js';

export const SAGA = 'whole saga';
export const SAGA_EMPTY = 'whole saga of a tenant with a row in each table';

export async function runSagas(
  cluster: Cluster,
  tenants: readonly { readonly tenant: SeededTenant; readonly what: string }[],
  times: Times,
  report: Progress,
): Promise<void> {
  const { TEMPORAL_ADDRESS: address } = readLocalConfig();
  const platform = await startPlatform({
    directory: join(cluster.directory, 'platform'),
    databaseUrl: cluster.url,
    ...(address && { temporal: { address, namespace: `lethe-bench-${process.pid}` } }),
    onProgress: report,
  });
  try {
    const api = await createDemoApi(platform);
    try {
      for (const { tenant, what } of tenants) {
        const { job_id } = await api.delete(tenant);
        const job = await api.ended(job_id, () => undefined);
        if (job.status !== 'completed' || job.ended_at === null) {
          throw new Error(`The deletion job ended ${job.status} in the phase ${job.phase}.`);
        }
        // By the record's own times: looking at the job from outside would add its pauses.
        times.add(what, Date.parse(job.ended_at) - Date.parse(job.requested_at));
      }
    } finally {
      await api.close();
    }
  } finally {
    await platform.stop();
  }
}
