/** Durations as people write them: `30s`, `15m`, `72h`, `7d`. In code they are milliseconds, and named so. */
import ms from 'ms';
import { z } from 'zod';

const WRITTEN = /^\d+(\.\d+)?\s*(ms|s|m|h|d|w)$/;
const LONGEST_MS = 10 * 365 * 24 * 3_600_000;

/** Milliseconds of a written duration, or null where it is none (a bare number has no unit and is none). */
export function parseDuration(written: string): number | null {
  const text = written.trim();
  if (!WRITTEN.test(text)) return null;
  const milliseconds = ms(text as ms.StringValue);
  return milliseconds <= LONGEST_MS ? milliseconds : null;
}

/** A duration in a form that people read: `1h 30m`, `12s`, `250ms`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Math.round(milliseconds)}ms`;
  const seconds = Math.round(milliseconds / 1_000);
  const parts: string[] = [];
  let rest = seconds;
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count}${unit}`);
    rest -= count * size;
  }
  return parts.slice(0, 2).join(' ');
}

/** Schema of a written duration; gives milliseconds. */
export const duration = z.string().transform((written, context) => {
  const milliseconds = parseDuration(written);
  if (milliseconds === null) {
    context.addIssue({ code: 'custom', message: 'should be a duration such as 30s, 15m, 72h or 7d' });
    return z.NEVER;
  }
  return milliseconds;
});
