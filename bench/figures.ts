/** What was measured: times by name, and ratios within one run. */

/** Milliseconds by what was measured, in order of time. */
export class Times {
  private readonly times = new Map<string, number[]>();

  constructor(private readonly report: (message: string) => void) {}

  async measure<T>(what: string, work: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    const result = await work();
    this.add(what, performance.now() - begun);
    return result;
  }

  add(what: string, ms: number): void {
    const before = this.times.get(what);
    if (before) before.push(ms);
    else this.times.set(what, [ms]);
    this.report(`${what}: ${Math.round(ms)} ms`);
  }

  of(what: string): readonly number[] {
    return this.times.get(what) ?? [];
  }
}

export interface Figure {
  readonly what: string;
  readonly runs: number;
  readonly minimumMs: number;
  readonly medianMs: number;
  /** Against the base's minimum and median. */
  readonly against: string | null;
  readonly minimumRatio: number | null;
  readonly medianRatio: number | null;
  /** What design section 10 asks for, as a ratio; null where it asks for none. */
  readonly toReach: string | null;
}

export interface Row {
  readonly what: string;
  readonly times: readonly number[];
  readonly against?: { readonly what: string; readonly times: readonly number[] };
  readonly toReach?: string;
}

/** Null where it was not measured. */
export function figure({ what, times, against, toReach }: Row): Figure | null {
  if (times.length === 0) return null;
  const base = against !== undefined && against.times.length > 0 ? against : null;
  return {
    what,
    runs: times.length,
    minimumMs: round(Math.min(...times)),
    medianMs: round(quantile(times, 0.5)),
    against: base?.what ?? null,
    minimumRatio: base && round(Math.min(...times) / Math.min(...base.times), 100),
    medianRatio: base && round(quantile(times, 0.5) / quantile(base.times, 0.5), 100),
    toReach: toReach ?? null,
  };
}

export function quantile(times: readonly number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)] ?? 0;
  const above = sorted[Math.ceil(place)] ?? below;
  return below + (above - below) * (place - Math.floor(place));
}

function round(value: number, parts = 10): number {
  return Math.round(value * parts) / parts;
}

/** As text, for a terminal. */
export function tableOf(figures: readonly Figure[]): string {
  const head = ['what', 'runs', 'min ms', 'median ms', 'against', 'ratio min', 'ratio median', 'to reach'];
  const cells = figures.map((one) => [
    one.what,
    String(one.runs),
    String(one.minimumMs),
    String(one.medianMs),
    one.against ?? '',
    one.minimumRatio === null ? '' : one.minimumRatio.toFixed(2),
    one.medianRatio === null ? '' : one.medianRatio.toFixed(2),
    one.toReach ?? '',
  ]);
  const widths = head.map((name, column) =>
    Math.max(name.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('\n');
}
