/** Reads the catalog: a few queries, each about all tables at once, whatever the number of tables. */
import type pg from 'pg';
import type { Declaration } from '../declaration.js';
import { inRetained, RETAINED_ROWS, retains } from '../install/retained-sql.js';
import * as queries from './queries.js';
import {
  type ColumnRow,
  columnOf,
  commonPrivileges,
  type DatabaseRow,
  type ForeignKeyRow,
  type IndexRow,
  keyOf,
  type MaterializedViewRow,
  type RelationRow,
  relationOf,
  type TableRow,
  type TriggerRow,
  triggerOf,
} from './rows.js';
import type { Catalog, CatalogTable, ForeignKey, MaterializedView } from './types.js';

/**
 * The catalog of the declared schemas and of what foreign keys tie to them, as the connected role may use it.
 * Works within a transaction and without one, and leaves the session's settings as they were.
 */
export async function readCatalog(client: pg.ClientBase, declaration: Declaration): Promise<Catalog> {
  // Types are written with their schema unless it is on the search path: so the path has to be the same every time.
  const { rows } = await client.query<{ path: string }>(`SELECT current_setting('search_path') AS path`);
  // Within a transaction a path that was set for the transaction alone must not outlive it.
  const setPath = (path: string) =>
    client.query(`SELECT set_config('search_path', $1, $2)`, [path, client.getTransactionStatus() === 'T']);
  const setBack = () => setPath(rows[0]?.path ?? 'pg_catalog');
  await setPath('pg_catalog');
  try {
    const catalog = await readWithFixedPath(client, declaration);
    await setBack();
    return catalog;
  } catch (error) {
    // A transaction that failed takes its settings with it, and a lost connection its session.
    if (client.getTransactionStatus() !== 'E') await setBack().catch(() => undefined);
    throw error;
  }
}

async function readWithFixedPath(client: pg.ClientBase, declaration: Declaration): Promise<Catalog> {
  const { schemas, letheSchema } = declaration;
  const [database] = await select<DatabaseRow>(client, queries.DATABASE, [letheSchema]);
  if (database === undefined) throw new Error('PostgreSQL does not say which database this is.');
  const systemIdentifier = database.maySeeIdentifier
    ? ((await select<{ id: string }>(client, queries.SYSTEM_IDENTIFIER, []))[0]?.id ?? null)
    : null;

  const keyRows = await select<ForeignKeyRow>(client, queries.foreignKeys(database.serverVersion), [schemas]);
  const foreignKeys = keyRows.map(keyOf);
  const tied = [...new Set(foreignKeys.flatMap((key) => [key.childOid, key.parentOid]))];
  const tableRows = await select<TableRow>(client, queries.TABLES, [schemas, tied]);
  const roots = tableRows.map((row) => row.oid);
  const relations = await select<RelationRow>(client, queries.RELATIONS, [roots, letheSchema]);
  const all = relations.map((row) => row.oid);
  const columns = await select<ColumnRow>(client, queries.COLUMNS, [roots]);
  const indexes = await select<IndexRow>(client, queries.INDEXES, [roots]);
  const triggers = await select<TriggerRow>(client, queries.TRIGGERS, [all, letheSchema]);
  const views = await select<MaterializedViewRow>(client, queries.MATERIALIZED_VIEWS, [all]);

  const parts: Parts = {
    relations: groupBy(relations, (row) => row.root),
    columns: groupBy(columns, (row) => row.table),
    indexes: groupBy(indexes, (row) => row.table),
    triggers: groupBy(triggers, (row) => row.relation),
  };
  const tables = tableRows.map((row) => tableOf(row, parts));
  const known = new Set(roots);
  return {
    serverVersion: database.serverVersion,
    databaseOid: database.databaseOid,
    systemIdentifier,
    role: database.role,
    tables,
    foreignKeys: foreignKeys.filter((key: ForeignKey) => known.has(key.childOid) && known.has(key.parentOid)),
    lockTableSize: database.lockTableSize,
    publicationsCoveringArchives: database.publicationsCoveringArchives,
    materializedViews: views.map(viewOf),
    maySilenceTriggers: database.maySilenceTriggers,
    letheSchema: {
      exists: database.letheExists,
      usage: database.letheUsage,
      create: database.letheCreate,
    },
    ...(retains(declaration) && { retainedRows: await retainedPlace(client, declaration) }),
  };
}

/** Whether retained rows have a place, and whether the connected role may put rows there and erase what is due. */
async function retainedPlace(
  client: pg.ClientBase,
  declaration: Declaration,
): Promise<NonNullable<Catalog['retainedRows']>> {
  const { schema } = inRetained(declaration, RETAINED_ROWS);
  const [place] = await select<{ exists: boolean; insert: boolean }>(client, queries.RETAINED_PLACE, [
    schema,
    RETAINED_ROWS,
  ]);
  return place ?? { exists: false, insert: false };
}

interface Parts {
  readonly relations: ReadonlyMap<number, readonly RelationRow[]>;
  readonly columns: ReadonlyMap<number, readonly ColumnRow[]>;
  readonly indexes: ReadonlyMap<number, readonly IndexRow[]>;
  readonly triggers: ReadonlyMap<number, readonly TriggerRow[]>;
}

function tableOf(row: TableRow, parts: Parts): CatalogTable {
  const relations = parts.relations.get(row.oid) ?? [];
  const leaves = relations.filter((relation) => relation.kind !== 'p');
  const itself = relations.filter((relation) => relation.oid === row.oid);
  const analysed = leaves.map((leaf) => leaf.estimatedRows).filter((estimate) => estimate >= 0);
  return {
    oid: row.oid,
    schema: row.schema,
    name: row.name,
    kind: row.kind === 'p' ? 'partitioned' : row.kind === 'f' ? 'foreign' : 'table',
    declared: row.declared,
    isPartition: false,
    parentOids: row.parentOids.map(Number),
    leaves: leaves.map(relationOf),
    fenced: itself.some((relation) => relation.fenced),
    columns: (parts.columns.get(row.oid) ?? []).map(columnOf),
    primaryKey: row.primaryKey,
    indexes: (parts.indexes.get(row.oid) ?? []).map(({ columns, unique, partial }) => ({
      columns,
      unique,
      partial,
    })),
    triggers: relations.flatMap((relation) =>
      (parts.triggers.get(relation.oid) ?? []).map((trigger) => triggerOf(trigger, relation.oid !== row.oid)),
    ),
    rules: row.rules,
    rowSecurity: {
      enabled: relations.some((relation) => relation.rowSecurity),
      forced: relations.some((relation) => relation.rowSecurityForced),
      bypassed: !itself.some((relation) => relation.filtered),
    },
    replicaIdentityMissing: leaves.some((leaf) => leaf.replicaIdentityMissing),
    estimatedRows: analysed.length === 0 ? -1 : analysed.reduce((sum, rows) => sum + rows, 0),
    // Of a statement that names the root, PostgreSQL checks the root's privileges and policies alone.
    privileges: commonPrivileges(itself),
    deferrableUnique: row.deferrableUnique,
    extensionOwned: row.extensionOwned,
  };
}

function viewOf({ oid, schema, name, tableOids }: MaterializedViewRow): MaterializedView {
  return { oid, schema, name, tableOids: tableOids.map(Number) };
}

async function select<Row extends object>(
  client: pg.ClientBase,
  sql: string,
  values: readonly unknown[],
): Promise<Row[]> {
  const { rows } = await client.query<Row & pg.QueryResultRow>(sql, [...values]);
  return rows;
}

function groupBy<Row>(rows: readonly Row[], keyOfRow: (row: Row) => number): Map<number, Row[]> {
  const groups = new Map<number, Row[]>();
  for (const row of rows) {
    const group = groups.get(keyOfRow(row));
    if (group) group.push(row);
    else groups.set(keyOfRow(row), [row]);
  }
  return groups;
}
