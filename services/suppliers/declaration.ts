import type { Declaration } from '../../erasure/declaration.js';

export const suppliers: Declaration = {
  name: 'suppliers',
  schemas: ['suppliers'],
  letheSchema: 'lethe_suppliers',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'trigger',
  tables: {
    'suppliers.suppliers': { action: 'delete' },
    'suppliers.supplier_contacts': { action: 'delete' },
    'suppliers.supplier_contracts': { action: 'delete' },
    'suppliers.price_lists': { action: 'delete' },
    'suppliers.price_list_items': { action: 'delete' },
    'suppliers.supplier_orders': { action: 'delete' },
    'suppliers.supplier_order_items': { action: 'delete' },
    'suppliers.supplier_delivery_items': { action: 'delete' },
    // With the order that was paid for, and its supplier.
    'suppliers.supplier_payments': {
      action: 'retain',
      retention: {
        period: 'P10Y',
        from: { column: 'paid_at', endOf: 'calendar_year' },
        ground: 'Tax law: records of payments are kept for ten years',
      },
    },
    'suppliers.supplier_documents': { action: 'delete' },
  },
  references: {
    // A document belongs to one of the two; the other is null.
    'suppliers.supplier_documents.contract_id': 'owns',
    'suppliers.supplier_documents.order_id': 'owns',
  },
};
