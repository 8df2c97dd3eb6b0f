/** Compares the values that statistics hold with those of archived and of live rows, within the server. */
import type { CatalogTable } from '../catalog/types.js';
import { ident, literal, qualified } from '../quote.js';
import type { Session } from '../session/session.js';

/** Columns of an archive that statistics hold values of. */
export interface Compared {
  readonly archive: string;
  readonly columns: readonly {
    readonly name: string;
    readonly stored: string;
    /** The archived value as statistics would show it; null where they would not, or not as a value. */
    readonly text: string | null;
  }[];
}

export interface Comparison {
  readonly table: CatalogTable;
  /** Schemas and names of the relations that have statistics: the table and its partitions. */
  readonly schemas: readonly string[];
  readonly names: readonly string[];
  readonly compared: readonly Compared[];
  /** Share of the table that is looked through for values of rows that stay. */
  readonly percent: number;
}

/** ANALYZE takes no value above 1,024 bytes into statistics. */
const LONGEST_BYTES = 2_048;

/** A value as its type writes it, which is how statistics show it; null where it is too long for them. */
export function asOutput(value: string): string {
  return `CASE WHEN pg_column_size(${value}) <= ${LONGEST_BYTES} THEN format('%s', ${value}) END`;
}

/**
 * Whether statistics hold a value of an archived row that no row has which stays, as far as a sample shows it. Only the
 * answer leaves the server.
 */
export async function holdsTheirs(
  session: Session,
  schema: string,
  comparison: Comparison,
): Promise<boolean> {
  const { table, schemas, names, compared, percent } = comparison;
  const from = ({ archive }: Compared) => `${qualified({ schema, name: archive })} AS a`;
  const readable = (one: Compared) => one.columns.flatMap(({ name, text }) => (text ? [{ name, text }] : []));
  const opaque = compared.flatMap((one) =>
    one.columns
      .filter(({ text }) => text === null)
      .map(({ stored }) => `EXISTS (SELECT FROM ${from(one)} WHERE a.${stored} IS NOT NULL)`),
  );
  const theirs = compared
    .filter((one) => readable(one).length > 0)
    .map((one) => {
      const values = readable(one).map(({ name, text }) => `(${literal(name)}, ${text})`);
      return `SELECT v.name, v.value FROM ${from(one)} CROSS JOIN LATERAL (VALUES ${values.join(', ')}) AS v(name, value)
       WHERE v.value IS NOT NULL`;
    });
  const columns = [...new Set(compared.flatMap((one) => readable(one).map(({ name }) => name)))];
  if (theirs.length === 0 && opaque.length === 0) return false;
  const about = { table: qualified(table), privilege: 'SELECT' };
  if (theirs.length === 0) {
    const { rows } = await session.query<{ held: boolean }>(
      `SELECT ${opaque.join(' OR ')} AS held`,
      [],
      about,
    );
    return rows[0]?.held !== false;
  }
  const isLive = columns.map(
    (name) =>
      `WHEN ${literal(name)} THEN EXISTS (SELECT FROM live AS t WHERE ${asOutput(`t.${ident(name)}`)} = s.value)`,
  );
  const { rows } = await session.query<{ held: boolean }>(
    `WITH theirs(name, value) AS MATERIALIZED (${theirs.join(' UNION ')}),
          held AS (
       SELECT s.attname::text AS name, h.value FROM pg_stats s CROSS JOIN LATERAL (
                SELECT unnest(s.most_common_vals::text::text[])
                 UNION ALL SELECT unnest(s.histogram_bounds::text::text[])) AS h(value)
        WHERE s.schemaname = ANY ($1::name[]) AND s.tablename = ANY ($2::name[]) AND s.attname = ANY ($3::name[])
          AND (s.schemaname, s.tablename) IN (SELECT m.schema, m.name FROM unnest($1::name[], $2::name[]) AS m(schema, name))),
          live AS MATERIALIZED (
       SELECT ${columns.map((name) => `t.${ident(name)}`).join(', ')} FROM ${qualified(table)} AS t TABLESAMPLE SYSTEM ($4::real))
     SELECT ${[...opaque, ''].join(' OR ')} EXISTS (
       SELECT FROM (SELECT DISTINCT theirs.name, theirs.value FROM theirs JOIN held USING (name, value)) AS s
        WHERE NOT CASE s.name ${isLive.join(' ')} ELSE false END) AS held`,
    [schemas, names, columns, percent],
    about,
  );
  return rows[0]?.held !== false;
}
