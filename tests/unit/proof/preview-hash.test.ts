import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { previewHash } from '../../../proof/preview-hash.js';

const tenant = '0190b0a4-0000-7000-8000-000000000001';
const plans = [
  {
    service: 'orders',
    planHash: 'a'.repeat(64),
    tables: [
      { table: 'orders.orders', rows: 3 },
      { table: 'orders.order_items', rows: 9 },
    ],
  },
  { service: 'inventory', planHash: 'b'.repeat(64), tables: [] },
];

describe('the hash of a preview', () => {
  it('is the SHA-256 of canonical JSON that anybody can write by hand', () => {
    const text = `{"services":[{"plan_hash":"${'b'.repeat(64)}","service":"inventory","tables":[]},{"plan_hash":"${'a'.repeat(64)}","service":"orders","tables":[{"rows":9,"table":"orders.order_items"},{"rows":3,"table":"orders.orders"}]}],"tenant_id":"${tenant}"}`;
    expect(previewHash(tenant, plans)).toBe(createHash('sha256').update(text).digest('hex'));
  });

  it('does not depend on the order in which services and tables answer', () => {
    const reversed = plans.map((plan) => ({ ...plan, tables: [...plan.tables].reverse() })).reverse();
    expect(previewHash(tenant, reversed)).toBe(previewHash(tenant, plans));
  });

  it('is not changed by what a caller adds to a table', () => {
    const more = plans.map((plan) => ({
      ...plan,
      tables: plan.tables.map((table) => ({ ...table, owned_by: 'tenant_id', action: 'delete' })),
    }));
    expect(previewHash(tenant, more)).toBe(previewHash(tenant, plans));
  });

  it.each([
    ['another tenant', () => previewHash('0190b0a4-0000-7000-8000-000000000002', plans)],
    ['a service less', () => previewHash(tenant, plans.slice(1))],
    [
      'another plan',
      () =>
        previewHash(tenant, [
          { ...plans[0], planHash: 'c'.repeat(64) } as (typeof plans)[0],
          ...plans.slice(1),
        ]),
    ],
    [
      'one row more',
      () =>
        previewHash(tenant, [
          {
            service: 'orders',
            planHash: 'a'.repeat(64),
            tables: [
              { table: 'orders.orders', rows: 4 },
              { table: 'orders.order_items', rows: 9 },
            ],
          },
          ...plans.slice(1),
        ]),
    ],
    [
      'a table renamed',
      () =>
        previewHash(tenant, [
          {
            service: 'orders',
            planHash: 'a'.repeat(64),
            tables: [
              { table: 'orders.order', rows: 3 },
              { table: 'orders.order_items', rows: 9 },
            ],
          },
          ...plans.slice(1),
        ]),
    ],
  ])('is another one for %s', (_, hash) => {
    expect(hash()).not.toBe(previewHash(tenant, plans));
    expect(hash()).toMatch(/^[0-9a-f]{64}$/);
  });

  it('leaves its input as it was', () => {
    const before = structuredClone(plans);
    previewHash(tenant, plans);
    expect(plans).toEqual(before);
  });
});
