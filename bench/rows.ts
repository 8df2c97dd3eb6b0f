/** The rows of the table: what was measured against what, and what design section 10 asks for. */
import { BARE } from './bare.js';
import { type Figure, figure, type Goal, quantile, type Row, type Times } from './figures.js';
import { PER_ROW } from './growth.js';
import { QUIET, WHILE_RAW, WHILE_STAGED } from './others.js';
import { ACCEPT, MEMORY, PREVIEW_API, SAGA, SAGA_EMPTY } from './saga.js';
import * as steps from './steps.js';
import { UNINDEXED_RAW, UNINDEXED_STAGE } from './unindexed.js';

const ratio = (atMost: number, text = `<= ${atMost}`): Goal => ({ of: 'ratio', atMost, text });
const P95: Goal = { of: 'value', atMost: 100, text: '< 100 ms' };
const MORE: Goal = { of: 'difference', atMost: 32, text: '+ <= 32 MiB' };

export function figuresOf(
  times: Times,
  sizes: Readonly<Record<'growth' | 'memory', readonly number[]>>,
): Figure[] {
  const row = (what: string) => ({ what, times: times.of(what) });
  const raw = { what: 'raw', times: [...times.of(steps.RAW_FIRST), ...times.of(steps.RAW_LAST)] };
  const rows: Row[] = [
    { ...row(steps.RAW_FIRST), against: raw },
    { ...row(steps.STAGE), against: raw, goal: ratio(1.1) },
    { ...row(steps.PURGE), against: raw },
    { ...row(SAGA), against: raw, goal: ratio(2) },
    row(UNINDEXED_RAW),
    {
      ...row(UNINDEXED_STAGE),
      against: { what: 'unindexed raw', times: times.of(UNINDEXED_RAW) },
      goal: ratio(0.01, '<= 0.01 (100x faster)'),
    },
    row(steps.INSERT),
    { ...row(steps.RESTORE), against: { ...row(steps.INSERT), what: 'insert' }, goal: ratio(0.8) },
    row(BARE),
    { ...row(SAGA_EMPTY), against: { ...row(BARE), what: 'bare workflow' }, goal: ratio(1.5) },
    row(steps.EMPTY),
    ...grown(times, sizes.growth),
    ...(['services', 'worker'] as const).flatMap((name) => remembered(times, name, sizes.memory)),
    row(QUIET),
    { ...row(WHILE_STAGED), against: { ...row(QUIET), what: 'quiet' }, goal: ratio(2) },
    { ...row(WHILE_RAW), against: { ...row(QUIET), what: 'quiet' } },
    row(ACCEPT),
    { what: `${ACCEPT}, p95`, times: p95(times.of(ACCEPT)), goal: P95 },
    row(steps.COUNT),
    { ...row(steps.PREVIEW), against: { ...row(steps.COUNT), what: 'counting' } },
    row(steps.PREVIEW_EMPTY),
    row(PREVIEW_API),
    { what: `${PREVIEW_API}, p95`, times: p95(times.of(PREVIEW_API)), goal: P95 },
    { ...row(steps.RAW_LAST), against: raw },
  ];
  return rows.flatMap((one) => figure(one) ?? []);
}

function p95(times: readonly number[]): number[] {
  return times.length === 0 ? [] : [quantile(times, 0.95)];
}

function grown(times: Times, sizes: readonly number[]): Row[] {
  const unit = 'us a row' as const;
  const [first, ...others] = sizes.map((rows) => ({
    what: PER_ROW(rows),
    times: times.of(PER_ROW(rows)),
    unit,
  }));
  if (first === undefined) return [];
  return [
    first,
    ...others.map((one) => ({ ...one, against: { ...first, what: 'the smallest' }, goal: ratio(1.2) })),
  ];
}

function remembered(times: Times, name: 'worker' | 'services', sizes: readonly number[]): Row[] {
  const unit = 'MiB' as const;
  const [first, ...others] = sizes.map((rows) => {
    const what = MEMORY(name, rows);
    return { what, times: times.of(what), unit };
  });
  if (first === undefined) return [];
  return [
    first,
    ...others.map((one) => ({ ...one, against: { ...first, what: 'the smallest' }, goal: MORE })),
  ];
}
