/** Archived rows that refer to others which are not back yet: they come once those are. */
import { type ArchiveView, asTable, PLACE } from '../restore/archive-view.js';
import type { Key } from '../restore/constraint-checks.js';
import type { InBlocks } from './blocks.js';

export interface Tied {
  /** Common table expressions to stand in the WITH RECURSIVE. */
  readonly ctes: readonly string[];
  /** Condition on a row `a` of the archive: it refers to none but such as come with it. */
  readonly free: string;
}

/**
 * Of a range of the archive `view`, among those of its unit. Null where no row can be tied; `together` where that
 * cannot be told, so that all rows of the unit have to come at once.
 */
export function tiedArchivedRows(
  view: ArchiveView,
  unit: readonly ArchiveView[],
  keys: readonly Key[],
  range: InBlocks,
): Tied | 'together' | null {
  const relevant = keys.flatMap((key) => {
    const parent = unit.find(({ table }) => table.oid === key.parent);
    return key.table === view.table.oid && parent !== undefined ? [{ key, parent }] : [];
  });
  if (relevant.length === 0) return null;
  const own = ({ parent }: { parent: ArchiveView }) => parent.archive.archive === view.archive.archive;
  const inRange = (alias: string) => range(alias).replaceAll(`${alias}.ctid`, `${alias}.${PLACE}`);
  const conditions = relevant.map((one) => ({ one, same: matches(one.key, view, one.parent) }));
  if (conditions.some(({ one: { key }, same }) => same === null || key.temporal)) return 'together';
  const waits = conditions.map(({ one, same }) => {
    const outside = own(one) ? ` AND (${inRange('p')}) IS NOT TRUE` : '';
    return `EXISTS (SELECT FROM ${asTable(one.parent)} AS p WHERE ${same}${outside})`;
  });
  const first = `SELECT c.${PLACE} FROM ${asTable(view)} AS c WHERE ${inRange('c')} AND (${waits.join(' OR ')})`;
  const downwards = conditions
    .filter(({ one }) => own(one))
    .map(
      ({ same }) =>
        `SELECT c.${PLACE} FROM ${asTable(view)} AS p JOIN ${asTable(view)} AS c ON ${same} WHERE p.${PLACE} = s.place AND ${inRange('c')}`,
    );
  const recursion =
    downwards.length === 0
      ? ''
      : ` UNION SELECT u.* FROM lethe_tied AS s CROSS JOIN LATERAL (${downwards.join(' UNION ALL ')}) AS u`;
  return {
    ctes: [`lethe_tied(place) AS (${first}${recursion})`],
    free: 'NOT EXISTS (SELECT FROM lethe_tied AS s WHERE s.place = a.ctid)',
  };
}

/** The key as a comparison of `p` and `c`; null where a column of it is not archived. */
function matches(key: Key, child: ArchiveView, parent: ArchiveView): string | null {
  const comparisons = key.parentAttnums.map((attnum, place) => {
    const to = parent.columns.get(attnum)?.name;
    const from = child.columns.get(key.attnums[place] ?? 0)?.name;
    if (to === undefined || from === undefined) return null;
    return `p.${to} ${key.operators[place]} c.${from}`;
  });
  return comparisons.includes(null) ? null : comparisons.join(' AND ');
}
