import type { SampleRow } from '../sample-data/row.js';
import { hours, minutes } from '../sample-data/times.js';
import type { ServiceSample } from '../sample-data/types.js';

const CONFIGURATIONS = 'pos.pos_configurations';
const TERMINALS = 'pos.pos_terminals';
const TRANSACTIONS = 'pos.pos_transactions';
const ITEMS = 'pos.pos_transaction_items';
const WEBHOOKS = 'pos.pos_webhooks';
const DELIVERIES = 'pos.pos_webhook_deliveries';

const EVENTS = ['sale.completed', 'sale.refunded', 'till.closed', 'stock.low'];
const TAGS = ['takeaway', 'regular', 'breakfast', 'offer', 'staff'];

function gross(row: SampleRow): number {
  return 1 + Math.floor(row.tenant.draw(TRANSACTIONS, row.index, 2) * 6_000) / 100;
}

function transactionTime(row: SampleRow): Date {
  return new Date(row.timeOf(TRANSACTIONS, row.parent(TRANSACTIONS)));
}

/** Refunds are of items far from each other, so that none is refunded twice. */
function refundedTransaction(row: SampleRow): number {
  return row.tenant.parentOf(ITEMS, row.parent(ITEMS), TRANSACTIONS);
}

function refundedSale(row: SampleRow): number {
  return row.timeOf(TRANSACTIONS, refundedTransaction(row));
}

export const pos: ServiceSample = {
  service: 'pos',
  tables: [
    {
      name: CONFIGURATIONS,
      size: { share: 0.2, atMost: 4 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        provider: (row) => row.pick(['square', 'toast', 'lightspeed', 'clover']),
        name: (row) =>
          ['Main shop', 'Market stall', 'Station kiosk', 'Online'][row.index] ?? `Shop ${row.index}`,
        settings: (row) => `{"rounding": 0.05, "tips": ${row.chance(0.4)}, "printers": [${row.int(1, 3)}]}`,
        credentials: (row) => row.bytes(48),
        allowed_networks: (row) => row.some(row.pools.ipAddresses, 3).map((address) => `${address}/32`),
        sync_interval: (row) => `${row.int(5, 60)} minutes`,
        is_active: (row) => row.index < 3,
        created_at: (row) => new Date(row.time),
      },
    },
    {
      name: TERMINALS,
      size: { share: 0.5, atMost: 16 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        configuration_id: (row) => row.parentId(CONFIGURATIONS),
        label: (row) => `Till ${row.index + 1}`,
        serialNumber: (row) => `SN-${10_000 + row.index}-${row.int(100, 999)}`,
        last_ip: (row) => row.unlessEvery(3, () => row.pick(row.pools.ipAddresses)),
        last_seen_at: (row) => row.unlessEvery(4, () => new Date(row.time)),
      },
    },
    {
      name: TRANSACTIONS,
      size: { share: 100 },
      columns: {
        id: (row) => row.id,
        sold_at: (row) => new Date(row.time),
        tenant_id: (row) => row.tenantId,
        terminal_id: (row) => row.anyOf(TERMINALS),
        receipt_number: (row) => `R-${String(row.index + 1).padStart(7, '0')}`,
        status: (row) => (row.chance(0.97) ? 'completed' : row.pick(['refunded', 'voided'])),
        payment_method: (row) => row.pick(['cash', 'card', 'card', 'card', 'mobile', 'voucher']),
        gross_amount: (row) => gross(row).toFixed(2),
        tax_amount: (row) => (gross(row) * 0.1).toFixed(2),
        tags: (row) => row.some(TAGS, 2),
        raw_payload: (row) =>
          row.chance(0.3) ? `{"receipt": ${row.index + 1}, "till": "${row.int(1, 16)}", "lines": []}` : null,
      },
    },
    {
      name: ITEMS,
      size: { share: 210 },
      columns: {
        transaction_id: (row) => row.parentId(TRANSACTIONS),
        sold_at: transactionTime,
        line_number: (row) => row.sibling(TRANSACTIONS) + 1,
        product_name: (row) => row.product.name,
        sku: (row) => row.unlessEvery(9, () => row.product.sku),
        quantity: (row) => row.int(1, 6),
        unit_price: (row) => row.product.price.toFixed(2),
        tax_rate: (row) => row.pick(['0.0400', '0.1000', '0.1000', '0.2100']),
      },
    },
    {
      name: 'pos.pos_refunds',
      size: { share: 3, atMost: (rowsOf) => rowsOf(ITEMS) },
      columns: {
        id: (row) => row.id,
        transaction_id: (row) => row.idOf(TRANSACTIONS, refundedTransaction(row)),
        sold_at: (row) => new Date(refundedSale(row)),
        line_number: (row) => row.tenant.siblingOf(ITEMS, row.parent(ITEMS), TRANSACTIONS) + 1,
        amount: (row) => row.decimal(0.5, 9, 2),
        reason: (row) => row.pick(row.pools.remarks),
        refunded_at: (row) => new Date(refundedSale(row) + hours(row.int(1, 48))),
      },
    },
    {
      name: WEBHOOKS,
      size: { share: 0.3, atMost: 8 },
      identity: 'id',
      columns: {
        id: (row) => row.number,
        tenant_id: (row) => row.tenantId,
        configuration_id: (row) => row.parentId(CONFIGURATIONS),
        url: (row) => `https://${row.pick(row.pools.hosts)}/hooks/${row.int(1_000, 9_999)}`,
        event_types: (row) => row.some(EVENTS, 3),
        signing_key: (row) => row.bytes(32),
        is_active: (row) => row.chance(0.8),
        created_at: (row) => new Date(row.time),
      },
    },
    {
      name: DELIVERIES,
      size: { share: 6 },
      columns: {
        webhook_id: (row) => row.parentNumber(WEBHOOKS),
        event_type: (row) => row.pick(EVENTS),
        payload: (row) =>
          `{"delivery": ${row.index}, "total": ${row.decimal(1, 60, 2)}, "try": ${row.int(1, 3)}}`,
        source_ip: (row) => row.unlessEvery(5, () => row.pick(row.pools.ipAddresses)),
        status_code: (row) => row.pick([200, 200, 200, 204, 500, 503]),
        received_at: (row) => new Date(row.time),
      },
    },
    {
      name: 'pos.pos_sync_logs',
      size: { share: 4 },
      columns: {
        tenant_id: (row) => row.tenantId,
        configuration_id: (row) => row.anyOf(CONFIGURATIONS),
        status: (row) => row.pick(['succeeded', 'succeeded', 'succeeded', 'failed', 'running']),
        records_synced: (row) => row.int(0, 900),
        duration: (row) => row.unlessEvery(6, () => `${row.int(1, 240)} seconds`),
        resume_token: (row) => (row.chance(0.2) ? `{"after": ${row.int(1, 99_999)}}` : null),
        error: (row) => (row.chance(0.1) ? row.pick(row.pools.remarks) : null),
        started_at: (row) => new Date(row.time - minutes(row.int(0, 50))),
      },
    },
  ],
};
