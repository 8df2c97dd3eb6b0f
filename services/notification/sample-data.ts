import type { Pools } from '../sample-data/pools.js';
import { rowId, tableKey } from '../sample-data/random.js';
import type { SampleRow } from '../sample-data/row.js';
import { minutes } from '../sample-data/times.js';
import type { Cell, ServiceSample } from '../sample-data/types.js';

const TEMPLATES = 'notification.notification_templates';
const NOTIFICATIONS = 'notification.notifications';
const DELIVERIES = 'notification.notification_deliveries';

const CHANNELS = ['email', 'sms', 'push', 'whatsapp'];
const CODES = ['order_ready', 'low_stock', 'weekly_report', 'invoice', 'welcome', 'shift_changed'];
const UPDATED_AT = new Date('2025-11-01T08:00:00Z');
const SHARED = tableKey('shared', 0, TEMPLATES);

/** The platform's own templates, which everybody uses. */
function* sharedTemplates(_pools: Pools): Generator<readonly Cell[]> {
  for (const [index, code] of CODES.entries()) {
    yield [
      rowId(SHARED, index),
      code,
      'email',
      'es',
      `{{bakery}}: ${code}`,
      'Hola {{name}}',
      ['bakery', 'name'],
      UPDATED_AT,
    ];
  }
}

function template(row: SampleRow): string {
  return row.chance(0.5) ? row.anyOf(TEMPLATES) : rowId(SHARED, row.int(0, CODES.length - 1));
}

export const notification: ServiceSample = {
  service: 'notification',
  shared: [
    {
      name: TEMPLATES,
      where: 'tenant_id IS NULL',
      columns: ['id', 'code', 'channel', 'locale', 'subject', 'body', 'placeholders', 'updated_at'],
      rows: sharedTemplates,
    },
  ],
  tables: [
    {
      name: TEMPLATES,
      size: { share: 0.5, atMost: 24 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        code: (row) => CODES[Math.floor(row.index / CHANNELS.length)] ?? `custom_${row.index}`,
        channel: (row) => CHANNELS[row.index % CHANNELS.length] ?? '',
        locale: (row) => row.pick(['es', 'ca', 'en']),
        subject: (row) => row.unlessEvery(4, () => `${row.tenant.name} informs you`),
        body: (row) => `Dear {{name}},\n${row.pick(row.pools.remarks)}.`,
        placeholders: () => ['name', 'bakery'],
        updated_at: (row) => new Date(row.time),
      },
    },
    {
      name: NOTIFICATIONS,
      size: { share: 10 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        template_id: (row) => row.unlessEvery(5, () => template(row)),
        recipient_user_id: (row) => row.userId(),
        channel: (row) => row.pick(CHANNELS),
        status: (row) => row.pick(['pending', 'sent', 'delivered', 'delivered', 'failed']),
        subject: (row) => row.unlessEvery(3, () => `Order ${row.int(1_000, 99_999)}`),
        variables: (row) =>
          `{"name": ${JSON.stringify(row.pick(row.pools.people))}, "order": ${row.int(1, 9_999)}}`,
        scheduled_at: (row) => new Date(row.time),
        sent_at: (row) => row.unlessEvery(7, () => new Date(row.time + minutes(row.int(0, 9)))),
      },
    },
    {
      name: DELIVERIES,
      size: { share: 11 },
      identity: 'id',
      columns: {
        id: (row) => row.number,
        notification_id: (row) => row.parentId(NOTIFICATIONS),
        attempt: (row) => row.sibling(NOTIFICATIONS) + 1,
        provider: (row) => row.pick(['postal', 'sinch', 'firebase']),
        providerRef: (row) => row.unlessEvery(6, () => `msg-${row.int(100_000, 999_999)}`),
        relay_ip: (row) => row.unlessEvery(3, () => row.pick(row.pools.ipAddresses)),
        took: (row) => row.unlessEvery(8, () => `${row.int(20, 4_000)} milliseconds`),
        attempted_at: (row) => new Date(row.time),
      },
    },
    {
      name: 'notification.delivery_events',
      size: { share: 12 },
      columns: {
        delivery_id: (row) => row.parentNumber(DELIVERIES),
        occurred_at: (row) =>
          new Date(row.timeOf(DELIVERIES, row.parent(DELIVERIES)) + minutes(row.sibling(DELIVERIES))),
        kind: (row) => row.pick(['accepted', 'delivered', 'opened', 'clicked', 'bounced']),
        details: (row) => (row.chance(0.3) ? `{"client": "${row.pick(['mobile', 'web'])}"}` : null),
      },
    },
    {
      name: 'notification.notification_attachments',
      size: { share: 1 },
      columns: {
        notification_id: (row) => row.parentId(NOTIFICATIONS),
        position: (row) => row.sibling(NOTIFICATIONS) + 1,
        file_name: (row) => `invoice-${row.index + 1}.pdf`,
        media_type: () => 'application/pdf',
        content: (row) => row.bytes(row.int(32, 200)),
      },
    },
    {
      name: 'notification.notification_preferences',
      size: { share: 1, atMost: (rowsOf) => rowsOf('tenant.tenant_members') * CHANNELS.length },
      columns: {
        tenant_id: (row) => row.tenantId,
        user_id: (row) => row.userId(Math.floor(row.index / CHANNELS.length)),
        channel: (row) => CHANNELS[row.index % CHANNELS.length] ?? '',
        is_enabled: (row) => row.chance(0.8),
        topics: (row) => row.some(CODES, 4),
        quiet_from: (row) => row.unlessEvery(3, () => '22:00:00'),
        quiet_until: (row) => row.unlessEvery(3, () => '07:30:00'),
      },
    },
  ],
};
