import type { Declaration } from '../../erasure/declaration.js';

export const notification: Declaration = {
  name: 'notification',
  schemas: ['notification'],
  letheSchema: 'lethe_notification',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'trigger',
  tables: {
    'notification.notification_templates': { action: 'delete' },
    'notification.notifications': { action: 'delete' },
    'notification.notification_deliveries': { action: 'delete' },
    'notification.delivery_events': { action: 'delete' },
    'notification.notification_attachments': { action: 'delete' },
    'notification.notification_preferences': { action: 'delete' },
  },
};
