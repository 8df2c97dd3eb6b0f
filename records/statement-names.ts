/** Names of prepared statements: what is asked again and again is then parsed and planned once a connection. */
import { createHash } from 'node:crypto';

/** Each connection keeps what has a name; a list whose length is part of its text comes in many texts. */
const MOST = 400;

/** The same name for the same text. Further texts than `most` have none, and are planned each time. */
export function statementNames(most = MOST): (query: { readonly sql: string }) => string {
  const names = new Map<string, string>();
  return ({ sql }) => {
    const known = names.get(sql);
    if (known !== undefined) return known;
    if (names.size >= most) return '';
    const name = `lethe_${createHash('sha256').update(sql).digest('hex').slice(0, 32)}`;
    names.set(sql, name);
    return name;
  };
}
