/** Gives anonymized rows back what they were, column by column, where nobody has written something else since. */
import type { SavedReference } from '../ledger/record.js';
import { ident, literal, qualified } from '../quote.js';
import { type LiveTable, liveColumn } from '../restore/live-tables.js';

/** Null where the rows cannot be found any more: the table has another key. */
export function putValuesBack(saved: SavedReference, table: LiveTable, letheSchema: string): string | null {
  const key = saved.key.map((column) => {
    const live = liveColumn(table, column);
    const stored = `a.${column.stored}`;
    return live && `t.${ident(live.name)} = ${column.asText ? `CAST(${stored} AS ${live.type})` : stored}`;
  });
  if (key.includes(null)) return null;
  const assignments = saved.columns.flatMap((column, place) => {
    const live = liveColumn(table, column);
    // What was dropped meanwhile has no value to come back.
    if (live === null || live.generated) return [];
    const name = `t.${ident(live.name)}`;
    const constant = saved.constants?.[place] ?? null;
    // As text, since not every type can be compared.
    const unchanged =
      constant === null
        ? `${name} IS NULL`
        : `CAST(${name} AS text) IS NOT DISTINCT FROM CAST(CAST(${literal(constant)} AS ${live.type}) AS text)`;
    const was = column.asText ? `CAST(a.${column.stored} AS ${live.type})` : `a.${column.stored}`;
    return [`${ident(live.name)} = CASE WHEN ${unchanged} THEN ${was} ELSE ${name} END`];
  });
  if (assignments.length === 0) return null;
  const target = table.partitioned ? qualified(table) : `ONLY ${qualified(table)}`;
  const source = qualified({ schema: letheSchema, name: saved.archive });
  return `UPDATE ${target} AS t SET ${assignments.join(', ')} FROM ${source} AS a WHERE ${key.join(' AND ')}`;
}
