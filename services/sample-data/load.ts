/** Loads tenants with sample data into the databases of the services. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { countedRows, rowCounts } from './budget.js';
import { copyRows, quotedTable } from './copy.js';
import { drawPools, type Pools } from './pools.js';
import { SampleRow, SampleTenant } from './row.js';
import { samples } from './samples.js';
import type { Cell, SampleTable, ServiceSample } from './types.js';

export interface SeedOptions {
  /** A superuser's URL: one for all services, or one for each. */
  readonly databaseUrl: string | ((service: string) => string);
  readonly tenants: number;
  /** What a tenant's rows add up to, over all services; with less than a row for each table, it is one for each. */
  readonly rowsPerTenant: number;
  /** The same seed gives the same rows, ids included; a new one by default, which adds other tenants. */
  readonly seed?: string;
  readonly onProgress?: (progress: SeedProgress) => void;
  /** Of all services by default. */
  readonly samples?: readonly ServiceSample[];
}

export interface SeedProgress {
  readonly service: string;
  /** Loaded so far, over all tenants and services. */
  readonly rows: number;
  readonly of: number;
}

export interface SeededTenant {
  readonly tenantId: string;
  readonly name: string;
  readonly ownerUserId: string;
  /** All rows that are the tenant's, its own and its memberships included; users and shared rows not. */
  readonly rows: number;
  /** By `schema.table`; only what counts as the tenant's. */
  readonly rowsOf: Readonly<Record<string, number>>;
}

// Loading is bound by PostgreSQL's work for each row; beyond that, more services at once only wait for each other.
const SERVICES_AT_ONCE = 4;
const UNIQUE_VIOLATION = '23505';
// One at a time in a database: shared tables are filled by whoever finds them empty.
const ADVISORY_LOCK = 7_236_118_007;

const all = samples.flatMap((sample) => sample.tables);

/** The fewest rows that a tenant can have: one in each table. */
export const FEWEST_ROWS = countedRows(all, rowCounts(all, 0));

/** Adds tenants to every service; each tenant is one transaction in each. */
export async function seedTenants(options: SeedOptions): Promise<SeededTenant[]> {
  const seed = options.seed ?? randomBytes(12).toString('hex');
  const pools = drawPools(seed);
  const seeded = options.samples ?? samples;
  const tables = seeded.flatMap((sample) => sample.tables);
  const counts = rowCounts(tables, options.rowsPerTenant);
  const tenants = Array.from(
    { length: options.tenants },
    (_, position) => new SampleTenant(seed, position, counts, pools),
  );
  const loaded = tenants.map(() => new Map<string, number>());
  let rows = 0;
  const of = countedRows(tables, counts) * tenants.length;

  await inParallel(seeded, SERVICES_AT_ONCE, async (sample) => {
    const { databaseUrl } = options;
    const url = typeof databaseUrl === 'string' ? databaseUrl : databaseUrl(sample.service);
    await withClient(url, async (client) => {
      await fillShared(client, sample, pools);
      for (const [position, tenant] of tenants.entries()) {
        for (const [table, count] of await loadTenant(client, sample, tenant)) {
          loaded[position]?.set(table, count);
          rows += count;
        }
        options.onProgress?.({ service: sample.service, rows, of });
      }
      for (const table of sample.tables) await client.query(`ANALYZE ${quotedTable(table.name)}`);
    });
  });

  return tenants.map((tenant, position) => seededTenant(tenant, loaded[position] ?? new Map()));
}

function seededTenant(tenant: SampleTenant, loaded: ReadonlyMap<string, number>): SeededTenant {
  return {
    tenantId: tenant.id,
    name: tenant.name,
    ownerUserId: tenant.idOf('tenant.users', 0),
    rows: [...loaded.values()].reduce((sum, count) => sum + count, 0),
    rowsOf: Object.fromEntries(loaded),
  };
}

/** Gives the rows that count, by table. */
async function loadTenant(
  client: pg.Client,
  sample: ServiceSample,
  tenant: SampleTenant,
): Promise<Map<string, number>> {
  const loaded = new Map<string, number>();
  await client.query('BEGIN');
  try {
    for (const table of sample.tables) {
      if (table.identity) await takeNumbers(client, table.name, table.identity, tenant);
      const count = await copyRows(client, table.name, Object.keys(table.columns), rowsOf(table, tenant));
      if (table.counted !== false) loaded.set(table.name, count);
    }
    if (sample.finish) await finish(client, sample.finish, tenant.id, loaded);
    await client.query('COMMIT');
    return loaded;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error;
    throw new Error(
      `${sample.service} has rows of this seed already (${(error as Error).message}). Choose another seed, or none: then it is a new one each time.`,
      { cause: error },
    );
  }
}

/** Joins that are planned without statistics loop over each row for each row. Fewer rows do not mind. */
const MANY_ROWS = 20_000;

async function finish(
  client: pg.Client,
  statements: readonly string[],
  tenantId: string,
  loaded: ReadonlyMap<string, number>,
): Promise<void> {
  for (const [table, rows] of loaded) {
    if (rows >= MANY_ROWS) await client.query(`ANALYZE ${quotedTable(table)}`);
  }
  for (const statement of statements) await client.query(statement, [tenantId]);
}

function* rowsOf(table: SampleTable, tenant: SampleTenant): Generator<readonly Cell[]> {
  const makers = Object.values(table.columns);
  const row = new SampleRow(tenant, table.name);
  const count = tenant.count(table.name);
  const cells: Cell[] = makers.map(() => null);
  for (let index = 0; index < count; index += 1) {
    row.begin(index);
    for (const [at, make] of makers.entries()) cells[at] = make(row);
    yield cells;
  }
}

/** Takes as many values from an identity column's sequence as there are going to be rows, one after the other. */
async function takeNumbers(
  client: pg.Client,
  table: string,
  column: string,
  tenant: SampleTenant,
): Promise<void> {
  const count = tenant.count(table);
  for (;;) {
    const { rows } = await client.query<{ first: string; last: string }>(
      `SELECT min(value) AS first, max(value) AS last
       FROM (SELECT nextval(pg_get_serial_sequence($1, $2)) AS value FROM generate_series(1, $3)) AS taken`,
      [quotedTable(table), column, count],
    );
    const first = Number(rows[0]?.first);
    tenant.startNumbers(table, first);
    // Somebody else who inserts meanwhile takes numbers from between ours: then the next ones.
    if (Number(rows[0]?.last) - first === count - 1) return;
  }
}

async function fillShared(client: pg.Client, sample: ServiceSample, pools: Pools): Promise<void> {
  if (!sample.shared) return;
  await client.query('BEGIN');
  await client.query('SELECT pg_advisory_xact_lock($1)', [ADVISORY_LOCK]);
  for (const { name, where, identity, columns, rows } of sample.shared) {
    const { rowCount } = await client.query(
      `SELECT FROM ${quotedTable(name)} WHERE ${where ?? 'true'} LIMIT 1`,
    );
    if (rowCount !== 0) continue;
    const count = await copyRows(client, name, columns, rows(pools));
    if (identity) {
      await client.query('SELECT setval(pg_get_serial_sequence($1, $2), $3)', [
        quotedTable(name),
        identity,
        count,
      ]);
    }
    await client.query(`ANALYZE ${quotedTable(name)}`);
  }
  await client.query('COMMIT');
}

async function withClient(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'lethe sample data' });
  // The query that meets a lost connection reports it.
  client.on('error', () => undefined);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** Waits for all that was begun, also where one has failed; then begins no more. */
async function inParallel<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = [...items];
  let failure: unknown;
  const lane = async () => {
    for (let item = left.shift(); item !== undefined && failure === undefined; item = left.shift()) {
      await work(item).catch((error: unknown) => {
        failure ??= error;
      });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  if (failure !== undefined) throw failure;
}
