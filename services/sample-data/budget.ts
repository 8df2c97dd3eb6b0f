/** How many rows each table of a tenant gets, so that they are as many as was asked for. */
import type { RowCounts, SampleTable } from './types.js';

/** One row in each table is the least. Gives the count of every table; those that count add up to `total`. */
export function rowCounts(tables: readonly SampleTable[], total: number): RowCounts {
  let low = 0;
  let high = total;
  // The number of rows grows with the scale, in steps: the last scale that does not go over is looked for.
  for (let step = 0; step < 60; step += 1) {
    const middle = (low + high) / 2;
    if (countedRows(tables, scaled(tables, middle)) > total) high = middle;
    else low = middle;
  }
  const counts = scaled(tables, low);
  const left = total - countedRows(tables, counts);
  const largest = largestTable(tables);
  if (left > 0) counts.set(largest, (counts.get(largest) ?? 0) + left);
  return counts;
}

/** The rows that count as the tenant's. */
export function countedRows(tables: readonly SampleTable[], counts: RowCounts): number {
  return tables.reduce(
    (sum, table) => (table.counted === false ? sum : sum + (counts.get(table.name) ?? 0)),
    0,
  );
}

function scaled(tables: readonly SampleTable[], scale: number): Map<string, number> {
  const counts = new Map<string, number>();
  const rowsOf = (table: string) => counts.get(table) ?? 0;
  for (const { name, size } of tables) {
    if ('exactly' in size) counts.set(name, size.exactly);
    else {
      const { share, atLeast = 1, atMost = Number.POSITIVE_INFINITY } = size;
      const most = typeof atMost === 'number' ? atMost : Math.floor(atMost(rowsOf));
      counts.set(name, Math.min(Math.max(atLeast, Math.floor(share * scale)), Math.max(1, most)));
    }
  }
  return counts;
}

function largestTable(tables: readonly SampleTable[]): string {
  let largest = '';
  let largestShare = 0;
  for (const { name, size } of tables) {
    if (!('share' in size) || size.atMost !== undefined || size.share <= largestShare) continue;
    largest = name;
    largestShare = size.share;
  }
  return largest;
}
