import type { Declaration } from '../../erasure/declaration.js';

export const forecasting: Declaration = {
  name: 'forecasting',
  schemas: ['forecasting'],
  letheSchema: 'lethe_forecasting',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'trigger',
  tables: {
    'forecasting.prediction_batches': { action: 'delete' },
    'forecasting.forecasts': { action: 'delete' },
    'forecasting.forecast_factors': { action: 'delete' },
    'forecasting.forecast_adjustments': { action: 'delete' },
    'forecasting.adjustment_votes': { action: 'delete' },
    // How good each algorithm was, over all bakeries: whose figures they were does not matter.
    'forecasting.performance_metrics': {
      action: 'anonymize',
      columns: { tenant_id: { becomes: 'null' }, forecast_id: { becomes: 'null' } },
    },
    'forecasting.prediction_cache': { action: 'delete' },
  },
};
