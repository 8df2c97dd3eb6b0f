/** Waiting for something to become true, instead of waiting for a time. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface UntilOptions {
  readonly timeoutMs?: number;
  readonly everyMs?: number;
  /** For what lasts once it is so: the longer it has been waited for, the less often it is asked, up to so many ms. */
  readonly relaxedToMs?: number;
  /** What is waited for, in the error of the one who waited in vain. */
  readonly what?: string;
}

/** Asks until the answer is something, and gives it. An error of the probe ends the wait only at its end. */
export async function until<T>(
  probe: () => Promise<T | false | null | undefined>,
  options: UntilOptions = {},
): Promise<T> {
  const { timeoutMs = 60_000, everyMs = 50, relaxedToMs = everyMs, what = 'the condition' } = options;
  const begun = Date.now();
  const deadline = begun + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await probe();
      if (answer !== false && answer !== null && answer !== undefined) return answer;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() >= deadline) {
      const why = last instanceof Error ? ` (last error: ${last.message})` : '';
      throw new Error(`Waited ${timeoutMs} ms in vain for ${what}${why}`, { cause: last });
    }
    await sleep(Math.max(everyMs, Math.min(relaxedToMs, (Date.now() - begun) / 10)));
  }
}
