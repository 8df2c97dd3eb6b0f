import type { SampleRow } from '../sample-data/row.js';
import { dayOf, days, hours, minutes } from '../sample-data/times.js';
import type { ServiceSample } from '../sample-data/types.js';

const CUSTOMERS = 'orders.customers';
const ADDRESSES = 'orders.customer_addresses';
const RECURRING = 'orders.recurring_orders';
const ORDERS = 'orders.orders';
const HISTORY = 'orders.order_status_history';
const ITEMS = 'orders.order_items';
const INVOICES = 'orders.invoices';

const STATUSES = ['placed', 'confirmed', 'in_production', 'ready', 'delivered', 'cancelled'];
const OPTIONS = ['slicing', 'writing', 'packaging', 'filling', 'size', 'candles'];
const TOPICS = ['taste', 'service', 'price', 'freshness'];

/** Its customer's own address, where the customer has one. */
function deliveryAddress(row: SampleRow): string | null {
  const customer = row.parent(CUSTOMERS);
  const first = Math.ceil((customer * row.count(ADDRESSES)) / row.count(CUSTOMERS));
  const known = first < row.count(ADDRESSES) && row.tenant.parentOf(ADDRESSES, first, CUSTOMERS) === customer;
  return known && row.index % 3 !== 2 ? row.idOf(ADDRESSES, first) : null;
}

export const orders: ServiceSample = {
  service: 'orders',
  tables: [
    {
      name: CUSTOMERS,
      size: { share: 8 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        customer_number: (row) => `C-${String(row.index + 1).padStart(6, '0')}`,
        kind: (row) => row.pick(['private', 'private', 'private', 'business', 'wholesale']),
        name: (row) => row.pick(row.pools.people),
        email: (row) => row.unlessEvery(4, () => `customer.${row.id.slice(0, 8)}@mail.example`),
        phone: (row) => row.unlessEvery(3, () => row.pick(row.pools.phones)),
        tax_number: (row) => (row.chance(0.2) ? `B${row.int(10_000_000, 99_999_999)}` : null),
        birthday: (row) =>
          row.unlessEvery(2, () => `${row.int(1940, 2008)}-0${row.int(1, 9)}-${row.int(10, 28)}`),
        allergies: (row) => row.some(['gluten', 'nuts', 'egg', 'milk'], 2),
        preferences: (row) => `{"bag": ${row.chance(0.5)}, "favourite": ${JSON.stringify(row.product.name)}}`,
        marketing_consent: (row) => row.chance(0.4),
        created_at: (row) => new Date(row.time),
      },
    },
    {
      name: ADDRESSES,
      size: { share: 9 },
      columns: {
        id: (row) => row.id,
        customer_id: (row) => row.parentId(CUSTOMERS),
        label: (row) => row.pick(['home', 'office', 'parents', 'café']),
        street: (row) => row.pick(row.pools.streets),
        postalCode: (row) => String(row.int(8_001, 50_020)).padStart(5, '0'),
        city: (row) => row.pick(['Madrid', 'Barcelona', 'Valencia', 'Sevilla']),
        country_code: () => 'ES',
        latitude: (row) => row.unlessEvery(3, () => row.pick(row.pools.latitudes)),
        longitude: (row) => row.unlessEvery(3, () => row.pick(row.pools.longitudes)),
        is_default: (row) => row.sibling(CUSTOMERS) === 0,
      },
    },
    {
      name: RECURRING,
      size: { share: 0.6 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        customer_id: (row) => row.parentId(CUSTOMERS),
        weekdays: (row) => row.some([1, 2, 3, 4, 5, 6, 7], 4),
        pickup_at: (row) => `0${row.int(6, 9)}:15:00`,
        every: (row) => row.pick(['7 days', '14 days', '1 mon']),
        active_during: (row) => `[${dayOf(row.time)},)`,
        items: (row) => `[{"product": ${JSON.stringify(row.product.name)}, "quantity": ${row.int(1, 9)}}]`,
        is_paused: (row) => row.chance(0.1),
      },
    },
    {
      name: ORDERS,
      size: { share: 18 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        customer_id: (row) => row.parentId(CUSTOMERS),
        delivery_address_id: deliveryAddress,
        recurring_order_id: (row) => (row.index % 5 === 0 ? row.anyOf(RECURRING) : null),
        order_number: (row) => `B-${String(row.index + 1).padStart(7, '0')}`,
        channel: (row) => row.pick(['counter', 'counter', 'phone', 'web', 'app', 'recurring']),
        placed_at: (row) => new Date(row.time),
        placed_from: (row) => row.unlessEvery(2, () => row.pick(row.pools.ipAddresses)),
        due_on: (row) => dayOf(row.time + days(row.int(0, 6))),
        delivery_window: (row) =>
          row.unlessEvery(3, () => {
            const from = row.time + hours(row.int(12, 30));
            return `[${new Date(from).toISOString()},${new Date(from + hours(2)).toISOString()})`;
          }),
        net_amount: (row) => row.decimal(3, 180, 2),
        tax_amount: (row) => row.decimal(0.1, 18, 2),
        tags: (row) => row.some(['gift', 'urgent', 'event', 'no-bag'], 2),
        special_wishes: (row) => (row.chance(0.15) ? row.pick(row.pools.remarks) : null),
      },
    },
    {
      name: HISTORY,
      size: { share: 40 },
      identity: 'id',
      columns: {
        id: (row) => row.number,
        order_id: (row) => row.parentId(ORDERS),
        status: (row) => STATUSES[row.sibling(ORDERS) % STATUSES.length] ?? '',
        changed_at: (row) =>
          new Date(row.timeOf(ORDERS, row.parent(ORDERS)) + minutes(40 * row.sibling(ORDERS))),
        changed_by: (row) => row.unlessEvery(4, () => row.userId()),
        comment: (row) => (row.chance(0.1) ? row.pick(row.pools.remarks) : null),
      },
    },
    {
      name: ITEMS,
      size: { share: 42 },
      columns: {
        order_id: (row) => row.parentId(ORDERS),
        line_number: (row) => row.sibling(ORDERS) + 1,
        product_id: (row) => row.productId,
        product_name: (row) => row.product.name,
        quantity: (row) => row.int(1, 12),
        unit_price: (row) => row.product.price.toFixed(2),
        tax_rate: (row) => row.pick(['0.0400', '0.1000', '0.2100']),
      },
    },
    {
      name: 'orders.order_item_options',
      size: { share: 7, atMost: (rowsOf) => rowsOf(ITEMS) * OPTIONS.length },
      columns: {
        order_id: (row) => row.idOf(ORDERS, row.tenant.parentOf(ITEMS, row.parent(ITEMS), ORDERS)),
        line_number: (row) => row.tenant.siblingOf(ITEMS, row.parent(ITEMS), ORDERS) + 1,
        optionCode: (row) => OPTIONS[row.sibling(ITEMS)] ?? '',
        value: (row) => row.pick(['yes', 'no', 'large', 'box', 'Feliz cumpleaños']),
        surcharge: (row) => row.decimal(0, 4, 2),
      },
    },
    {
      name: 'orders.order_payments',
      size: { share: 15 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        order_id: (row) => row.parentId(ORDERS),
        method: (row) => row.pick(['cash', 'card', 'card', 'transfer', 'invoice']),
        amount: (row) => row.decimal(3, 190, 2),
        provider_reference: (row) => row.unlessEvery(3, () => `pay_${row.int(1_000_000, 9_999_999)}`),
        provider_response: (row) =>
          row.unlessEvery(3, () => `{"approved": true, "code": ${row.int(100, 999)}}`),
        paid_at: (row) => new Date(row.timeOf(ORDERS, row.parent(ORDERS)) + minutes(row.int(1, 600))),
      },
    },
    {
      name: INVOICES,
      size: { share: 4, atMost: (rowsOf) => rowsOf(ORDERS) },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        order_id: (row) => row.parentId(ORDERS),
        customer_id: (row) => row.idOf(CUSTOMERS, row.tenant.parentOf(ORDERS, row.parent(ORDERS), CUSTOMERS)),
        invoice_number: (row) => `R-${String(row.index + 1).padStart(6, '0')}`,
        status: (row) => row.pick(['issued', 'paid', 'paid', 'paid', 'reversed']),
        issued_on: (row) => dayOf(row.timeOf(ORDERS, row.parent(ORDERS)) + days(1)),
        recipient: (row) =>
          JSON.stringify({ name: row.pick(row.pools.people), street: row.pick(row.pools.streets) }),
        net_amount: (row) => row.decimal(3, 180, 2),
        tax_amount: (row) => row.decimal(0.1, 18, 2),
      },
    },
    {
      name: 'orders.invoice_lines',
      size: { share: 7 },
      columns: {
        invoice_id: (row) => row.parentId(INVOICES),
        line_number: (row) => row.sibling(INVOICES) + 1,
        supplied_on: (row) => dayOf(row.time),
        description: (row) => row.product.name,
        quantity: (row) => row.int(1, 12),
        unit_price: (row) => row.product.price.toFixed(2),
        tax_rate: (row) => row.pick(['0.0400', '0.1000', '0.2100']),
      },
    },
    {
      name: 'orders.order_feedback',
      size: { share: 3, atMost: (rowsOf) => rowsOf(ORDERS) },
      columns: {
        order_id: (row) => row.parentId(ORDERS),
        rating: (row) => row.int(1, 5),
        comment: (row) => row.unlessEvery(2, () => row.pick(row.pools.remarks)),
        photo: (row) => row.unlessEvery(2, () => row.bytes(row.int(30, 90))),
        topics: (row) => row.some(TOPICS, 3),
        given_at: (row) => new Date(row.timeOf(ORDERS, row.parent(ORDERS)) + days(1)),
      },
    },
  ],
  finish: [
    // An order and its latest status refer to each other. Where nobody has kept it up to date, it is not set.
    `UPDATE orders.orders AS o SET latest_status_id = latest.id
     FROM (SELECT h.order_id, max(h.id) AS id
           FROM orders.order_status_history AS h JOIN orders.orders AS mine ON mine.id = h.order_id
           WHERE mine.tenant_id = $1 GROUP BY h.order_id) AS latest
     WHERE o.id = latest.order_id AND o.tenant_id = $1 AND right(o.order_number, 1) <> '9'`,
  ],
};
