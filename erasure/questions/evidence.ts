/** Looks at some rows, where a column's name alone says too little. */
import type pg from 'pg';
import type { CatalogTable } from '../catalog/types.js';
import { sqlstateOf } from '../errors.js';
import {
  type Candidate,
  type ColumnCandidate,
  type GenericCandidate,
  plain,
  singulars,
} from '../plan/candidates.js';
import { columnLabel, family } from '../plan/soft-references.js';
import type { Plan } from '../plan/types.js';
import { canRead } from '../preview/readable.js';
import { ident, label } from '../quote.js';
import { EQUALS, rowsOf } from '../selection-sql.js';
import type { Evidence, GenericTarget, Sample } from './types.js';

/** Values of a column that are looked at. */
const VALUES = 200;
/** Kinds of rows that a generic reference may point to. */
const KINDS = 200;
const WITHIN_MS = 3_000;

/** Reads a few rows of each candidate. What cannot be read, or takes too long, is left out. */
export async function evidenceFor(
  client: pg.ClientBase,
  plan: Plan,
  candidates: readonly Candidate[],
): Promise<Evidence> {
  const samples = new Map<string, Sample>();
  const targets = new Map<string, readonly GenericTarget[]>();
  for (const candidate of candidates) {
    if (candidate.kind === 'unowned_table' || !canRead(candidate.table)) continue;
    const name = columnLabel(candidate.table, candidate.column);
    if (candidate.kind === 'generic_reference') {
      targets.set(name, await targetsOf(client, plan, candidate));
      continue;
    }
    const sample = await sampleOf(client, candidate);
    if (sample !== null) samples.set(name, sample);
  }
  return { samples, targets };
}

const FORMS: Readonly<Record<string, string>> = {
  uuid: '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$',
  number: '^-?[0-9]{1,9}$',
};

async function sampleOf(
  client: pg.ClientBase,
  { table, column, target }: ColumnCandidate,
): Promise<Sample | null> {
  if (target === null || !canRead(target.table)) return null;
  const key = target.table.columns.find(({ name }) => name === target.column);
  if (key === undefined) return null;
  const form = FORMS[family(key)];
  // By the key's own type, so that an index serves.
  const exists = `EXISTS (SELECT FROM ${rowsOf(target.table)} AS k
    WHERE k.${ident(target.column)} ${EQUALS} CAST(s.value AS ${key.baseType}))`;
  const matches = form === undefined ? exists : `CASE WHEN s.value ~ '${form}' THEN ${exists} ELSE false END`;
  const [found] = await rows<{ values: number; matching: number }>(
    client,
    `SELECT count(*)::float8 AS values, count(*) FILTER (WHERE ${matches})::float8 AS matching
       FROM (SELECT CAST(t.${ident(column)} AS pg_catalog.text) AS value FROM ${rowsOf(table)} AS t
              WHERE t.${ident(column)} IS NOT NULL LIMIT ${VALUES}) AS s`,
  );
  return found ?? null;
}

/** Which values of the type column name tables that hold tenants' rows. */
async function targetsOf(
  client: pg.ClientBase,
  plan: Plan,
  candidate: GenericCandidate,
): Promise<GenericTarget[]> {
  const kinds = (await contentTypes(client, plan, candidate)) ?? (await typesInUse(client, candidate));
  return kinds.flatMap(({ value, names }): GenericTarget[] => {
    const owned = plan.ownedTables.find(({ table }) => names.some((name) => isNamed(table, name)));
    if (owned === undefined) return [];
    const key = owned.table.primaryKey?.length === 1 ? owned.table.primaryKey[0] : undefined;
    if (key === undefined) return [];
    const when = { column: candidate.typeColumn, equals: value };
    return [{ to: columnLabel(owned.table, key), when }];
  });
}

interface Kind {
  readonly value: string;
  /** What the table may be called. */
  readonly names: readonly string[];
}

/** Where kinds are rows of a table of their own, as Django keeps them: application and model. */
async function contentTypes(
  client: pg.ClientBase,
  plan: Plan,
  { table, typeColumn }: GenericCandidate,
): Promise<Kind[] | null> {
  const key = plan.catalog.foreignKeys.find(
    ({ childOid, childColumns }) => childOid === table.oid && childColumns.join() === typeColumn,
  );
  const kinds = plan.catalog.tables.find(({ oid }) => oid === key?.parentOid);
  const has = (name: string) => kinds?.columns.some((column) => column.name === name) === true;
  if (key === undefined || kinds === undefined || !canRead(kinds) || !has('app_label') || !has('model'))
    return null;
  const id = key.parentColumns[0] ?? 'id';
  const found = await rows<{ value: string; app: string; model: string }>(
    client,
    `SELECT CAST(k.${ident(id)} AS pg_catalog.text) AS value, k.app_label AS app, k.model FROM ${rowsOf(kinds)} AS k ORDER BY 2, 3, 1`,
  );
  return found.map(({ value, app, model }) => ({ value, names: [`${app}_${model}`] }));
}

/** Names of classes or tables in the rows themselves. */
async function typesInUse(client: pg.ClientBase, { table, typeColumn }: GenericCandidate): Promise<Kind[]> {
  const found = await rows<{ value: string }>(
    client,
    `SELECT DISTINCT CAST(t.${ident(typeColumn)} AS pg_catalog.text) AS value FROM ${rowsOf(table)} AS t
      WHERE t.${ident(typeColumn)} IS NOT NULL ORDER BY 1 LIMIT ${KINDS}`,
  );
  return found.map(({ value }) => ({ value, names: [value, value.split(/[.:\\/]+/).at(-1) ?? value] }));
}

function isNamed(table: CatalogTable, name: string): boolean {
  const wanted = plain(name);
  return wanted === plain(label(table)) || singulars(table.name).includes(wanted);
}

async function rows<Row extends object>(client: pg.ClientBase, sql: string): Promise<Row[]> {
  await client.query('BEGIN');
  try {
    await client.query(`SET LOCAL statement_timeout = ${WITHIN_MS}`);
    const { rows: found } = await client.query<Row & pg.QueryResultRow>(sql);
    return found;
  } catch (error) {
    // A hint is not worth failing for.
    if (sqlstateOf(error) === undefined) throw error;
    return [];
  } finally {
    await client.query('ROLLBACK');
  }
}
