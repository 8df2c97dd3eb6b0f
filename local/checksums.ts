/** Order-independent checksums of tables: of all rows, of one tenant's, or of all but theirs. */
import pg from 'pg';
import { type OwnedTable, readOwnedTables } from './row-owners.js';

/** Of one table: how many rows, and a sum over the hashes of all of them, to which identical rows add up. */
export interface TableChecksum {
  readonly rows: number;
  readonly checksum: string;
}

/** By `schema.table`. Equal exactly where every row of every table is. */
export type Checksums = Readonly<Record<string, TableChecksum>>;

export interface ChecksumOptions {
  readonly databaseUrl: string;
  /** Those of every service by default. */
  readonly schemas?: readonly string[];
  /** Whose rows: the tenant's alone, or all but the tenant's; every row by default. */
  readonly only?: string;
  readonly except?: string;
}

/** Reads all tables in one snapshot. */
export async function readChecksums(options: ChecksumOptions): Promise<Checksums> {
  const client = new pg.Client({
    connectionString: options.databaseUrl,
    application_name: 'lethe checksums',
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    // What a row looks like as text must not depend on who asks.
    await client.query(
      `SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; SET bytea_output = 'hex';
       SET extra_float_digits = 1; SET row_security = off; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`,
    );
    const result: Record<string, TableChecksum> = {};
    for (const table of await readOwnedTables(client, options.schemas)) {
      result[table.name] = await checksumOf(client, table, options);
    }
    return result;
  } finally {
    await client.end();
  }
}

/** All rows together. */
export function totalRows(checksums: Checksums): number {
  return Object.values(checksums).reduce((sum, { rows }) => sum + rows, 0);
}

/** Tables that are not the same in both. */
export function differingTables(one: Checksums, other: Checksums): string[] {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].filter(
    (name) => one[name]?.rows !== other[name]?.rows || one[name]?.checksum !== other[name]?.checksum,
  );
}

async function checksumOf(
  client: pg.Client,
  table: OwnedTable,
  { only, except }: ChecksumOptions,
): Promise<TableChecksum> {
  const tenant = only ?? except;
  const owned = tenant === undefined ? null : table.condition('t', '$1');
  const nobodys = only === undefined ? 'true' : 'false';
  // A row that is nobody's any more, since it was anonymized, is neither the tenant's nor anybody else's.
  const theirs = only === undefined ? `(${owned}) IS FALSE` : owned;
  const { rows } = await client.query<TableChecksum>(
    `SELECT count(*)::int AS rows,
       coalesce(sum(('x' || left(md5(t::text), 16))::bit(64)::bigint), 0)::text AS checksum
     FROM ${table.name} AS t WHERE ${owned === null ? nobodys : theirs}`,
    owned === null ? [] : [tenant],
  );
  const [row] = rows;
  if (!row) throw new Error(`${table.name} gave no answer.`);
  return row;
}
