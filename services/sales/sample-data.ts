import { createHash } from 'node:crypto';
import type { SampleRow } from '../sample-data/row.js';
import { dayOf, days, hours, TODAY } from '../sample-data/times.js';
import type { ServiceSample } from '../sample-data/types.js';

const CHANNELS = 'sales.sales_channels';
const IMPORTS = 'sales.sales_imports';
const RECORDS = 'sales.sales_records';
const PREDICTIONS = 'sales.sales_predictions';
const PRODUCTS = 'inventory.products';

const CHANNEL_NAMES = ['Shop', 'Online', 'Cafés and hotels', 'Delivery app'];
const CHANNEL_KINDS = ['shop', 'online', 'wholesale', 'delivery_platform'];
const GRANULARITIES = [
  ['day', 1],
  ['week', 7],
  ['month', 30],
] as const;

/** Each product has its days, weeks and months, one row for each. */
function aggregate(row: SampleRow): { product: number; granularity: string; startsOn: string } {
  const products = row.count(PRODUCTS);
  const period = Math.floor(row.index / products);
  const [granularity, length] = GRANULARITIES[period % GRANULARITIES.length] ?? GRANULARITIES[0];
  const startsOn = dayOf(TODAY - days(Math.floor(period / GRANULARITIES.length) * length));
  return { product: row.index % products, granularity, startsOn };
}

function predicted(row: SampleRow): number {
  return 2 + Math.floor(row.tenant.draw(PREDICTIONS, row.index, 3) * 200);
}

export const sales: ServiceSample = {
  service: 'sales',
  tables: [
    {
      name: CHANNELS,
      size: { share: 0.2, atMost: CHANNEL_NAMES.length },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        name: (row) => CHANNEL_NAMES[row.index] ?? '',
        kind: (row) => CHANNEL_KINDS[row.index] ?? '',
        commission: (row) => row.decimal(0, 0.3, 4),
        opens_at: (row) => row.unlessEvery(2, () => '06:30:00'),
        closes_at: (row) => row.unlessEvery(2, () => '20:30:00'),
        is_active: (row) => row.chance(0.9),
      },
    },
    {
      name: IMPORTS,
      size: { share: 0.6 },
      identity: 'id',
      columns: {
        id: (row) => row.number,
        tenant_id: (row) => row.tenantId,
        fileName: (row) => `sales ${dayOf(row.time)} (${row.index + 1}).csv`,
        content: (row) => row.bytes(row.int(80, 300)),
        digest: (row) => createHash('sha256').update(row.id).digest(),
        covers: (row) => row.unlessEvery(3, () => `[${dayOf(row.time - days(30))},${dayOf(row.time)})`),
        status: (row) => row.pick(['received', 'imported', 'imported', 'rejected']),
        row_count: (row) => row.unlessEvery(3, () => row.int(10, 9_000)),
        problems: (row) => (row.chance(0.2) ? `[{"line": ${row.int(2, 900)}, "is": "no price"}]` : '[]'),
        imported_by: (row) => row.userId(),
        imported_at: (row) => new Date(row.time),
      },
    },
    {
      name: RECORDS,
      size: { share: 230 },
      columns: {
        id: (row) => row.id,
        sold_at: (row) => new Date(row.time),
        tenant_id: (row) => row.tenantId,
        channel_id: (row) => row.anyOf(CHANNELS),
        import_id: (row) =>
          row.index % 3 === 0 ? row.tenant.numberOf(IMPORTS, row.int(0, row.count(IMPORTS) - 1)) : null,
        product_id: (row) => row.productId,
        product_name: (row) => row.product.name,
        source: (row) => (row.index % 3 === 0 ? 'import' : row.pick(['till', 'till', 'manual'])),
        quantity: (row) => row.int(1, 20),
        unit_price: (row) => row.product.price.toFixed(2),
        discount: (row) => (row.chance(0.1) ? row.decimal(0.1, 2, 2) : 0),
        is_promotion: (row) => row.chance(0.1),
        context: (row) => (row.chance(0.2) ? `{"weather": "${row.pick(['sun', 'rain', 'wind'])}"}` : null),
      },
    },
    {
      name: 'sales.sale_adjustments',
      size: { share: 4 },
      columns: {
        record_id: (row) => row.parentId(RECORDS),
        sold_at: (row) => new Date(row.timeOf(RECORDS, row.parent(RECORDS))),
        amount: (row) => row.decimal(-9, 9, 2),
        reason: (row) => row.pick(row.pools.remarks),
        adjusted_by: (row) => row.userId(),
        adjusted_at: (row) => new Date(row.timeOf(RECORDS, row.parent(RECORDS)) + hours(row.int(1, 70))),
      },
    },
    {
      name: 'sales.sales_aggregates',
      size: { share: 18 },
      columns: {
        tenant_id: (row) => row.tenantId,
        product_id: (row) => row.idOf(PRODUCTS, aggregate(row).product),
        granularity: (row) => aggregate(row).granularity,
        starts_on: (row) => aggregate(row).startsOn,
        units: (row) => row.decimal(0, 900, 3),
        revenue: (row) => row.decimal(0, 9_000, 2),
        receipts: (row) => row.int(0, 700),
        units_per_hour: (row) => [row.int(0, 30), row.int(0, 60), row.int(0, 40), null],
        computed_at: (row) => new Date(row.time),
      },
    },
    {
      name: PREDICTIONS,
      size: { share: 12 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        product_id: (row) => row.productId,
        predicted_for: (row) => dayOf(row.future),
        predicted_units: (row) => predicted(row).toFixed(3),
        likely_range: (row) => `[${predicted(row) - row.int(0, 2)},${predicted(row) + row.int(1, 40)}]`,
        modelVersion: (row) => `${row.int(1, 4)}.${row.int(0, 9)}`,
        features: (row) => `{"weekday": ${row.int(1, 7)}, "rain": ${row.decimal(0, 1, 2)}}`,
        created_at: (row) => new Date(row.time),
      },
    },
    {
      name: 'sales.prediction_outcomes',
      size: { share: 8, atMost: (rowsOf) => rowsOf(PREDICTIONS) },
      columns: {
        prediction_id: (row) => row.parentId(PREDICTIONS),
        actual_units: (row) => row.decimal(0, 240, 3),
        percent_error: (row) => row.unlessEvery(6, () => row.decimal(-90, 90, 10)),
        explanation: (row) => (row.chance(0.2) ? row.pick(row.pools.remarks) : null),
        evaluated_at: (row) => new Date(row.time),
      },
    },
    {
      name: 'sales.sales_targets',
      size: { share: 0.5 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        channel_id: (row) => row.unlessEvery(3, () => row.anyOf(CHANNELS)),
        name: (row) => `Target ${row.index + 1}`,
        period: (row) => `[${dayOf(row.time)},${dayOf(row.time + days(30))})`,
        amount: (row) => row.decimal(500, 90_000, 2),
        product_ids: (row) => [row.anyOf(PRODUCTS), row.anyOf(PRODUCTS)],
      },
    },
  ],
};
