import type { Declaration } from '../../erasure/declaration.js';

export const sales: Declaration = {
  name: 'sales',
  schemas: ['sales'],
  letheSchema: 'lethe_sales',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'trigger',
  tables: {
    'sales.sales_channels': { action: 'delete' },
    'sales.sales_imports': { action: 'delete' },
    'sales.sales_records': { action: 'delete' },
    'sales.sale_adjustments': { action: 'delete' },
    'sales.sales_aggregates': { action: 'delete' },
    'sales.sales_predictions': { action: 'delete' },
    'sales.prediction_outcomes': { action: 'delete' },
    'sales.sales_targets': { action: 'delete' },
  },
};
