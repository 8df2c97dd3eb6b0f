import { dayOf, days, hours } from '../sample-data/times.js';
import type { ServiceSample } from '../sample-data/types.js';

const SUPPLIERS = 'suppliers.suppliers';
const CONTRACTS = 'suppliers.supplier_contracts';
const LISTS = 'suppliers.price_lists';
const ORDERS = 'suppliers.supplier_orders';
const ITEMS = 'suppliers.supplier_order_items';

const CATEGORIES = ['flour', 'dairy', 'fruit', 'packaging', 'machines'];
const UNITS = ['kg', 'l', 'box', 'pallet'];

export const suppliers: ServiceSample = {
  service: 'suppliers',
  tables: [
    {
      name: SUPPLIERS,
      size: { share: 0.6, atMost: 400 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        name: (row) => `${row.pick(row.pools.suppliers)} (${row.index + 1})`,
        status: (row) => row.pick(['candidate', 'active', 'active', 'active', 'blocked']),
        tax_number: (row) => row.unlessEvery(4, () => `A${row.int(10_000_000, 99_999_999)}`),
        iban: (row) => row.unlessEvery(4, () => row.pick(row.pools.ibans)),
        address: (row) =>
          `{"street": ${JSON.stringify(row.pick(row.pools.streets))}, "dock": ${row.int(1, 9)}}`,
        categories: (row) => row.some(CATEGORIES, 3),
        delivery_days: (row) => row.some([1, 2, 3, 4, 5, 6], 3),
        lead_time: (row) => row.unlessEvery(3, () => `${row.int(1, 12)} days`),
        rating: (row) => row.unlessEvery(3, () => row.decimal(1, 5, 2)),
        created_at: (row) => new Date(row.time),
      },
    },
    {
      name: 'suppliers.supplier_contacts',
      size: { share: 1 },
      columns: {
        id: (row) => row.id,
        supplier_id: (row) => row.parentId(SUPPLIERS),
        fullName: (row) => row.pick(row.pools.people),
        email: (row) => row.unlessEvery(3, () => `sales.${row.index}@${row.pick(row.pools.hosts)}`),
        phone: (row) => row.unlessEvery(3, () => row.pick(row.pools.phones)),
        role: (row) => row.unlessEvery(4, () => row.pick(['sales', 'accounts', 'driver'])),
        is_primary: (row) => row.sibling(SUPPLIERS) === 0,
      },
    },
    {
      name: CONTRACTS,
      size: { share: 0.8 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        supplier_id: (row) => row.parentId(SUPPLIERS),
        renews_id: (row) => row.above(),
        contract_number: (row) => `CT-${String(row.index + 1).padStart(5, '0')}`,
        valid_during: (row) => `[${dayOf(row.time)},${dayOf(row.time + days(365))})`,
        notice_period: (row) => row.pick(['1 mon', '3 mons', '6 mons']),
        terms: (row) => `{"discount": ${row.decimal(0, 0.2, 3)}, "pay_within": ${row.int(7, 60)}}`,
        signed_on: (row) => row.unlessEvery(4, () => dayOf(row.time)),
      },
    },
    {
      name: LISTS,
      size: { share: 0.8 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        supplier_id: (row) => row.parentId(SUPPLIERS),
        contract_id: (row) => row.unlessEvery(3, () => row.anyOf(CONTRACTS)),
        name: (row) => `Prices ${row.index + 1}`,
        valid_during: (row) => `[${dayOf(row.time)},)`,
      },
    },
    {
      name: 'suppliers.price_list_items',
      size: { share: 6 },
      columns: {
        price_list_id: (row) => row.parentId(LISTS),
        article_number: (row) => `AR-${1_000 + Math.floor(row.sibling(LISTS) / 2)}`,
        minimum_quantity: (row) => (row.sibling(LISTS) % 2 === 0 ? '1.000' : '25.000'),
        description: (row) => row.pick(row.pools.ingredients),
        unit: (row) => row.pick(UNITS),
        unit_price: (row) => row.decimal(0.3, 60, 4),
      },
    },
    {
      name: ORDERS,
      size: { share: 4 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        supplier_id: (row) => row.anyOf(SUPPLIERS),
        order_number: (row) => `SO-${String(row.index + 1).padStart(6, '0')}`,
        status: (row) => row.pick(['sent', 'confirmed', 'delivered', 'delivered', 'disputed', 'cancelled']),
        ordered_at: (row) => new Date(row.time),
        ordered_by: (row) => row.userId(),
        expected_on: (row) => row.unlessEvery(3, () => dayOf(row.time + days(row.int(1, 12)))),
        net_amount: (row) => row.decimal(20, 4_000, 2),
        tax_amount: (row) => row.decimal(2, 400, 2),
      },
    },
    {
      name: ITEMS,
      size: { share: 10 },
      columns: {
        order_id: (row) => row.parentId(ORDERS),
        line_number: (row) => row.sibling(ORDERS) + 1,
        article_number: (row) => `AR-${row.int(1_000, 1_400)}`,
        description: (row) => row.pick(row.pools.ingredients),
        quantity: (row) => row.decimal(1, 300, 3),
        unit: (row) => row.pick(UNITS),
        unit_price: (row) => row.decimal(0.3, 60, 4),
      },
    },
    {
      name: 'suppliers.supplier_delivery_items',
      size: { share: 8 },
      columns: {
        order_id: (row) => row.idOf(ORDERS, row.tenant.parentOf(ITEMS, row.parent(ITEMS), ORDERS)),
        line_number: (row) => row.tenant.siblingOf(ITEMS, row.parent(ITEMS), ORDERS) + 1,
        quantity: (row) => row.decimal(1, 300, 3),
        lot_number: (row) => row.unlessEvery(4, () => `L${row.int(1_000, 9_999)}`),
        best_before: (row) => row.unlessEvery(3, () => dayOf(row.future)),
        complaint: (row) => (row.chance(0.1) ? row.pick(row.pools.remarks) : null),
        delivered_at: (row) => new Date(row.time + hours(row.int(20, 200))),
      },
    },
    {
      name: 'suppliers.supplier_payments',
      size: { share: 4 },
      columns: {
        tenant_id: (row) => row.tenantId,
        order_id: (row) => row.parentId(ORDERS),
        invoice_number: (row) => `F-${row.int(10_000, 99_999)}/${row.index}`,
        status: (row) => row.pick(['due', 'paid', 'paid', 'paid', 'overdue', 'disputed']),
        amount: (row) => row.decimal(20, 4_400, 2),
        due_on: (row) => dayOf(row.time + days(30)),
        paid_at: (row) => row.unlessEvery(3, () => new Date(row.time + days(row.int(1, 29)))),
        bank_reference: (row) => row.unlessEvery(3, () => `TR${row.int(100_000, 999_999)}`),
      },
    },
    {
      name: 'suppliers.supplier_documents',
      size: { share: 2 },
      columns: {
        id: (row) => row.id,
        // Of a contract or of an order, never of both.
        contract_id: (row) => (row.index % 2 === 0 ? row.anyOf(CONTRACTS) : null),
        order_id: (row) => (row.index % 2 === 1 ? row.anyOf(ORDERS) : null),
        kind: (row) => row.pick(['contract', 'certificate', 'delivery_note', 'invoice']),
        fileName: (row) => `scan ${row.index + 1}.pdf`,
        media_type: () => 'application/pdf',
        content: (row) => row.bytes(row.int(60, 240)),
        stored_at: (row) => new Date(row.time),
      },
    },
  ],
};
