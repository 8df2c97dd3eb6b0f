/** How bodies of functions get into a migration. */

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
