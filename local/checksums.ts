/**
 * Order-independent checksums of tables, of all rows, of one tenant's or of all but theirs. They know nothing of the
 * engine, so that they can tell whether it was right: whose a row is, is read from tenant columns and foreign keys.
 */
import pg from 'pg';
import { migrationOwners } from '../prisma/migrate.js';

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

interface Table {
  readonly oid: number;
  readonly name: string;
  /** The column that holds the tenant's key, quoted. */
  readonly tenantColumn: string | null;
}

/** A foreign key by which a row is its parent's. */
interface Parent {
  readonly child: number;
  readonly parent: number;
  readonly parentName: string;
  /** Pairs of quoted columns. */
  readonly columns: readonly (readonly [string, string])[];
}

const TABLES = `
  SELECT c.oid::int AS oid, format('%I.%I', n.nspname, c.relname) AS name,
    (SELECT quote_ident(a.attname) FROM pg_attribute a
     WHERE a.attrelid = c.oid AND NOT a.attisdropped
       AND a.attname = CASE WHEN n.nspname = 'tenant' AND c.relname = 'tenants' THEN 'id' ELSE 'tenant_id' END
    ) AS "tenantColumn"
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relname <> '_prisma_migrations'
  ORDER BY n.nspname, c.relname`;

// What is set null when the other row goes is a mention, not a parent.
const PARENTS = `
  SELECT k.conrelid::int AS child, k.confrelid::int AS parent, format('%I.%I', n.nspname, p.relname) AS "parentName",
    (SELECT json_agg(json_build_array(quote_ident(mine.attname), quote_ident(theirs.attname)))
     FROM unnest(k.conkey, k.confkey) AS pair(own, other)
     JOIN pg_attribute mine ON mine.attrelid = k.conrelid AND mine.attnum = pair.own
     JOIN pg_attribute theirs ON theirs.attrelid = k.confrelid AND theirs.attnum = pair.other
    ) AS columns
  FROM pg_constraint k
  JOIN pg_class p ON p.oid = k.confrelid
  JOIN pg_namespace n ON n.oid = p.relnamespace
  WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confdeltype NOT IN ('n', 'd') AND k.conrelid <> k.confrelid`;

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
       SET extra_float_digits = 1; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`,
    );
    const schemas = options.schemas ?? serviceSchemas();
    const { rows: tables } = await client.query<Table>(TABLES, [schemas]);
    const { rows: parents } = await client.query<Parent>(PARENTS);
    const result: Record<string, TableChecksum> = {};
    for (const table of tables) {
      result[table.name] = await checksumOf(
        client,
        table,
        condition(table, tables, parents, options),
        options,
      );
    }
    return result;
  } finally {
    await client.end();
  }
}

/** Schemas of the tables of the twelve services and the tenant service. */
export function serviceSchemas(): string[] {
  return migrationOwners()
    .filter((owner) => owner.name !== 'lethe')
    .map((owner) => owner.schema);
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
  table: Table,
  where: string,
  { only, except }: ChecksumOptions,
): Promise<TableChecksum> {
  const tenant = only ?? except;
  const { rows } = await client.query<TableChecksum>(
    `SELECT count(*)::int AS rows,
       coalesce(sum(('x' || left(md5(t::text), 16))::bit(64)::bigint), 0)::text AS checksum
     FROM ${table.name} AS t WHERE ${where}`,
    where.includes('$1') ? [tenant] : [],
  );
  const [row] = rows;
  if (!row) throw new Error(`${table.name} gave no answer.`);
  return row;
}

function condition(
  table: Table,
  tables: readonly Table[],
  parents: readonly Parent[],
  { only, except }: ChecksumOptions,
): string {
  if (only === undefined && except === undefined) return 'true';
  const owned = ownedBy(table, 't', tables, parents, [table.oid]);
  if (only !== undefined) return owned ?? 'false';
  return owned === null ? 'true' : `(${owned}) IS NOT TRUE`;
}

/** True for rows of the tenant `$1`; null for a table that belongs to nobody. */
function ownedBy(
  table: Table,
  alias: string,
  tables: readonly Table[],
  parents: readonly Parent[],
  path: readonly number[],
): string | null {
  if (table.tenantColumn !== null) return `${alias}.${table.tenantColumn}::text = $1`;
  const ways = parents
    .filter((one) => one.child === table.oid && !path.includes(one.parent))
    .flatMap((one) => {
      const parent = tables.find(({ oid }) => oid === one.parent);
      const above = `${alias}p`;
      const owned = parent && ownedBy(parent, above, tables, parents, [...path, one.parent]);
      if (!owned) return [];
      const joined = one.columns.map(([mine, theirs]) => `${above}.${theirs} = ${alias}.${mine}`);
      return [
        `EXISTS (SELECT FROM ${one.parentName} AS ${above} WHERE ${joined.join(' AND ')} AND ${owned})`,
      ];
    });
  return ways.length === 0 ? null : ways.join(' OR ');
}
