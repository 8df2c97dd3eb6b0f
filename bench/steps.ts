/** One repetition: every step on the same tenant, whose rows come back after each; raw first and last. */
import { randomUUID } from 'node:crypto';
import type { SeededTenant } from '../services/sample-data/load.js';
import type { Times } from './figures.js';
import { newJob, type Sites } from './sites.js';

export const RAW_FIRST = 'raw DELETE, first';
export const RAW_LAST = 'raw DELETE, last';
export const INSERT = 'INSERT by hand';
export const STAGE = 'stage';
export const RESTORE = 'restore';
export const PURGE = 'purge of what is staged';
export const EMPTY = 'stage of an empty tenant';
export const PREVIEW = 'preview';
export const COUNT = 'counting the rows by hand';
export const PREVIEW_EMPTY = 'preview of an empty tenant';

const PREVIEWS = 10;

/** The tenant's rows have been copied; they are all there before and after. */
export async function repeat(sites: Sites, { tenantId }: SeededTenant, times: Times): Promise<void> {
  const hashes = await sites.planHashes();
  const rows = await sites.preview(tenantId);
  const raw = async (what: string) => {
    await times.measure(what, () => sites.delete(tenantId));
    await expectRows(sites, tenantId, 0);
    await sites.vacuum();
    await times.measure(INSERT, () => sites.insert());
    await expectRows(sites, tenantId, rows);
    await sites.vacuum();
  };
  const stage = async () => {
    const job = newJob(tenantId);
    const moved = await times.measure(STAGE, () => sites.reach(job, 'staged', hashes));
    if (moved !== rows) throw new Error(`${moved} rows were staged where ${rows} were there.`);
    await sites.vacuum();
    return job;
  };

  await raw(RAW_FIRST);
  const restored = await stage();
  await times.measure(RESTORE, () => sites.reach(restored, 'restored'));
  await expectRows(sites, tenantId, rows);
  await sites.vacuum();

  const purged = await stage();
  await times.measure(PURGE, () => sites.reach(purged, 'purged'));
  await sites.forget(tenantId);
  await times.measure(INSERT, () => sites.insert());
  await sites.vacuum();

  for (let done = 0; done < PREVIEWS; done++) {
    await times.measure(PREVIEW, () => sites.preview(tenantId));
    await times.measure(COUNT, () => sites.count(tenantId));
  }
  for (let done = 0; done < PREVIEWS; done++) {
    await times.measure(PREVIEW_EMPTY, () => sites.preview(randomUUID()));
  }
  const empty = newJob(randomUUID());
  await times.measure(EMPTY, () => sites.reach(empty, 'staged', hashes));
  await sites.reach(empty, 'purged');

  await raw(RAW_LAST);
}

async function expectRows(sites: Sites, tenantId: string, rows: number): Promise<void> {
  const found = await sites.preview(tenantId);
  if (found !== rows) throw new Error(`The tenant has ${found} rows where ${rows} were expected.`);
}
