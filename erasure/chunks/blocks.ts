/** Ranges of a table's blocks: pieces of about the same work, whatever keys the table has. */
import type { CatalogTable } from '../catalog/types.js';
import type { Session } from '../session/session.js';

export interface BlockRange {
  readonly low: number;
  /** The first block above; null: all there are. */
  readonly high: number | null;
}

/** A condition on rows by where they are, under the alias given. */
export type InBlocks = (alias: string) => string;

/** Rows of the range, in every leaf of the table alike. They are the tenant's only where another condition says so. */
export function inBlocks({ low, high }: BlockRange): InBlocks {
  return (alias) => {
    const above = `${alias}.ctid >= '(${low},0)'::pg_catalog.tid`;
    return high === null ? above : `${above} AND ${alias}.ctid < '(${high},0)'::pg_catalog.tid`;
  };
}

/** Blocks of the table; of a partitioned one, of its largest leaf. */
export async function blocksOf(session: Session, table: CatalogTable): Promise<number> {
  return most(
    session,
    table.leaves.map(({ oid }) => oid),
  );
}

/** Blocks of a relation of Lethe's own, by its qualified name. */
export async function blocksOfArchive(session: Session, archive: string): Promise<number> {
  const { rows } = await session.query<{ oid: number }>('SELECT $1::regclass::oid AS oid', [archive]);
  return most(
    session,
    rows.map(({ oid }) => oid),
  );
}

async function most(session: Session, oids: readonly number[]): Promise<number> {
  const { rows } = await session.query<{ blocks: number | null }>(
    `SELECT max(pg_relation_size(o.oid) / current_setting('block_size')::int8)::float8 AS blocks
       FROM unnest($1::oid[]) AS o(oid)`,
    [oids],
  );
  return rows[0]?.blocks ?? 0;
}

/** The next range downwards. `at`: where the walk stands; undefined: at its beginning, `blocks` of the relation. */
export function nextRange(at: number | undefined, blocks: number, size: number): BlockRange {
  // What was appended since the relation was measured belongs to the first piece.
  if (at === undefined) return { low: Math.max(0, blocks - size), high: null };
  return { low: Math.max(0, at - size), high: at };
}
