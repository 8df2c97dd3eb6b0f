/**
 * When things happen in the sample data. The days are fixed, so that the same seed gives the same rows on any day;
 * they cover the months for which the migrations make partitions, and some before and after.
 */

const DAY = 86_400_000;
const HOUR = 3_600_000;
/** The first month that has a partition of its own. */
const FIRST_DAY = Date.UTC(2025, 11, 1);
/** Where the past ends: what comes later is planned or forecast. */
export const TODAY = Date.UTC(2026, 10, 23);
const IMPORTED_FROM = Date.UTC(2025, 5, 1);
const WRONG_CLOCK = Date.UTC(2027, 8, 1);

/** When something took place; `draw` is in [0, 1). Most fall into the last year, within opening hours. */
export function pastTime(draw: number): number {
  // Some sales were imported from before, and one till has a clock that is wrong: neither has a month of its own.
  if (draw < 0.02) return openingHours(IMPORTED_FROM, FIRST_DAY, draw / 0.02);
  if (draw > 0.998) return openingHours(WRONG_CLOCK, WRONG_CLOCK + 30 * DAY, (draw - 0.998) / 0.002);
  return openingHours(FIRST_DAY, TODAY, (draw - 0.02) / 0.978);
}

/** When something is going to take place, in the months ahead. */
export function futureTime(draw: number): number {
  return openingHours(TODAY, TODAY + 120 * DAY, draw);
}

// From 06:00 to 20:00 UTC; the second half of the digits of `draw` is the time of day.
function openingHours(from: number, until: number, draw: number): number {
  const days = ((until - from) / DAY) * draw;
  const day = Math.floor(days);
  return from + day * DAY + 6 * HOUR + Math.floor((days - day) * 14 * HOUR);
}

/** `YYYY-MM-DD`. */
export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

export function minutes(count: number): number {
  return count * 60_000;
}

export function hours(count: number): number {
  return count * HOUR;
}

export function days(count: number): number {
  return count * DAY;
}
