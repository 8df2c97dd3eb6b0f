import type { Declaration } from '../../erasure/declaration.js';

export const training: Declaration = {
  name: 'training',
  schemas: ['training'],
  letheSchema: 'lethe_training',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'trigger',
  tables: {
    'training.trained_models': { action: 'delete' },
    'training.model_artifacts': { action: 'delete' },
    'training.model_artifact_chunks': { action: 'delete' },
    'training.artifact_chunk_copies': { action: 'delete' },
    'training.training_datasets': { action: 'delete' },
    'training.model_datasets': { action: 'delete' },
    'training.job_queue': { action: 'delete' },
    'training.training_logs': { action: 'delete' },
  },
};
