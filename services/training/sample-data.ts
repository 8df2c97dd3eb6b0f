import { createHash } from 'node:crypto';
import { dayOf, days, hours } from '../sample-data/times.js';
import type { ServiceSample } from '../sample-data/types.js';

const MODELS = 'training.trained_models';
const ARTIFACTS = 'training.model_artifacts';
const CHUNKS = 'training.model_artifact_chunks';
const DATASETS = 'training.training_datasets';
const JOBS = 'training.job_queue';

const KINDS = ['weights', 'encoder', 'report'];
const MEDIA_TYPES = ['application/octet-stream', 'application/json', 'text/html'];
const ZONES = ['eu-west-1a', 'eu-west-1b', 'eu-south-2a'];
const COLUMNS = ['units_sold', 'price', 'temperature', 'weekday', 'is_holiday', 'promotion'];

export const training: ServiceSample = {
  service: 'training',
  tables: [
    {
      name: MODELS,
      size: { share: 0.8 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        base_model_id: (row) => row.above(),
        name: (row) => `demand of ${row.product.category.toLowerCase()}`,
        version: (row) => row.index + 1,
        status: (row) => row.pick(['training', 'ready', 'active', 'retired']),
        hyperparameters: (row) => `{"depth": ${row.int(3, 12)}, "rate": ${row.decimal(0.01, 0.3, 3)}}`,
        accuracy: (row) => row.unlessEvery(4, () => row.decimal(0.5, 0.99, 15)),
        trained_at: (row) => row.unlessEvery(4, () => new Date(row.time)),
      },
    },
    {
      name: ARTIFACTS,
      size: { share: 1.6, atMost: (rowsOf) => rowsOf(MODELS) * KINDS.length },
      columns: {
        id: (row) => row.id,
        model_id: (row) => row.parentId(MODELS),
        kind: (row) => KINDS[row.sibling(MODELS)] ?? '',
        media_type: (row) => MEDIA_TYPES[row.sibling(MODELS)] ?? '',
        digest: (row) => createHash('sha256').update(row.id).digest(),
        preview: (row) => row.unlessEvery(3, () => row.bytes(row.int(0, 40))),
        created_at: (row) => new Date(row.time),
      },
    },
    {
      name: CHUNKS,
      size: { share: 4 },
      columns: {
        artifact_id: (row) => row.parentId(ARTIFACTS),
        chunk_number: (row) => row.sibling(ARTIFACTS),
        content: (row) => row.bytes(row.int(64, 256)),
      },
    },
    {
      name: 'training.artifact_chunk_copies',
      size: { share: 5, atMost: (rowsOf) => rowsOf(CHUNKS) * ZONES.length },
      columns: {
        artifact_id: (row) => row.idOf(ARTIFACTS, row.tenant.parentOf(CHUNKS, row.parent(CHUNKS), ARTIFACTS)),
        chunk_number: (row) => row.tenant.siblingOf(CHUNKS, row.parent(CHUNKS), ARTIFACTS),
        zone: (row) => ZONES[row.sibling(CHUNKS)] ?? '',
        stored_at: (row) => new Date(row.time),
        verified_at: (row) => row.unlessEvery(3, () => new Date(row.time + hours(2))),
      },
    },
    {
      name: DATASETS,
      size: { share: 0.6 },
      columns: {
        id: (row) => row.id,
        tenant_id: (row) => row.tenantId,
        name: (row) => `Sales, part ${row.index + 1}`,
        period: (row) => `[${dayOf(row.time - days(row.int(30, 300)))},${dayOf(row.time)})`,
        columns: (row) => row.some(COLUMNS, 5),
        row_count: (row) => row.int(500, 9_000_000),
        column_means: (row) => [Number(row.decimal(0, 90, 6)), null, Number(row.decimal(0, 1, 12))],
      },
    },
    {
      name: 'training.model_datasets',
      size: { share: 1.2, atMost: (rowsOf) => rowsOf(MODELS) * rowsOf(DATASETS) },
      columns: {
        model_id: (row) => row.parentId(MODELS),
        dataset_id: (row) =>
          row.idOf(DATASETS, (row.parent(MODELS) + row.sibling(MODELS)) % row.count(DATASETS)),
        share: (row) => row.decimal(0.05, 1, 3),
      },
    },
    {
      name: JOBS,
      size: { share: 1.2 },
      identity: 'id',
      columns: {
        id: (row) => row.number,
        tenant_id: (row) => row.tenantId,
        model_id: (row) => row.unlessEvery(4, () => row.anyOf(MODELS)),
        status: (row) => row.pick(['queued', 'running', 'done', 'done', 'failed']),
        order: (row) => row.int(1, 100),
        payload: (row) => `{"epochs": ${row.int(5, 80)}, "device": "${row.pick(['cpu', 'gpu'])}"}`,
        timeout: (row) => `${row.int(10, 300)} minutes`,
        run_after: (row) => new Date(row.time),
        workerHost: (row) => row.unlessEvery(3, () => row.pick(row.pools.ipAddresses)),
      },
    },
    {
      name: 'training.training_logs',
      size: { share: 8 },
      columns: {
        tenant_id: (row) => row.tenantId,
        job_id: (row) => row.parentNumber(JOBS),
        level: (row) => row.pick(['debug', 'info', 'info', 'info', 'warning', 'error']),
        epoch: (row) => row.unlessEvery(8, () => row.sibling(JOBS)),
        message: (row) => `loss ${row.decimal(0.01, 2, 5)} after ${row.int(1, 600)} s`,
        context: (row) => (row.chance(0.4) ? `{"batch": ${row.int(16, 512)}}` : null),
        logged_at: (row) => new Date(row.time),
      },
    },
  ],
};
