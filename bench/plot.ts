/** The figures that have a goal, as a picture: how far each is from it. SVG, readable on light and on dark. */
import type { Figure } from './figures.js';

export interface Plotted {
  readonly at: string;
  readonly rows: number;
  readonly postgres: string;
  readonly cpus: number;
  readonly figures: readonly Figure[];
}

const WIDTH = 880;
const LABELS = 350;
const VALUES = 160;
const ROW = 30;
const TOP = 64;
const BAR = 16;
const LONGEST_LABEL = 46;

/** Shares of a goal that the axis is marked at, and where it ends. */
const MARKS = [0.125, 0.25, 0.5, 1, 2, 4, 8] as const;
const LEAST = 1 / 16;
const MOST = 16;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .small { font-size: 11px; fill: #59636e; }
  .title { font-size: 15px; font-weight: 600; }
  .line { stroke: #d1d9e0; }
  .goal { stroke: #1f2328; stroke-width: 1.5; stroke-dasharray: 4 3; }
  .reached { fill: #1a7f37; }
  .missed { fill: #bc4c00; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .small { fill: #9198a1; }
    .line { stroke: #3d444d; }
    .goal { stroke: #f0f6fc; }
    .reached { fill: #3fb950; }
    .missed { fill: #f0883e; }
  }`;

/** Bars on a logarithmic axis, the goal in its middle: to its left it is reached, to its right it is missed. */
export function plotOf({ at, rows, postgres, cpus, figures }: Plotted): string {
  const shown = figures.flatMap((one) => (one.ofGoal === null ? [] : [{ ...one, ofGoal: one.ofGoal }]));
  const bottom = TOP + shown.length * ROW;
  const height = bottom + 52;
  const title = 'How far each figure is from what was to be reached';
  const facts = `${rows} rows of one tenant over 12 services, PostgreSQL ${postgres}, ${cpus} CPUs, ${at.slice(0, 10)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title">`,
    `<title id="title">${escaped(`${title}: ${facts}`)}</title>`,
    `<style>${STYLE}\n</style>`,
    `<text class="title" x="12" y="24">${title}</text>`,
    `<text class="small" x="12" y="43">${escaped(facts)}</text>`,
    ...MARKS.map((mark) => axis(mark, bottom)),
    ...shown.map((one, place) => bar(one, one.ofGoal, TOP + place * ROW)),
    `<text class="small" x="${placeOf(1)}" y="${bottom + 40}" text-anchor="middle">1 is the goal; to the left of it is better</text>`,
    '</svg>',
    '',
  ].join('\n');
}

function axis(mark: number, bottom: number): string {
  const x = placeOf(mark);
  const kind = mark === 1 ? 'goal' : 'line';
  return [
    `<line class="${kind}" x1="${x}" y1="${TOP - 8}" x2="${x}" y2="${bottom}"/>`,
    `<text class="small" x="${x}" y="${bottom + 18}" text-anchor="middle">${mark}</text>`,
  ].join('\n');
}

function bar(figure: Figure, ofGoal: number, y: number): string {
  const from = placeOf(LEAST);
  const to = placeOf(ofGoal);
  const middle = y + BAR / 2 + 4.5;
  return [
    `<text x="12" y="${middle}">${escaped(cut(figure.what))}</text>`,
    `<rect class="${ofGoal <= 1 ? 'reached' : 'missed'}" x="${from}" y="${y}" width="${round(Math.max(2, to - from))}" height="${BAR}" rx="2"/>`,
    `<text x="${WIDTH - VALUES + 12}" y="${middle}">${escaped(reachedText(figure))}</text>`,
  ].join('\n');
}

/** What was reached, and what was to be. */
function reachedText({ minimum, minimumRatio, unit, toReach }: Figure): string {
  const goal = (toReach ?? '').replace(/ \(.*\)$| ms$| MiB$/, '').replace('<=', '≤');
  const value =
    minimumRatio === null || unit === 'MiB'
      ? `${minimum < 10 ? minimum.toFixed(2) : Math.round(minimum)} ${unit}`
      : minimumRatio.toFixed(minimumRatio < 0.1 ? 3 : 2);
  return `${value} (${goal})`;
}

function placeOf(share: number): number {
  const within = Math.min(MOST, Math.max(LEAST, share));
  const part = Math.log2(within / LEAST) / Math.log2(MOST / LEAST);
  return round(LABELS + part * (WIDTH - VALUES - LABELS));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function cut(text: string): string {
  return text.length > LONGEST_LABEL ? `${text.slice(0, LONGEST_LABEL - 1)}…` : text;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
