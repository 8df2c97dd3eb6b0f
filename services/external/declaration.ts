import type { Declaration } from '../../erasure/declaration.js';

export const external: Declaration = {
  name: 'external',
  schemas: ['external'],
  letheSchema: 'lethe_external',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'trigger',
  tables: {
    'external.cities': { action: 'keep', reason: 'shared by all bakeries' },
    'external.city_weather': {
      action: 'keep',
      reason: "shared by all bakeries: the weather of a city is nobody's",
    },
    'external.city_holidays': { action: 'keep', reason: 'shared by all bakeries' },
    'external.tenant_locations': { action: 'delete' },
    'external.weather_data': { action: 'delete' },
    'external.traffic_data': { action: 'delete' },
    'external.local_events': { action: 'delete' },
    'external.event_attendance': { action: 'delete' },
  },
};
