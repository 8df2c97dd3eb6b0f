import type { Declaration } from '../../erasure/declaration.js';

export const orders: Declaration = {
  name: 'orders',
  schemas: ['orders'],
  letheSchema: 'lethe_orders',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'trigger',
  tables: {
    'orders.customers': { action: 'delete' },
    'orders.customer_addresses': { action: 'delete' },
    'orders.recurring_orders': { action: 'delete' },
    'orders.orders': { action: 'delete' },
    'orders.order_status_history': { action: 'delete' },
    'orders.order_items': { action: 'delete' },
    'orders.order_item_options': { action: 'delete' },
    'orders.order_payments': { action: 'delete' },
    'orders.order_feedback': { action: 'delete' },
    // With the order, the customer and whatever else they refer to.
    'orders.invoices': {
      action: 'retain',
      retention: {
        period: 'P10Y',
        from: { column: 'issued_on', endOf: 'calendar_year' },
        ground: 'Tax law: invoices are kept for ten years',
      },
    },
    'orders.invoice_lines': {
      action: 'retain',
      retention: {
        period: 'P10Y',
        from: { column: 'supplied_on', endOf: 'calendar_year' },
        ground: 'Tax law: invoices are kept for ten years',
      },
    },
  },
};
