/** Sets references back that were nulled at stage, where nobody has given them another value since. */
import type { EngineContext } from '../context.js';
import type { LedgerRow, SavedReference } from '../ledger/record.js';
import { ident, label, qualified } from '../quote.js';
import { putValuesBack } from '../retention/put-back.js';
import type { Session } from '../session/session.js';
import { keysOf } from './constraint-checks.js';
import { type LiveColumn, type LiveTable, liveColumn, liveTables } from './live-tables.js';

/** A row, a table or a column that is gone since has nothing to be set back. `among`: a condition on what was saved, `a`. */
export async function setReferencesBack(
  context: EngineContext,
  session: Session,
  row: Pick<LedgerRow, 'savedReferences' | 'skipped'>,
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
    const there = sql && row.skipped.length > 0 ? await refersToARow(session, reference, table) : undefined;
    const some = sql && [sql, ...(among ? [among] : []), ...(there ? [there] : [])].join(' AND ');
    if (table && some) await session.query(some, [], { table: label(table), privilege: 'UPDATE' });
  }
}

/** Where rows were put aside, what refers to one of them stays null: a condition on the saved value `a` and its row `t`. */
async function refersToARow(
  session: Session,
  reference: SavedReference,
  table: LiveTable,
): Promise<string | undefined> {
  const key = (await keysOf(session, [{ table }])).find(({ name }) => name === reference.constraint);
  if (key === undefined || !key.readable) return undefined;
  const same = key.attnums.map((attnum, place) => {
    const saved = reference.columns.find((column) => column.attnum === attnum);
    const live = table.columns.find((column) => column.attnum === attnum);
    const stored = saved?.asText ? `CAST(a.${saved.stored} AS ${live?.type})` : `a.${saved?.stored}`;
    const value = saved ? stored : `t.${ident(live?.name ?? '?')}`;
    return `p.${ident(key.parentColumns[place] ?? '?')} ${key.operators[place]} ${value}`;
  });
  const parent = qualified({ schema: key.parentSchema, name: key.parentName });
  return `EXISTS (SELECT FROM ${key.parentPartitioned ? parent : `ONLY ${parent}`} AS p WHERE ${same.join(' AND ')})`;
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
