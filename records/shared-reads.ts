/** The same read, asked for by many at once. */
import { setTimeout as sleep } from 'node:timers/promises';

/** A read that takes longer is not waited for: the next begins beside it. */
const LONGEST_WAIT_MS = 20;

/**
 * Reads once for all who ask while another such read runs: they share the next one, never the one that runs, so that
 * each answer is of a moment after it was asked for.
 */
export function sharedReads<T>(read: (id: string) => Promise<T>): (id: string) => Promise<T> {
  const running = new Map<string, Promise<unknown>>();
  const next = new Map<string, Promise<T>>();
  return (id) => {
    const shared = next.get(id);
    if (shared !== undefined) return shared;
    const mine = ended(running.get(id)).then(() => {
      next.delete(id);
      const reading = read(id).finally(() => {
        if (running.get(id) === reading) running.delete(id);
      });
      running.set(id, reading);
      return reading;
    });
    next.set(id, mine);
    return mine;
  };
}

async function ended(reading: Promise<unknown> | undefined): Promise<void> {
  if (reading === undefined) return;
  const quiet = reading.then(
    () => undefined,
    () => undefined,
  );
  await Promise.race([quiet, sleep(LONGEST_WAIT_MS, undefined, { ref: false })]);
}
