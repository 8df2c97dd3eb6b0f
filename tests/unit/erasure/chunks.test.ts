import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inBlocks, nextRange } from '../../../erasure/chunks/blocks.js';
import { wholeRows } from '../../../erasure/chunks/pace.js';
import {
  afterOverrun,
  endOfRound,
  firstBlocks,
  firstProgress,
  MOST_ROUNDS,
  nextBlocks,
} from '../../../erasure/chunks/progress.js';
import { withDefaults } from '../../../erasure/limits.js';

describe('a walk over blocks', () => {
  it('covers every block once, from the end, whatever the sizes', () => {
    fc.assert(
      fc.property(
        fc.nat(5_000),
        fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1 }),
        (blocks, sizes) => {
          let at: number | undefined;
          let above: number | null = null;
          for (let step = 0; at !== 0; step++) {
            const range = nextRange(at, at ?? blocks, sizes[step % sizes.length] ?? 1);
            expect(range.high).toBe(above);
            expect(range.low).toBeLessThanOrEqual(range.high ?? blocks);
            if (range.high !== null) expect(range.low).toBeLessThan(range.high);
            above = range.low;
            at = range.low;
          }
          expect(above).toBe(0);
        },
      ),
    );
  });

  it('has no end above its first piece, so that what is appended meanwhile belongs to it', () => {
    expect(inBlocks(nextRange(undefined, 10, 4))('t')).toBe(`t.ctid >= '(6,0)'::pg_catalog.tid`);
    expect(inBlocks(nextRange(6, 6, 4))('t')).toBe(
      `t.ctid >= '(2,0)'::pg_catalog.tid AND t.ctid < '(6,0)'::pg_catalog.tid`,
    );
  });
});

describe('the size of a chunk', () => {
  it('comes to what takes the time aimed at, and stays there', () => {
    for (const msPerBlock of [0.1, 1, 7]) {
      let blocks = firstBlocks(700);
      for (let chunk = 0; chunk < 12; chunk++) blocks = nextBlocks(blocks, blocks * msPerBlock, 700);
      expect(Math.abs(blocks * msPerBlock - 700)).toBeLessThan(35);
    }
  });

  it('has a floor, so that what a chunk costs whatever its size is not paid for ever fewer rows', () => {
    let blocks = 1_000;
    for (let chunk = 0; chunk < 20; chunk++) blocks = nextBlocks(blocks, 60_000, 700);
    expect(blocks).toBe(35);
    expect(nextBlocks(1, 60_000, 1)).toBe(1);
  });

  it('falls below it only where a chunk was cancelled, down to a block', () => {
    let progress = { ...firstProgress('p', 700), blocks: 35 };
    for (const expected of [4, 1, 1]) {
      progress = { ...progress, blocks: afterOverrun(progress).blocks };
      expect(progress.blocks).toBe(expected);
    }
  });
});

describe('a walk over rows that refer to each other', () => {
  const walked = (moved: number, round = 1) => ({ ...firstProgress('p', 700), moved, round });

  it('is over when nothing is left, and taken again as long as it finds something', () => {
    expect(endOfRound(walked(0), false)).toBe('done');
    expect(endOfRound(walked(5), true)).toBe('again');
  });

  it('ends with all at once where it finds nothing, or only a little many times', () => {
    expect(endOfRound(walked(0), true)).toBe('whole');
    expect(endOfRound(walked(5, MOST_ROUNDS), true)).toBe('whole');
  });
});

describe('limits', () => {
  it('have a transaction become chunks before PostgreSQL ends it', () => {
    expect(withDefaults({ lockTimeoutMs: 1, longestTransactionMs: 2_000 }).singleTransactionMs).toBe(1_800);
  });

  it('let no more go in one transaction than the log may grow by in two seconds', () => {
    const limits = withDefaults({ lockTimeoutMs: 1, longestTransactionMs: 1 });
    expect(wholeRows(limits)).toBe(500_000);
    expect(wholeRows({ ...limits, walBytesPerSecond: 1_000_000 })).toBe(4_000);
  });
});
