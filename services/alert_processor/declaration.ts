import type { Declaration } from '../../erasure/declaration.js';

export const alertProcessor: Declaration = {
  name: 'alert_processor',
  schemas: ['alert_processor'],
  letheSchema: 'lethe_alert_processor',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'trigger',
  tables: {
    'alert_processor.alert_rules': { action: 'delete' },
    'alert_processor.alerts': { action: 'delete' },
    'alert_processor.alert_interactions': { action: 'delete' },
    'alert_processor.alert_comments': { action: 'delete' },
    'alert_processor.alert_recipients': { action: 'delete' },
  },
};
