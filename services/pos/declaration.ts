import type { Declaration } from '../../erasure/declaration.js';

export const pos: Declaration = {
  name: 'pos',
  schemas: ['pos'],
  letheSchema: 'lethe_pos',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'trigger',
  tables: {
    'pos.pos_configurations': { action: 'delete' },
    'pos.pos_terminals': { action: 'delete' },
    'pos.pos_transactions': { action: 'delete' },
    'pos.pos_transaction_items': { action: 'delete' },
    'pos.pos_refunds': { action: 'delete' },
    'pos.pos_webhooks': { action: 'delete' },
    'pos.pos_webhook_deliveries': { action: 'delete' },
    'pos.pos_sync_logs': { action: 'delete', secretColumns: ['resume_token'] },
  },
};
