/** Whether a row costs more where there are more of them. */
import type { SeededTenant } from '../services/sample-data/load.js';
import type { Times } from './figures.js';
import { newJob, type Sites } from './sites.js';

export const PER_ROW = (rows: number) => `stage and purge, for each row of ${rows}`;

/** The tenants go for good, one after the other. */
export async function measureGrowth(
  sites: Sites,
  tenants: readonly SeededTenant[],
  times: Times,
): Promise<void> {
  const hashes = await sites.planHashes();
  for (const { tenantId, rows } of tenants) {
    const job = newJob(tenantId);
    const began = performance.now();
    const moved = await sites.reach(job, 'staged', hashes);
    await sites.reach(job, 'purged');
    times.add(PER_ROW(rows), ((performance.now() - began) * 1_000) / moved, 'us a row');
    await sites.vacuum();
  }
}
