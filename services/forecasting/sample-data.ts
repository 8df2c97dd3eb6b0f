import type { SampleRow } from '../sample-data/row.js';
import { dayOf, days, hours, TODAY } from '../sample-data/times.js';
import type { ServiceSample } from '../sample-data/types.js';

const BATCHES = 'forecasting.prediction_batches';
const FORECASTS = 'forecasting.forecasts';
const ADJUSTMENTS = 'forecasting.forecast_adjustments';

const ALGORITHMS = ['prophet', 'gradient_boosting', 'moving_average'];
const FACTORS = ['weekday', 'weather', 'holiday', 'price', 'local_event', 'trend'];

function demand(row: SampleRow): number {
  return 5 + Math.floor(row.tenant.draw(FORECASTS, row.index, 3) * 300);
}

export const forecasting: ServiceSample = {
  service: 'forecasting',
  tables: [
    {
      name: BATCHES,
      size: { share: 0.6 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        name: (row) => `Week ${1 + (row.index % 52)}, run ${row.index + 1}`,
        status: (row) => row.pick(['queued', 'running', 'finished', 'finished', 'finished', 'failed']),
        horizon_days: (row) => row.pick([7, 14, 28]),
        parameters: (row) => `{"seasonality": "weekly", "changepoints": ${row.int(5, 40)}}`,
        requested_at: (row) => new Date(row.time),
        finished_at: (row) => row.unlessEvery(4, () => new Date(row.time + hours(1))),
        took: (row) => row.unlessEvery(4, () => `${row.int(20, 3_000)} seconds`),
      },
    },
    {
      name: FORECASTS,
      size: { share: 22 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        batch_id: (row) => row.parentId(BATCHES),
        product_id: (row) => row.productId,
        product_name: (row) => row.product.name,
        forecast_date: (row) => dayOf(TODAY + days(row.sibling(BATCHES) % 28)),
        algorithm: (row) => row.pick(ALGORITHMS),
        predicted_demand: (row) => demand(row).toFixed(3),
        demand_low: (row) => (demand(row) * 0.8).toFixed(3),
        demand_high: (row) => (demand(row) * 1.3).toFixed(3),
        features: (row) => `{"temperature": ${row.decimal(0, 35, 1)}, "weekday": ${row.int(1, 7)}}`,
        created_at: (row) => new Date(row.time),
      },
    },
    {
      name: 'forecasting.forecast_factors',
      size: { share: 12, atMost: (rowsOf) => rowsOf(FORECASTS) * FACTORS.length },
      columns: {
        forecast_id: (row) => row.parentId(FORECASTS),
        factor: (row) => FACTORS[row.sibling(FORECASTS)] ?? '',
        weight: (row) => row.decimal(-1, 1, 9),
      },
    },
    {
      name: ADJUSTMENTS,
      size: { share: 1.5 },
      identity: 'id',
      columns: {
        id: (row) => row.number,
        forecast_id: (row) => row.parentId(FORECASTS),
        adjusted_by: (row) => row.userId(),
        demand: (row) => row.decimal(1, 400, 3),
        reason: (row) => row.pick(row.pools.remarks),
        adjusted_at: (row) => new Date(row.time),
      },
    },
    {
      name: 'forecasting.adjustment_votes',
      size: { share: 1.5, atMost: (rowsOf) => rowsOf(ADJUSTMENTS) * rowsOf('tenant.tenant_members') },
      columns: {
        adjustment_id: (row) => row.parentNumber(ADJUSTMENTS),
        user_id: (row) => row.userId(row.parent(ADJUSTMENTS) + row.sibling(ADJUSTMENTS)),
        agrees: (row) => row.chance(0.7),
      },
    },
    {
      name: 'forecasting.performance_metrics',
      size: { share: 4 },
      columns: {
        tenant_id: (row) => row.tenantId,
        forecast_id: (row) => row.unlessEvery(5, () => row.anyOf(FORECASTS)),
        algorithm: (row) => row.pick(ALGORITHMS),
        measured_on: (row) => dayOf(row.time),
        actual_demand: (row) => row.decimal(0, 400, 3),
        absolute_error: (row) => row.decimal(0, 60, 12),
        percent_error: (row) => row.unlessEvery(7, () => row.decimal(0, 90, 3)),
      },
    },
    {
      name: 'forecasting.prediction_cache',
      size: { share: 1.2 },
      columns: {
        tenant_id: (row) => row.tenantId,
        cache_key: (row) => `demand/${row.index}/${row.pick(ALGORITHMS)}`,
        payload: (row) => row.bytes(row.int(16, 96)),
        hits: (row) => row.int(0, 500),
        expires_at: (row) => new Date(row.future),
      },
    },
  ],
};
