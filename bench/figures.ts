/** What was measured: values by name, and how they stand to each other within one run. */

/** Milliseconds, or whatever a row says that they are, by what was measured, in order of time. */
export class Times {
  private readonly times = new Map<string, number[]>();

  constructor(private readonly report: (message: string) => void) {}

  async measure<T>(what: string, work: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    const result = await work();
    this.add(what, performance.now() - begun);
    return result;
  }

  add(what: string, value: number, unit: Unit = 'ms'): void {
    const before = this.times.get(what);
    if (before) before.push(value);
    else this.times.set(what, [value]);
    this.report(`${what}: ${value < 10 ? value.toFixed(2) : Math.round(value)} ${unit}`);
  }

  of(what: string): readonly number[] {
    return this.times.get(what) ?? [];
  }
}

export type Unit = 'ms' | 'MiB' | 'us a row';

/** What design section 10 asks for, of the ratio to the base, the value itself, or the difference to the base. */
export interface Goal {
  readonly of: 'ratio' | 'value' | 'difference';
  readonly atMost: number;
  readonly text: string;
}

export interface Figure {
  readonly what: string;
  readonly unit: Unit;
  readonly runs: number;
  readonly minimum: number;
  readonly median: number;
  /** Against the base's minimum and median. */
  readonly against: string | null;
  readonly minimumRatio: number | null;
  readonly medianRatio: number | null;
  readonly toReach: string | null;
  /** How far the goal is: 1 is just there, 0.5 twice as good. */
  readonly ofGoal: number | null;
}

export interface Row {
  readonly what: string;
  readonly times: readonly number[];
  readonly unit?: Unit;
  readonly against?: { readonly what: string; readonly times: readonly number[] };
  readonly goal?: Goal;
}

/** Null where it was not measured. */
export function figure({ what, times, unit = 'ms', against, goal }: Row): Figure | null {
  if (times.length === 0) return null;
  const base = against !== undefined && against.times.length > 0 ? against : null;
  const minimum = Math.min(...times);
  const least = base && Math.min(...base.times);
  return {
    what,
    unit,
    runs: times.length,
    minimum: round(minimum),
    median: round(quantile(times, 0.5)),
    against: base?.what ?? null,
    minimumRatio: least === null ? null : round(minimum / least, 1_000),
    medianRatio: base && round(quantile(times, 0.5) / quantile(base.times, 0.5), 1_000),
    toReach: goal?.text ?? null,
    ofGoal: goal === undefined ? null : reached(goal, minimum, least),
  };
}

function reached(goal: Goal, value: number, base: number | null): number | null {
  if (goal.of === 'value') return round(value / goal.atMost, 1_000);
  if (base === null) return null;
  const found = goal.of === 'ratio' ? value / base : Math.max(0, value - base);
  return round(found / goal.atMost, 1_000);
}

export function quantile(times: readonly number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)] ?? 0;
  const above = sorted[Math.ceil(place)] ?? below;
  return below + (above - below) * (place - Math.floor(place));
}

function round(value: number, parts = 100): number {
  return Math.round(value * parts) / parts;
}

/** As text, for a terminal. */
export function tableOf(figures: readonly Figure[]): string {
  const head = ['what', 'runs', 'min', 'median', '', 'against', 'ratio min', 'ratio median', 'to reach'];
  const cells = figures.map((one) => [
    one.what,
    String(one.runs),
    shown(one.minimum),
    shown(one.median),
    one.unit,
    one.against ?? '',
    one.minimumRatio === null ? '' : one.minimumRatio.toFixed(one.minimumRatio < 0.1 ? 3 : 2),
    one.medianRatio === null ? '' : one.medianRatio.toFixed(one.medianRatio < 0.1 ? 3 : 2),
    one.toReach === null ? '' : `${one.toReach}${mark(one.ofGoal)}`,
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

function shown(value: number): string {
  return value < 10 ? value.toFixed(2) : String(Math.round(value));
}

function mark(ofGoal: number | null): string {
  if (ofGoal === null) return '';
  return ofGoal <= 1 ? '  reached' : '  missed';
}
