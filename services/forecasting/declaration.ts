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
    'forecasting.performance_metrics': { action: 'delete' },
    'forecasting.prediction_cache': { action: 'delete' },
  },
};
