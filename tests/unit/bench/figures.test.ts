import { describe, expect, it } from 'vitest';
import { figure, quantile, tableOf } from '../../../bench/figures.js';
import { plotOf } from '../../../bench/plot.js';

const raw = { what: 'raw', times: [100, 120] };

describe('a figure of the bench', () => {
  it('compares minimum with minimum and median with median', () => {
    const found = figure({ what: 'stage', times: [90, 150], against: raw });
    expect(found).toMatchObject({ minimum: 90, median: 120, minimumRatio: 0.9, medianRatio: 1.091 });
  });

  it('says how far a ratio, a value and a difference are from their goals', () => {
    const ofGoal = (of: 'ratio' | 'value' | 'difference', atMost: number) =>
      figure({ what: 'stage', times: [110], against: raw, goal: { of, atMost, text: '' } })?.ofGoal;
    expect(ofGoal('ratio', 2)).toBe(0.55);
    expect(ofGoal('value', 100)).toBe(1.1);
    expect(ofGoal('difference', 20)).toBe(0.5);
  });

  it('is none where nothing was measured, and has no ratio where the base was not', () => {
    expect(figure({ what: 'stage', times: [] })).toBeNull();
    const goal = { of: 'ratio', atMost: 2, text: '<= 2' } as const;
    const found = figure({ what: 'stage', times: [1], against: { what: 'raw', times: [] }, goal });
    expect(found).toMatchObject({ against: null, minimumRatio: null, ofGoal: null });
  });

  it('takes a quantile between two values', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([1], 0.95)).toBe(1);
  });
});

describe('what the bench shows', () => {
  const goal = { of: 'ratio', atMost: 1, text: '<= 1' } as const;
  const figures = [
    figure({ what: 'reached <here>', times: [50], against: raw, goal }),
    figure({ what: 'missed', times: [300], against: raw, goal }),
    figure({ what: 'without a goal', times: [1] }),
  ].flatMap((one) => one ?? []);

  it('marks in the table what was reached and what was missed', () => {
    const [, , first, second, third] = tableOf(figures).split('\n');
    expect(first).toMatch(/<= 1 {2}reached$/);
    expect(second).toMatch(/<= 1 {2}missed$/);
    expect(third).not.toMatch(/reached|missed/);
  });

  it('plots what has a goal, and nothing that SVG would take for its own', () => {
    const svg = plotOf({ at: '2026-01-02T03:04:05Z', rows: 10, postgres: '18', cpus: 2, figures });
    expect(svg).toContain('reached &lt;here&gt;');
    expect(svg).not.toContain('without a goal');
    expect(svg.match(/<rect class="reached"/g)).toHaveLength(1);
    expect(svg.match(/<rect class="missed"/g)).toHaveLength(1);
  });
});
