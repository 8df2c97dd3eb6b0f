/** When a retained row is due: in SQL, and in words. */
import type { Retention } from '../declaration.js';
import { literal, shown } from '../quote.js';

const ISO_8601 =
  /^P(?=\d|T\d)(\d{1,4}Y)?(\d{1,5}M)?(\d{1,5}W)?(\d{1,6}D)?(T(?=\d)(\d{1,6}H)?(\d{1,6}M)?(\d{1,9}S)?)?$/;

/** Whether it is a duration as ISO 8601 writes it, in whole numbers. */
export function isPeriod(text: string): boolean {
  return ISO_8601.test(text);
}

/** What the period is counted from. */
export function startInWords({ from }: Pick<Retention, 'from'>): string {
  if (from === 'deletion') return 'the deletion';
  return from.endOf === 'calendar_year'
    ? `the end of the calendar year of ${shown(from.column)}`
    : shown(from.column);
}

/**
 * An expression for the time at which a row is due. `value`: of the column that it is counted from. Where a row has
 * none, nobody can say that it is older than the deletion.
 */
export function dueSql({ from, period }: Retention, value: string | null): string {
  const known = from === 'deletion' || value === null ? null : `CAST(${value} AS timestamptz)`;
  const start = known === null ? 'now()' : `COALESCE(${known}, now())`;
  const counted =
    from !== 'deletion' && from.endOf === 'calendar_year'
      ? `date_trunc('year', ${start}) + interval '1 year'`
      : start;
  return `(${counted} + CAST(${literal(period)} AS interval))`;
}
