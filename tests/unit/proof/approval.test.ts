import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changeSince } from '../../../proof/approval-fit.js';
import { approvalHash, type ToApprove } from '../../../proof/approval-hash.js';

const JOB: ToApprove = {
  jobId: '0190b0a4-0000-7000-8000-00000000000a',
  tenantId: '0190b0a4-0000-7000-8000-000000000001',
  plans: [
    {
      service: 'orders',
      planHash: 'a'.repeat(64),
      rows: 3,
      tables: [
        { table: 'orders.customers', rows: 1 },
        { table: 'orders.orders', rows: 2 },
      ],
    },
    { service: 'sales', planHash: 'b'.repeat(64), rows: 4, tables: null },
  ],
  restoreWindowMs: 0,
  options: {},
};
const [orders, sales] = JOB.plans as [ToApprove['plans'][number], ToApprove['plans'][number]];

describe('the hash that is approved', () => {
  it('does not depend on the order in which services and tables came', () => {
    const tables = [...(orders.tables ?? [])].reverse();
    expect(approvalHash({ ...JOB, plans: [sales, { ...orders, tables }] })).toBe(approvalHash(JOB));
  });

  it.each<[string, Partial<ToApprove>]>([
    ['job', { jobId: '0190b0a4-0000-7000-8000-00000000000b' }],
    ['tenant', { tenantId: '0190b0a4-0000-7000-8000-000000000002' }],
    ['window', { restoreWindowMs: 1 }],
    ['option', { options: { export: true } }],
    ['plan', { plans: [{ ...orders, planHash: 'c'.repeat(64) }, sales] }],
    ['count of a service', { plans: [orders, { ...sales, rows: 5 }] }],
    [
      'table, though the sum is the same',
      { plans: [{ ...orders, tables: [{ table: 'orders.orders', rows: 3 }] }, sales] },
    ],
    ['service less', { plans: [orders] }],
  ])('is another one for another %s', (_, changes) => {
    expect(approvalHash({ ...JOB, ...changes })).not.toBe(approvalHash(JOB));
  });
});

describe('what no longer fits an approval', () => {
  const approved = [
    { service: 'orders', planHash: 'a', rows: 90 },
    { service: 'sales', planHash: 'b', rows: 10 },
  ];
  const now = (...rows: (number | null)[]) =>
    approved.map((one, index) => ({ ...one, rows: rows[index] ?? null }));

  it('is more rows in all than the tolerance, and says where', () => {
    expect(changeSince(approved, now(90, 20), 0.1)).toBeNull();
    expect(changeSince(approved, now(90, 21), 0.1)).toBe('111 rows where 100 were approved (sales 10 to 21)');
    expect(changeSince(approved, now(91, 10), 0)).toContain('orders 90 to 91');
    // One grows as the other shrinks: as many rows as were approved.
    expect(changeSince(approved, now(80, 30), 0.1)).toBeNull();
  });

  it('compares what has been told, with what was approved of the same', () => {
    expect(changeSince(approved, now(99, null), 0.1)).toBeNull();
    expect(changeSince(approved, now(100, null), 0.1)).toContain('100 rows where 90');
  });

  it('is another plan and another set of services, whatever the rows', () => {
    const [first, second] = now(1, 1);
    if (!first || !second) throw new Error('There are two.');
    expect(changeSince(approved, [{ ...first, planHash: 'x' }, second], 1)).toBe('orders has another plan');
    expect(changeSince(approved, [first], 1)).toBe('sales is missing');
    const third = { service: 'pos', planHash: 'c', rows: 0 };
    expect(changeSince(approved, [first, second, third], 1)).toBe('pos is new');
  });

  it('is never fewer rows, and never the same again', () => {
    const services = fc.array(fc.record({ rows: fc.nat(1_000), less: fc.nat(1_000) }), { maxLength: 8 });
    fc.assert(
      fc.property(services, fc.double({ min: 0, max: 1, noNaN: true }), (list, tolerance) => {
        const before = list.map(({ rows }, index) => ({ service: `s${index}`, planHash: 'p', rows }));
        const after = before.map((one, index) => ({
          ...one,
          rows: Math.max(0, one.rows - (list[index]?.less ?? 0)),
        }));
        expect(changeSince(before, before, tolerance)).toBeNull();
        expect(changeSince(before, after, tolerance)).toBeNull();
      }),
    );
  });
});
