/** Sets references back that were nulled at stage, where nobody has given them another value since. */
import type { EngineContext } from '../context.js';
import type { LedgerRow, SavedReference } from '../ledger/record.js';
import { ident, label, qualified } from '../quote.js';
import { putValuesBack } from '../retention/put-back.js';
import type { Session } from '../session/session.js';
import { type LiveColumn, type LiveTable, liveColumn, liveTables } from './live-tables.js';

/** A row, a table or a column that is gone since has nothing to be set back. `among`: a condition on what was saved, `a`. */
export async function setReferencesBack(
  context: EngineContext,
  session: Session,
  row: Pick<LedgerRow, 'savedReferences'>,
  among?: string,
): Promise<void> {
  const saved = row.savedReferences.filter(({ rows }) => rows > 0);
  const live = await liveTables(
    session,
    saved.map(({ table }) => table),
  );
  for (const [place, reference] of saved.entries()) {
    const table = live[place];
    const sql =
      table &&
      (reference.constants
        ? putValuesBack(reference, table, context.declaration.letheSchema)
        : setBack(context, reference, table));
    const some = sql && among !== undefined ? `${sql} AND ${among}` : sql;
    if (table && some) await session.query(some, [], { table: label(table), privilege: 'UPDATE' });
  }
}

function setBack(context: EngineContext, reference: SavedReference, table: LiveTable): string | null {
  const all = [...reference.key, ...reference.columns].map((column) => {
    const live = liveColumn(table, column);
    const stored = `a.${column.stored}`;
    return live && { live, value: column.asText ? `CAST(${stored} AS ${live.type})` : stored };
  });
  const found = all.filter((one): one is { live: LiveColumn; value: string } => one !== null);
  if (found.length < all.length) return null;
  const key = found.slice(0, reference.key.length);
  const columns = found.slice(reference.key.length);
  const target = table.partitioned ? qualified(table) : `ONLY ${qualified(table)}`;
  const source = qualified({ schema: context.declaration.letheSchema, name: reference.archive });
  const became = ({ default: fallback }: LiveColumn) =>
    reference.became === 'default' && fallback !== null ? `(${fallback})` : 'NULL';
  const conditions = [
    ...key.map(({ live, value }) => `t.${ident(live.name)} = ${value}`),
    ...columns.map(({ live }) => `t.${ident(live.name)} IS NOT DISTINCT FROM ${became(live)}`),
  ];
  return `UPDATE ${target} AS t SET ${columns.map(({ live, value }) => `${ident(live.name)} = ${value}`).join(', ')}
          FROM ${source} AS a WHERE ${conditions.join(' AND ')}`;
}
