/**
 * Whose a row is, as read from tenant columns and foreign keys. It knows nothing of the engine, so that it can tell
 * whether the engine was right.
 */
import type pg from 'pg';
import { migrationOwners } from '../prisma/migrate.js';

/** A table of a service, its partitions as one. */
export interface OwnedTable {
  readonly oid: number;
  /** `schema.table`, quoted where it has to be. */
  readonly name: string;
  /**
   * An SQL condition on the rows of this table, named `alias`: true for those of the tenant whose key the parameter
   * (`$1`) holds. Null for a table that is nobody's.
   */
  condition(alias: string, parameter: string): string | null;
}

interface TableRow {
  readonly oid: number;
  readonly name: string;
  /** The column that holds the tenant's key, quoted. */
  readonly tenantColumn: string | null;
}

/** A foreign key by which a row is its parent's. */
interface ParentRow {
  readonly child: number;
  readonly parent: number;
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
  SELECT k.conrelid::int AS child, k.confrelid::int AS parent,
    (SELECT json_agg(json_build_array(quote_ident(mine.attname), quote_ident(theirs.attname)))
     FROM unnest(k.conkey, k.confkey) AS pair(own, other)
     JOIN pg_attribute mine ON mine.attrelid = k.conrelid AND mine.attnum = pair.own
     JOIN pg_attribute theirs ON theirs.attrelid = k.confrelid AND theirs.attnum = pair.other
    ) AS columns
  FROM pg_constraint k
  WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confdeltype NOT IN ('n', 'd') AND k.conrelid <> k.confrelid`;

/** Schemas of the tables of the twelve services and the tenant service. */
export function serviceSchemas(): string[] {
  return migrationOwners()
    .filter((owner) => owner.name !== 'lethe')
    .map((owner) => owner.schema);
}

/** The tables of these schemas; those of every service by default. */
export async function readOwnedTables(
  client: pg.Client,
  schemas: readonly string[] = serviceSchemas(),
): Promise<OwnedTable[]> {
  const { rows: tables } = await client.query<TableRow>(TABLES, [schemas]);
  const { rows: parents } = await client.query<ParentRow>(PARENTS);

  function condition(
    table: TableRow,
    alias: string,
    parameter: string,
    path: readonly number[],
  ): string | null {
    if (table.tenantColumn !== null) return `${alias}.${table.tenantColumn} = ${parameter}::uuid`;
    const ways = parents
      .filter((one) => one.child === table.oid && !path.includes(one.parent))
      .flatMap((one) => {
        const parent = tables.find(({ oid }) => oid === one.parent);
        const above = `${alias}p`;
        const owned = parent && condition(parent, above, parameter, [...path, one.parent]);
        if (!parent || !owned) return [];
        const joined = one.columns.map(([mine, theirs]) => `${above}.${theirs} = ${alias}.${mine}`);
        return [
          `EXISTS (SELECT FROM ${parent.name} AS ${above} WHERE ${joined.join(' AND ')} AND (${owned}))`,
        ];
      });
    return ways.length === 0 ? null : ways.join(' OR ');
  }

  return tables.map((table) => ({
    oid: table.oid,
    name: table.name,
    condition: (alias, parameter) => condition(table, alias, parameter, [table.oid]),
  }));
}
