import type { Declaration } from '../../erasure/declaration.js';

export const production: Declaration = {
  name: 'production',
  schemas: ['production'],
  letheSchema: 'lethe_production',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'trigger',
  tables: {
    'production.equipment': { action: 'delete' },
    'production.production_schedules': { action: 'delete' },
    'production.production_runs': { action: 'delete' },
    'production.run_ingredients': { action: 'delete' },
    'production.run_steps': { action: 'delete' },
    'production.step_measurements': { action: 'delete' },
    'production.quality_checks': { action: 'delete' },
    'production.quality_defects': { action: 'delete' },
    'production.corrective_actions': { action: 'delete' },
  },
};
