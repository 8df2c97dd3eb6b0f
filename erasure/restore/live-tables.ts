/** Where archived rows belong now: tables and columns may have been renamed, added or dropped since. */
import type { ArchivedColumn, ArchivedTable } from '../ledger/record.js';
import type { Session } from '../session/session.js';

export interface LiveColumn {
  readonly attnum: number;
  readonly name: string;
  readonly type: string;
  readonly generated: boolean;
  /** Not null, and nothing fills it. */
  readonly required: boolean;
  /** What it becomes when a key sets it to its default. */
  readonly default: string | null;
}

export interface LiveTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly partitioned: boolean;
  /** It was renamed, and another table has its name now: rows that come back may belong there. */
  readonly replaced?: boolean;
  readonly columns: readonly LiveColumn[];
}

interface Row extends Omit<LiveTable, 'columns'> {
  readonly place: number;
  readonly columns: LiveColumn[] | null;
}

const LIVE = `
  SELECT a.place, c.oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind = 'p' AS partitioned,
         EXISTS (SELECT FROM pg_class x JOIN pg_namespace xn ON xn.oid = x.relnamespace
                  WHERE xn.nspname = a.schema AND x.relname = a.name AND x.relkind IN ('r', 'p') AND x.oid <> c.oid)
           AS replaced,
         (SELECT json_agg(json_build_object('attnum', t.attnum, 'name', t.attname,
                   'type', format_type(t.atttypid, t.atttypmod), 'generated', t.attgenerated <> '',
                   'required', t.attnotnull AND d.oid IS NULL AND t.attidentity = '' AND t.attgenerated = '',
                   'default', pg_get_expr(d.adbin, d.adrelid)) ORDER BY t.attnum)
            FROM pg_attribute t LEFT JOIN pg_attrdef d ON d.adrelid = t.attrelid AND d.adnum = t.attnum
           WHERE t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped) AS columns
    FROM json_to_recordset($1) AS a(place int, oid oid, schema text, name text)
    JOIN pg_class c ON c.oid = CASE $2 WHEN 'oid' THEN a.oid
                                       ELSE to_regclass(format('%I.%I', a.schema, a.name))::oid END
    JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p')`;

/** The tables as they are now, in the order asked for; null where one is gone. */
export async function liveTables(
  session: Session,
  tables: readonly ArchivedTable[],
  by: 'oid' | 'name' = 'oid',
): Promise<(LiveTable | null)[]> {
  if (tables.length === 0) return [];
  const { rows } = await session.query<Row>(LIVE, [
    JSON.stringify(tables.map((table, place) => ({ ...table, place }))),
    by,
  ]);
  return tables.map((_, place) => {
    const row = rows.find((one) => one.place === place);
    return row === undefined ? null : { ...row, columns: row.columns ?? [] };
  });
}

/** The column that an archived one is now; null where it was dropped. */
export function liveColumn(table: LiveTable, { attnum }: ArchivedColumn): LiveColumn | null {
  return table.columns.find((column) => column.attnum === attnum) ?? null;
}
