/** The tenants that are measured, each with as many rows as its part needs. */
import { type SeededTenant, seedTenants } from '../services/sample-data/load.js';
import { Sites } from './sites.js';

export interface Wanted {
  readonly rows: number;
  readonly sagas: number;
  readonly emptySagas: number;
  /** Rows of tenants whose cost by row is compared. */
  readonly growth: readonly number[];
  /** Rows of tenants whose deletion shows what memory the processes use. */
  readonly memory: readonly number[];
  readonly accepted: number;
}

export interface Tenants {
  /** Deleted and brought back, again and again. */
  readonly measured: SeededTenant;
  /** Stays, and notices what happens to the others. */
  readonly other: SeededTenant;
  readonly large: readonly SeededTenant[];
  readonly growth: readonly SeededTenant[];
  readonly memory: readonly SeededTenant[];
  /** Known to the tenant service, with no rows anywhere else. */
  readonly empty: readonly SeededTenant[];
  readonly waiting: readonly SeededTenant[];
}

export async function loadTenants(
  databaseUrl: string,
  wanted: Wanted,
  report: (message: string) => void,
): Promise<Tenants> {
  const load = async (tenants: number, rowsPerTenant: number, seed: string) => {
    if (tenants === 0) return [];
    report(`Loading ${tenants} tenants of ${rowsPerTenant} rows`);
    return seedTenants({ databaseUrl, tenants, rowsPerTenant, seed: `bench ${seed}` });
  };
  const [measured, other, ...large] = await load(2 + wanted.sagas, wanted.rows, 'large');
  if (measured === undefined || other === undefined) throw new Error('No tenant was loaded.');
  const growth: SeededTenant[] = [];
  for (const rows of wanted.growth) growth.push(...(await load(1, rows, `growth ${rows}`)));
  const memory: SeededTenant[] = [];
  for (const rows of wanted.memory) memory.push(...(await load(1, rows, `memory ${rows}`)));
  // One more warms the processes up.
  const few = wanted.sagas === 0 ? [] : await load(wanted.emptySagas + 1 + wanted.accepted, 1, 'few');
  await emptied(databaseUrl, few);
  const empty = few.slice(0, wanted.emptySagas + 1);
  return { measured, other, large, growth, memory, empty, waiting: few.slice(empty.length) };
}

async function emptied(databaseUrl: string, tenants: readonly SeededTenant[]): Promise<void> {
  if (tenants.length === 0) return;
  const sites = await Sites.open(databaseUrl);
  try {
    for (const { tenantId } of tenants) await sites.delete(tenantId);
    await sites.vacuum();
  } finally {
    await sites.close();
  }
}
