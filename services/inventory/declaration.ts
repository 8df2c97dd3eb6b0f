import type { Declaration } from '../../erasure/declaration.js';

export const inventory: Declaration = {
  name: 'inventory',
  schemas: ['inventory'],
  letheSchema: 'lethe_inventory',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'trigger',
  tables: {
    'inventory.product_categories': { action: 'delete' },
    'inventory.products': { action: 'delete' },
    'inventory.storage_locations': { action: 'delete' },
    'inventory.stock_lots': { action: 'delete' },
    'inventory.stock_movements': { action: 'delete' },
    'inventory.stock_alerts': { action: 'delete' },
    'inventory.purchase_orders': { action: 'delete' },
    'inventory.purchase_order_lines': { action: 'delete' },
    'inventory.goods_receipts': { action: 'delete' },
  },
};
