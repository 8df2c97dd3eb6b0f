/** How names and values get into SQL text: the only place that quotes. */
import pg from 'pg';

export interface QualifiedName {
  readonly schema: string;
  readonly name: string;
}

/** An identifier as SQL takes it, whatever characters it is made of. */
export function ident(name: string): string {
  if (name === '' || name.includes('\0')) {
    throw new TypeError(
      `${JSON.stringify(name)} cannot be an identifier in PostgreSQL; give a name without NUL.`,
    );
  }
  return pg.escapeIdentifier(name);
}

/** A relation's or function's name with its schema. */
export function qualified({ schema, name }: QualifiedName): string {
  return `${ident(schema)}.${ident(name)}`;
}

/** A string constant, for statements that take no parameters. */
export function literal(text: string): string {
  if (text.includes('\0')) throw new TypeError('A string constant in PostgreSQL cannot hold NUL.');
  return pg.escapeLiteral(text);
}

const PLAIN = /^[a-z_][a-z0-9_]*$/;

/** A table's name as people read and write it: `schema.table`, quoted only where it has to be. */
export function label({ schema, name }: QualifiedName): string {
  return `${shown(schema)}.${shown(name)}`;
}

/** One name as people read and write it. */
export function shown(name: string): string {
  return PLAIN.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
