/** What a service says of its sample data: which tables, how many rows of each, and what stands in a row. */
import type { Pools } from './pools.js';
import type { SampleRow } from './row.js';

/** One value as COPY takes it. A list of strings or numbers is an array; JSON is a string already. */
export type Cell = string | number | boolean | null | Date | Uint8Array | readonly (string | number | null)[];

/** How many rows of each table a tenant gets, by `schema.table`. */
export type RowCounts = ReadonlyMap<string, number>;

/** How many rows a table gets. */
export type TableSize =
  /** In proportion to the shares of all tables, within these limits. */
  | { readonly share: number; readonly atLeast?: number; readonly atMost?: number | AtMost }
  | { readonly exactly: number };

/** Asked after every table that is listed earlier has its number. */
export type AtMost = (rowsOf: (table: string) => number) => number;

export interface SampleTable {
  /** `schema.table`. */
  readonly name: string;
  readonly size: TableSize;
  /** False for rows that are nobody's, such as users. */
  readonly counted?: false;
  /** An identity column whose values other tables refer to: they are taken from its sequence before. */
  readonly identity?: string;
  /** A value for each column; what is missing here is left to PostgreSQL. */
  readonly columns: Readonly<Record<string, (row: SampleRow) => Cell>>;
}

/** A table that all tenants share. It is filled once, where it is empty. */
export interface SharedTable {
  readonly name: string;
  /** Rows that count as shared, where others in the table belong to tenants. */
  readonly where?: string;
  readonly identity?: string;
  readonly columns: readonly string[];
  readonly rows: (pools: Pools) => Iterable<readonly Cell[]>;
}

export interface ServiceSample {
  readonly service: string;
  /** Parents first. */
  readonly tables: readonly SampleTable[];
  readonly shared?: readonly SharedTable[];
  /** Statements that close cycles once all rows are there; `$1` is the tenant. */
  readonly finish?: readonly string[];
}
