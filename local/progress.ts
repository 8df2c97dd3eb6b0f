/** Progress that a person sees, in a terminal or in a log. */
export type Progress = (message: string) => void;

/** For callers that have nobody to tell. */
export const silent: Progress = () => undefined;

/** Says `message` at once, and again with the time gone by, until the work is done. */
export async function withHeartbeat<T>(
  report: Progress,
  message: string,
  work: () => Promise<T>,
  everyMs = 10_000,
): Promise<T> {
  report(message);
  const started = Date.now();
  const timer = setInterval(() => {
    report(`${message} (${Math.round((Date.now() - started) / 1_000)} s so far)`);
  }, everyMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
