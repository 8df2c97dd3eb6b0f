import { hours, minutes } from '../sample-data/times.js';
import type { ServiceSample } from '../sample-data/types.js';

const RULES = 'alert_processor.alert_rules';
const ALERTS = 'alert_processor.alerts';
const INTERACTIONS = 'alert_processor.alert_interactions';

const KINDS = ['low_stock', 'expiring_stock', 'oven_temperature', 'late_delivery', 'demand_spike'];
const SEVERITIES = ['info', 'warning', 'urgent', 'critical'];

export const alertProcessor: ServiceSample = {
  service: 'alert_processor',
  tables: [
    {
      name: RULES,
      size: { share: 0.5, atMost: 40 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        name: (row) => `${KINDS[row.index % KINDS.length]} ${row.index + 1}`,
        kind: (row) => KINDS[row.index % KINDS.length] ?? '',
        severity: (row) => row.pick(SEVERITIES),
        condition: (row) => `{"op": "<", "value": ${row.int(1, 200)}}`,
        cooldown: (row) => `${row.int(5, 240)} minutes`,
        channels: (row) => row.some(['email', 'push', 'sms'], 3),
        is_enabled: (row) => row.chance(0.9),
      },
    },
    {
      name: ALERTS,
      size: { share: 6 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        rule_id: (row) => row.unlessEvery(6, () => row.anyOf(RULES)),
        kind: (row) => row.pick(KINDS),
        severity: (row) => row.pick(SEVERITIES),
        title: (row) => `${row.pick(row.pools.ingredients)}: ${row.int(1, 40)} kg left`,
        details: (row) => `{"threshold": ${row.int(1, 60)}, "seen_by": ["scale ${row.int(1, 9)}"]}`,
        raisedAt: (row) => new Date(row.time),
        resolved_at: (row) => row.unlessEvery(4, () => new Date(row.time + hours(row.int(1, 40)))),
      },
    },
    {
      name: INTERACTIONS,
      size: { share: 5 },
      identity: 'id',
      columns: {
        id: (row) => row.number,
        tenant_id: (row) => row.tenantId,
        alert_id: (row) => row.parentId(ALERTS),
        user_id: (row) => row.userId(),
        kind: (row) => row.pick(['viewed', 'viewed', 'acknowledged', 'snoozed', 'resolved', 'dismissed']),
        from_ip: (row) => row.unlessEvery(4, () => row.pick(row.pools.ipAddresses)),
        snoozed_for: (row) => (row.chance(0.2) ? `${row.int(5, 120)} minutes` : null),
        interacted_at: (row) => new Date(row.timeOf(ALERTS, row.parent(ALERTS)) + minutes(row.int(1, 500))),
      },
    },
    {
      name: 'alert_processor.alert_comments',
      size: { share: 2 },
      columns: {
        id: (row) => row.id,
        interaction_id: (row) => row.parentNumber(INTERACTIONS),
        reply_to_id: (row) => row.above(),
        body: (row) => row.pick(row.pools.remarks),
        written_at: (row) => new Date(row.time),
      },
    },
    {
      name: 'alert_processor.alert_recipients',
      size: { share: 6, atMost: (rowsOf) => rowsOf(ALERTS) * rowsOf('tenant.tenant_members') },
      columns: {
        alert_id: (row) => row.parentId(ALERTS),
        user_id: (row) => row.userId(row.parent(ALERTS) + row.sibling(ALERTS)),
        seen_at: (row) => row.unlessEvery(3, () => new Date(row.time)),
      },
    },
  ],
};
