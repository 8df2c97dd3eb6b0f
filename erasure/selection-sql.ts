/** The pieces of SQL that selections are written with. */
import type { CatalogTable, ForeignKey } from './catalog/types.js';
import { family } from './plan/soft-references.js';
import type { Ownership } from './plan/types.js';
import { ident, literal, type QualifiedName, qualified } from './quote.js';

export const EQUALS = 'OPERATOR(pg_catalog.=)';

/** What stands after FROM for a table's rows and no others: inheritance children are tables of their own. */
export function rowsOf(table: CatalogTable): string {
  return table.kind === 'partitioned' ? qualified(table) : `ONLY ${qualified(table)}`;
}

/** Rows that a key may refer to, as part of a sub-select. */
export interface Source {
  readonly recursion?: string;
  readonly from: string;
  readonly column: (name: string) => string;
  readonly conditions: readonly string[];
}

export function keysOf(ownership: readonly Ownership[]): ForeignKey[] {
  return ownership.flatMap((one) => (one.kind === 'reference' ? [one.key] : []));
}

/** Of the tenant's key, by the declaration's name. */
const TENANT_TYPES = { uuid: 'uuid', text: 'text', integer: 'int4', bigint: 'int8' } as const;
type TenantType = keyof typeof TENANT_TYPES;

/**
 * Whether the child's row refers to one of the sources' rows: where the key's operators are plain equality a semi-join
 * by the values, which PostgreSQL can make unique and begin from.
 */
export function refersTo(key: ForeignKey, alias: string, sources: readonly Source[], exists = false): string {
  const byValue = !exists && key.operators.every((operator) => operator === EQUALS);
  const rows = sources
    .map(({ recursion = '', from, column, conditions }) => {
      const shown = byValue ? key.parentColumns.map((name) => compared(key, column(name))).join(', ') : '';
      const all = byValue ? conditions : [...equalities(key, column, alias), ...conditions];
      return `${recursion}SELECT ${shown} FROM ${from}${all.length > 0 ? ` WHERE ${all.join(' AND ')}` : ''}`;
    })
    .join(' UNION ALL ');
  const refers = byValue
    ? `${compared(key, row(alias, key.childColumns))} ${EQUALS} ANY (${rows})`
    : `EXISTS (${rows})`;
  const conditions = [refers, ...inRows(key, alias).map((one) => (exists ? `(${one}) IS TRUE` : one))];
  return conditions.length === 1 ? refers : `(${conditions.join(' AND ')})`;
}

/**
 * What a row is known by, with what says whose it is: a row that somebody gives to another tenant while a statement
 * waits for it is found no more.
 */
export function version(table: CatalogTable, ownership: readonly Ownership[], alias: string): string {
  const builtIn = (name: string) => table.columns.some((column) => column.name === name && column.builtIn);
  if (!table.primaryKey?.every(builtIn)) return `${alias}.tableoid, ${alias}.ctid`;
  const owners = ownership.flatMap((one) => {
    if (one.kind === 'tenant_column') return [one.column];
    const { childColumns, soft } = one.key;
    return soft?.when === undefined ? childColumns : [...childColumns, soft.when.column];
  });
  return `${columns(alias, table.primaryKey)}, CAST(ROW(${columns(alias, [...new Set(owners)])}) AS pg_catalog.text)`;
}

/** Column by column, by the key's own operators. */
export function equalities(key: ForeignKey, parentColumn: (name: string) => string, child: string): string[] {
  return key.parentColumns.map(
    (name, place) =>
      `${compared(key, parentColumn(name))} ${key.operators[place]} ${compared(key, `${child}.${ident(key.childColumns[place] ?? name)}`)}`,
  );
}

/** Of a declared reference the columns may be of types that PostgreSQL does not compare. */
function compared({ soft }: ForeignKey, value: string): string {
  return soft?.asText ? `CAST(${value} AS pg_catalog.text)` : value;
}

/**
 * The rows that a key is about. One of a single partition says nothing about the rows of the others, and a generic
 * reference only about those of its kind.
 */
export function inRows(key: ForeignKey, alias: string): string[] {
  const when = key.soft?.when;
  return [
    ...(key.childPartition === null ? [] : [`${alias}.tableoid IN (${leavesOf(key.childPartition)})`]),
    ...(when === undefined
      ? []
      : [`CAST(${alias}.${ident(when.column)} AS pg_catalog.text) ${EQUALS} ${literal(when.equals)}`]),
  ];
}

/** Whether a column holds the tenant's key, `$1`. Where keys are kept as text they are compared as text. */
export function isTenants(table: CatalogTable, name: string, type: TenantType, alias: string): string {
  const value = `${alias}.${ident(name)}`;
  const column = table.columns.find((one) => one.name === name);
  if (type !== 'text' && column !== undefined && family(column) === 'text') {
    return `CAST(${value} AS pg_catalog.text) ${EQUALS} $1::pg_catalog.text`;
  }
  return `${value} ${EQUALS} $1::pg_catalog.text::pg_catalog.${TENANT_TYPES[type]}`;
}

function leavesOf(partition: QualifiedName): string {
  return `SELECT relid FROM pg_catalog.pg_partition_tree(${literal(qualified(partition))}::pg_catalog.regclass)`;
}

function columns(alias: string, names: readonly string[]): string {
  return names.map((name) => `${alias}.${ident(name)}`).join(', ');
}

function row(alias: string, names: readonly string[]): string {
  return names.length === 1 ? columns(alias, names) : `(${columns(alias, names)})`;
}
