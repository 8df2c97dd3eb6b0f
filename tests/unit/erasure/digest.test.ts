import { describe, expect, it } from 'vitest';
import {
  addLanes,
  hexOf,
  isDigested,
  keyFor,
  tableDigests,
  withDropped,
  ZERO,
} from '../../../erasure/digest/lanes.js';
import type { ArchiveDigest, Digests } from '../../../erasure/digest/types.js';
import type { Archive } from '../../../erasure/ledger/record.js';

const archive = (name: string): Archive => ({
  archive: name,
  table: { oid: 1, schema: 'shop', name: 'orders' },
  unit: 0,
  rows: 1,
  columns: [],
});
const digest = (more: Partial<ArchiveDigest> = {}): ArchiveDigest => ({
  table: 'shop.orders',
  rows: 1,
  of: 1,
  lanes: ['1', '2', '3', String(2n ** 64n - 1n)],
  exported: null,
  next: null,
  ...more,
});
const digests = (archives: Digests['archives']): Digests => ({ key: 'ab'.repeat(32), archives });

describe('sums of digests', () => {
  it('wrap at 64 bits, lane by lane, and do not cancel where one is added twice', () => {
    const one = digest().lanes;
    expect(addLanes(one, ['0', '0', '0', '1'])).toEqual(['1', '2', '3', '0']);
    expect(addLanes(one, one)).not.toEqual(ZERO);
    // As PostgreSQL sums signed numbers.
    expect(addLanes(ZERO, ['-1', '0', '0', '-18446744073709551617'])).toEqual([
      String(2n ** 64n - 1n),
      '0',
      '0',
      String(2n ** 64n - 1n),
    ]);
    expect(hexOf(one)).toBe(
      `${'1'.padStart(16, '0')}${'2'.padStart(16, '0')}${'3'.padStart(16, '0')}${'f'.repeat(16)}`,
    );
  });

  it('are told of a table once all of its archives are in, added up', () => {
    const kept = digests({ a1_1: digest(), a1_2: digest({ rows: 4, next: 7 }) });
    const archives = [archive('a1_1'), archive('a1_2')];
    expect(isDigested(kept, archives, false)).toBe(false);
    expect(tableDigests(kept, archives)).toBeUndefined();
    const whole = digests({ a1_1: digest(), a1_2: digest({ rows: 4, exported: ['1', '1', '1', '1'] }) });
    expect(isDigested(whole, archives, true)).toBe(false);
    expect(tableDigests(whole, archives)).toEqual([
      { table: 'shop.orders', rows: 5, digest: hexOf(['2', '4', '6', String(2n ** 64n - 2n)]) },
    ]);
  });

  it('outlive archives whose names come again', () => {
    const once = withDropped(digests({ a1_1: digest(), a1_2: digest() }), new Set(['a1_1']));
    expect(isDigested(once, [archive('a1_1')], false)).toBe(false);
    expect(isDigested(once, [archive('a1_2')], false)).toBe(true);
    const twice = withDropped(
      digests({ ...once.archives, a1_1: digest({ rows: 2 }) }),
      new Set(['a1_1', 'a1_2']),
    );
    expect(tableDigests(twice, [])).toMatchObject([{ rows: 4 }]);
    // Rows that came into an archive after it was digested count as not digested.
    expect(isDigested(once, [{ ...archive('a1_2'), rows: 2 }], false)).toBe(false);
  });

  it('have a key for each purpose, of one secret', () => {
    const [one, other] = [keyFor('ab'.repeat(32), 'archive'), keyFor('ab'.repeat(32), 'export')];
    expect(one).toHaveLength(32);
    expect(one.equals(other)).toBe(false);
  });
});
