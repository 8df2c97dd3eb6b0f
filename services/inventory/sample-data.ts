import { CATEGORIES } from '../sample-data/pools.js';
import type { SampleRow } from '../sample-data/row.js';
import { dayOf, days, hours } from '../sample-data/times.js';
import type { ServiceSample } from '../sample-data/types.js';

const PRODUCT_CATEGORIES = 'inventory.product_categories';
const PRODUCTS = 'inventory.products';
const LOCATIONS = 'inventory.storage_locations';
const LOTS = 'inventory.stock_lots';
const MOVEMENTS = 'inventory.stock_movements';
const ORDERS = 'inventory.purchase_orders';
const LINES = 'inventory.purchase_order_lines';

const UNITS = ['kg', 'g', 'l', 'ml', 'piece'];
const ALLERGENS = ['gluten', 'egg', 'milk', 'nuts', 'peanut', 'sesame', 'soy', 'sulphite'];

/** What a lot is of: the same in everything that tells of the lot. */
function productOfLot(row: SampleRow, lot: number): string {
  return row.idOf(PRODUCTS, row.tenant.parentOf(LOTS, lot, PRODUCTS));
}

export const inventory: ServiceSample = {
  service: 'inventory',
  tables: [
    {
      name: PRODUCT_CATEGORIES,
      size: { share: 0.3, atMost: 60 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        parent_id: (row) => row.above(),
        name: (row) => `${CATEGORIES[row.index % CATEGORIES.length]} ${row.index + 1}`,
        slug: (row) => `category-${row.index + 1}`,
        sortOrder: (row) => row.int(0, 100),
      },
    },
    {
      name: PRODUCTS,
      size: { share: 3, atMost: 2_000 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        category_id: (row) => row.unlessEvery(6, () => row.anyOf(PRODUCT_CATEGORIES)),
        sku: (row) => `${row.productAt(row.index).sku}-${row.index}`,
        name: (row) => row.productAt(row.index).name,
        kind: (row) => row.pick(['finished', 'finished', 'ingredient', 'packaging', 'consumable']),
        unit: (row) => row.pick(UNITS),
        barcode: (row) => row.unlessEvery(4, () => `84${row.int(10_000_000_000, 99_999_999_999)}`),
        allergens: (row) => row.some(ALLERGENS, 3),
        cost: (row) => row.decimal(0.1, 9, 4),
        price: (row) => row.unlessEvery(5, () => row.productAt(row.index).price.toFixed(4)),
        reorder_point: (row) => row.decimal(0, 80, 3),
        shelf_life: (row) => row.unlessEvery(3, () => `${row.int(1, 90)} days`),
        storage_temperature: (row) => row.unlessEvery(3, () => `[${row.int(-22, 4)},${row.int(5, 25)}]`),
        nutrition: (row) =>
          row.unlessEvery(2, () => `{"kcal": ${row.int(80, 560)}, "salt": ${row.decimal(0, 3, 2)}}`),
        is_active: (row) => row.chance(0.95),
        created_at: (row) => new Date(row.time),
      },
    },
    {
      name: LOCATIONS,
      size: { share: 0.2, atMost: 12 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        name: (row) => ['Flour store', 'Cold room', 'Freezer'][row.index] ?? `Shelf ${row.index + 1}`,
        kind: (row) => row.pick(['dry', 'chilled', 'frozen']),
        temperature_range: (row) => row.unlessEvery(3, () => `(${row.int(-25, -18)},${row.int(-17, 8)})`),
        sensor_address: (row) => row.unlessEvery(3, () => row.pick(row.pools.ipAddresses)),
        capacity_kg: (row) => row.unlessEvery(4, () => row.decimal(50, 4_000, 1)),
      },
    },
    {
      name: LOTS,
      size: { share: 12 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        product_id: (row) => productOfLot(row, row.index),
        location_id: (row) => row.anyOf(LOCATIONS),
        lot_number: (row) => `L${row.int(1_000, 9_999)}-${row.index}`,
        received_on: (row) => dayOf(row.time),
        expires_on: (row) => row.unlessEvery(6, () => dayOf(row.time + days(row.int(2, 200)))),
        quantity: (row) => row.decimal(0, 500, 3),
        unit_cost: (row) => row.decimal(0.05, 12, 4),
      },
    },
    {
      name: MOVEMENTS,
      size: { share: 110 },
      identity: 'id',
      columns: {
        id: (row) => row.number,
        tenant_id: (row) => row.tenantId,
        product_id: (row) => productOfLot(row, row.parent(LOTS)),
        lot_id: (row) => row.parentId(LOTS),
        reverses_id: (row) => (row.index % 25 === 24 ? row.number - 1 : null),
        kind: (row) => row.pick(['receipt', 'consumption', 'consumption', 'waste', 'transfer', 'correction']),
        quantity: (row) => row.decimal(0.1, 60, 3),
        reason: (row) => (row.chance(0.2) ? row.pick(row.pools.remarks) : null),
        moved_by: (row) => row.unlessEvery(3, () => row.userId()),
        moved_at: (row) => new Date(row.time),
      },
    },
    {
      name: 'inventory.stock_alerts',
      size: { share: 4 },
      columns: {
        tenant_id: (row) => row.tenantId,
        product_id: (row) => row.productId,
        lot_id: (row) => row.unlessEvery(3, () => row.anyOf(LOTS)),
        kind: (row) => row.pick(['below_reorder_point', 'expires_soon', 'expired', 'temperature']),
        details: (row) => `{"left": ${row.decimal(0, 20, 2)}, "unit": "${row.pick(UNITS)}"}`,
        raised_at: (row) => new Date(row.time),
        resolved_at: (row) => row.unlessEvery(4, () => new Date(row.time + hours(row.int(1, 90)))),
      },
    },
    {
      name: ORDERS,
      size: { share: 3 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        supplier_id: (row) => row.anyOf('suppliers.suppliers'),
        order_number: (row) => `PO-${String(row.index + 1).padStart(6, '0')}`,
        status: (row) => row.pick(['draft', 'sent', 'confirmed', 'received', 'received', 'cancelled']),
        ordered_at: (row) => row.unlessEvery(7, () => new Date(row.time)),
        expected_on: (row) => row.unlessEvery(4, () => dayOf(row.time + days(row.int(1, 14)))),
        delivery_from: (row) => row.unlessEvery(3, () => `0${row.int(4, 9)}:30:00`),
        approved_by: (row) => row.unlessEvery(3, () => row.userId()),
        notes: (row) => (row.chance(0.3) ? row.pick(row.pools.remarks) : null),
      },
    },
    {
      name: LINES,
      size: { share: 9 },
      columns: {
        purchase_order_id: (row) => row.parentId(ORDERS),
        line_number: (row) => row.sibling(ORDERS) + 1,
        product_id: (row) => row.productId,
        quantity: (row) => row.decimal(1, 200, 3),
        unit: (row) => row.pick(UNITS),
        unit_price: (row) => row.decimal(0.2, 30, 4),
      },
    },
    {
      name: 'inventory.goods_receipts',
      size: { share: 6 },
      columns: {
        id: (row) => row.id,
        purchase_order_id: (row) => row.idOf(ORDERS, row.tenant.parentOf(LINES, row.parent(LINES), ORDERS)),
        line_number: (row) => row.tenant.siblingOf(LINES, row.parent(LINES), ORDERS) + 1,
        lot_id: (row) => row.unlessEvery(4, () => row.anyOf(LOTS)),
        quantity: (row) => row.decimal(1, 180, 3),
        temperature: (row) => row.unlessEvery(2, () => row.decimal(-20, 18, 1)),
        delivery_note: (row) => row.unlessEvery(5, () => row.bytes(row.int(20, 60))),
        received_by: (row) => row.userId(),
        received_at: (row) => new Date(row.time),
      },
    },
  ],
};
