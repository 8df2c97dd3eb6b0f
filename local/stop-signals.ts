/** The ways in which somebody tells a program in the foreground to stop. */

/** Calls `asked` on Ctrl-C, on SIGTERM, and when the terminal or the npm that started this is gone; perhaps repeatedly. */
export function onStopAsked(asked: () => void): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, asked);
  // `kill` on npm ends npm and its shell, and tells nobody else.
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    asked();
  }, 1_000);
  watch.unref();
}
