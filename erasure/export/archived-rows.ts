/** Archived rows as they are exported: names and values as they were archived, without columns that are secret. */
import type { Declaration } from '../declaration.js';
import { EngineError } from '../engine-types.js';
import type { Archive } from '../ledger/record.js';
import { policyOf } from '../plan/policy.js';
import { ident, label, qualified, shown } from '../quote.js';
import type { Session } from '../session/session.js';

interface StoredColumn {
  readonly archive: string;
  readonly stored: string;
  readonly type: string;
  /** Its binary form is the same in every database. */
  readonly portable: boolean;
}

export interface ArchivedRows {
  readonly archive: string;
  readonly rows: number;
  /** The table as people write its name. */
  readonly table: string;
  /** What stands after FROM. */
  readonly from: string;
  /** All columns, each in a form whose binary is the same everywhere. */
  readonly all: string;
  /** Columns that are exported, under their names. */
  readonly exported: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly secretColumns: readonly string[];
  /** A row of the exported columns, aliased `r`, as one line of JSON. */
  readonly json: string;
}

const COLUMNS = `
  SELECT c.relname::text AS archive, a.attname::text AS stored, format_type(a.atttypid, a.atttypmod) AS type,
         t.typsend::oid <> 0 AND t.typname NOT LIKE 'reg%' AND t.typname NOT LIKE '\\_reg%'
           AND (t.typcategory <> 'A' OR e.typsend::oid <> 0) AS portable
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type e ON e.oid = t.typelem
   WHERE n.nspname = $1 AND c.relname = ANY ($2::text[])`;

/** In the order of the archives. `forExport`: throws where a column is declared secret that the table does not have. */
export async function archivedRows(
  session: Session,
  declaration: Declaration,
  archives: readonly Archive[],
  forExport: boolean,
): Promise<ArchivedRows[]> {
  if (archives.length === 0) return [];
  const { rows } = await session.query<StoredColumn>(COLUMNS, [
    declaration.letheSchema,
    archives.map(({ archive }) => archive),
  ]);
  const stored = new Map(rows.map((row) => [`${row.archive} ${row.stored}`, row]));
  return archives.map((archive) => {
    const secret = secretColumns(declaration, archive.table);
    if (forExport) assertSecretsKnown(archive, secret);
    const columns = archive.columns.map((column) => {
      const { type = 'text', portable = true } = stored.get(`${archive.archive} ${column.stored}`) ?? {};
      return { ...column, type, portable };
    });
    const open = columns.filter(({ name }) => !secret.includes(name));
    return {
      archive: archive.archive,
      rows: archive.rows,
      table: label(archive.table),
      from: `${qualified({ schema: declaration.letheSchema, name: archive.archive })} AS a`,
      all: columns
        .map(({ stored: name, portable }) => (portable ? `a.${name}` : `CAST(a.${name} AS text) AS ${name}`))
        .join(', '),
      exported: open.map(({ stored: from, name }) => `a.${from} AS ${ident(name)}`).join(', '),
      columns: open.map(({ name, type }) => ({ name, type })),
      secretColumns: secret,
      json: jsonLine(open.map(({ type }) => type)),
    };
  });
}

/** A value of type json is written as it was given, line breaks too; between JSON's tokens a blank is as good. */
export function jsonLine(types: readonly string[]): string {
  const written = types.some((type) => /^json(\[\])?$/.test(type));
  const row = 'row_to_json(r)::text';
  return written ? `translate(${row}, E'\\n\\r', '  ')` : row;
}

/** The columns of a table that no export may have, by the names that the table's policy gives. */
export function secretColumns(
  declaration: Declaration,
  table: { readonly schema: string; readonly name: string },
): readonly string[] {
  return policyOf(table, declaration)?.secretColumns ?? [];
}

function assertSecretsKnown({ table, columns }: Archive, secret: readonly string[]): void {
  const unknown = secret.find((column) => !columns.some(({ name }) => name === column));
  if (unknown === undefined) return;
  // It may have been renamed since the rows were archived, and its new name is declared: then nobody knows which it is.
  throw new EngineError(
    'plan_refused',
    `${label(table)} has no column ${shown(unknown)}, which is declared secret, among those that were archived. Nothing is exported; correct the declaration.`,
    { table: label(table) },
  );
}
