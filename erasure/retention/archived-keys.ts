/** Foreign keys between archives: what an archived row refers to, among what was archived with it. */
import type { CatalogTable, ForeignKey } from '../catalog/types.js';
import type { EngineContext } from '../context.js';
import type { Archive } from '../ledger/record.js';
import { keepsWhole } from '../plan/retained-with.js';
import type { Plan } from '../plan/types.js';
import { label, literal, qualified } from '../quote.js';
import type { Session } from '../session/session.js';

/** An archive with what is known of its columns. */
export interface Stored {
  readonly archive: Archive;
  /** The table's, as it is called now; as it was called where it is gone. */
  readonly label: string;
  readonly table: CatalogTable | undefined;
  /** The archive's qualified name. */
  readonly from: string;
  /** Names as they were archived, with the type that a value would have to be cast to. */
  readonly columns: readonly { readonly name: string; readonly stored: string; readonly type: string }[];
  /** The value of a column, by the name it has now or had then, of an archived row under that alias. */
  value(column: string, alias: string): string | null;
}

const TYPES = `
  SELECT c.relname::text AS archive, a.attname::text AS stored, format_type(a.atttypid, a.atttypmod) AS type
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
   WHERE n.nspname = $1 AND c.relname = ANY ($2::text[]) AND a.attnum > 0 AND NOT a.attisdropped`;

export async function archiveValues(
  { declaration }: EngineContext,
  session: Session,
  plan: Plan,
  archives: readonly Archive[],
): Promise<Stored[]> {
  const schema = declaration.letheSchema;
  const { rows } = await session.query<{ archive: string; stored: string; type: string }>(TYPES, [
    schema,
    archives.map(({ archive }) => archive),
  ]);
  const types = new Map(rows.map(({ archive, stored, type }) => [`${archive}.${stored}`, type]));
  return archives.map((archive): Stored => {
    const table = plan.catalog.tables.find(({ oid }) => oid === archive.table.oid);
    const live = (attnum: number) => table?.columns.find((column) => column.attnum === attnum);
    return {
      archive,
      label: label(table ?? archive.table),
      table,
      from: qualified({ schema, name: archive.archive }),
      columns: archive.columns.map(({ attnum, name, stored, asText }) => ({
        name,
        stored,
        // Of a type that is not PostgreSQL's own the archive has the text alone.
        type: (asText ? live(attnum)?.type : types.get(`${archive.archive}.${stored}`)) ?? 'text',
      })),
      value: (name, alias) => {
        const column =
          archive.columns.find(({ attnum }) => live(attnum)?.name === name) ??
          archive.columns.find((one) => one.name === name);
        if (column === undefined) return null;
        const value = `${alias}.${column.stored}`;
        const type = live(column.attnum)?.type;
        return column.asText && type !== undefined ? `CAST(${value} AS ${type})` : value;
      },
    };
  });
}

/** A key from the rows of one archive to those of another. */
export interface Hop {
  readonly child: Stored;
  readonly parent: Stored;
  /** Of a row `c` of the child and a row `p` of the parent. */
  readonly condition: string;
}

export function hopsBetween(plan: Plan, stored: readonly Stored[]): Hop[] {
  return plan.catalog.foreignKeys.filter(keepsWhole).flatMap((key) =>
    stored
      .filter(({ archive }) => archive.table.oid === key.childOid)
      .flatMap((child) =>
        stored
          .filter(({ archive }) => archive.table.oid === key.parentOid)
          .flatMap((parent): Hop[] => {
            const condition = conditionOf(key, child, parent);
            return condition === null ? [] : [{ child, parent, condition }];
          }),
      ),
  );
}

function conditionOf(key: ForeignKey, child: Stored, parent: Stored): string | null {
  const pairs = key.childColumns.map((column, place) => {
    const own = child.value(column, 'c');
    const other = parent.value(key.parentColumns[place] ?? '', 'p');
    if (own === null || other === null) return null;
    return key.soft?.asText
      ? `CAST(${other} AS text) = CAST(${own} AS text)`
      : `${other} ${key.operators[place] ?? '='} ${own}`;
  });
  const when = key.soft?.when;
  const kind = when === undefined ? null : child.value(when.column, 'c');
  if (pairs.length === 0 || pairs.includes(null) || (when !== undefined && kind === null)) return null;
  const only = when === undefined ? [] : [`CAST(${kind} AS text) = ${literal(when.equals)}`];
  return [...pairs, ...only].join(' AND ');
}
