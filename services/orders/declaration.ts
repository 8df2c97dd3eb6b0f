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
  },
};
