/** How bodies of functions and names of tables get into a migration. */
import type { Declaration } from '../declaration.js';
import { label } from '../quote.js';

/** A body between dollars, with a tag that does not occur in it. */
export function dollarQuoted(body: string): string {
  let tag = 'lethe';
  while (body.includes(`$${tag}$`)) tag += '_';
  return `$${tag}$\n${body.trim()}\n$${tag}$`;
}

/** SQL type of the tenant's key in Lethe's own tables. Text is compared by its bytes, whatever a column's collation. */
export function keyType(type: 'uuid' | 'text' | 'integer' | 'bigint'): string {
  return type === 'text' ? 'text COLLATE "C"' : type;
}

const PART = '(?:[a-z_][a-z0-9_]*|"(?:[^"]|"")+")';
const AS_SQL = new RegExp(`^${PART}\\.${PART}$`);

/** A table's name as SQL reads it: a declaration may also write it as it is, without quotes. */
export function regclassText(name: string, { schemas }: Pick<Declaration, 'schemas'>): string {
  if (AS_SQL.test(name)) return name;
  const schema = schemas.find((one) => name.startsWith(`${one}.`));
  return schema === undefined ? name : label({ schema, name: name.slice(schema.length + 1) });
}
