/** What activities stand on, and what all of them do first: read the job, find the service. */
import { Context } from '@temporalio/activity';
import type { ServiceClient } from '../protocol/client.js';
import { hasEnded, type JobService, type JobView } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';
import type { Actor, Records, ServicePatch, WriteOrder } from '../records/types.js';
import type { CertificateSigner } from './certificate.js';
import type { ExportSettings } from './export.js';
import { JobHasEnded } from './failures.js';
import type { HousekeepingWorks } from './housekeeping.js';
import type { PreStageSettings } from './pre-stage.js';
import type { SagaSettings } from './types.js';

export interface ActivityDependencies {
  readonly records: Records;
  /** Every service of the registry, with tokens that follow the decision. */
  readonly services: readonly ServiceClient[];
  readonly settings: SagaSettings;
  /** What runs by itself; without it, nothing does. */
  readonly housekeeping?: HousekeepingWorks;
  readonly certificates: CertificateSigner;
  /** Where exports go; without it, none is made. */
  readonly exports?: ExportSettings;
  /** Who has to agree before anything is staged; without it, nobody. */
  readonly preStage?: PreStageSettings;
  readonly previewHash: (
    tenantId: string,
    plans: readonly {
      readonly service: string;
      readonly planHash: string;
      readonly tables: readonly { readonly table: string; readonly rows: number }[];
    }[],
  ) => string;
}

export const SAGA: Actor = { kind: 'system', id: 'lethe', role: 'saga' };
export const TEMPORAL: Actor = { kind: 'system', id: 'temporal', role: 'operator' };

const MOST_EPOCHS = 1_000;

/** The parts that activities share. */
export interface Parts extends ActivityDependencies {
  client(service: string): ServiceClient;
  /** The job where it is open; throws `JobHasEnded`. */
  openJob(jobId: string): Promise<JobView>;
  /**
   * The order of a write. The epoch is that of the run that executes the activity, never one from a history: a run
   * that was reset replays the old history under a new id.
   */
  order(jobId: string, number: number): Promise<WriteOrder>;
  /** A new epoch for this run, where it is the live one and another has passed it all the same. */
  renewEpoch(jobId: string): Promise<void>;
  tell(jobId: string, patch: ServicePatch): Promise<void>;
  step(
    job: JobView,
    action: string,
    details: Readonly<Record<string, string | number | boolean | null>>,
  ): Promise<void>;
}

export function createParts(dependencies: ActivityDependencies): Parts {
  const { records, services } = dependencies;
  const byName = new Map(services.map((client) => [client.service.name, client]));
  const epochs = new Map<string, number>();

  async function epochOf(jobId: string): Promise<number> {
    const known = epochs.get(keyOf(jobId));
    return known ?? begin(jobId, runId());
  }

  async function begin(jobId: string, name: string): Promise<number> {
    const epoch = await records.beginRun(jobId, name);
    if (epochs.size >= MOST_EPOCHS) epochs.clear();
    epochs.set(keyOf(jobId), epoch);
    return epoch;
  }

  return {
    ...dependencies,
    client(service) {
      const found = byName.get(service);
      if (found) return found;
      throw new Problem(
        'service_unavailable',
        `${service} is not in the registry any more; a job still needs it. Put it back into LETHE_SERVICES_FILE.`,
        { service },
      );
    },
    async openJob(jobId) {
      const job = await records.getJob(jobId);
      if (hasEnded(job.status)) throw new JobHasEnded(`The job has ended ${job.status}.`);
      return job;
    },
    order: async (jobId, number) => ({ epoch: await epochOf(jobId), number }),
    async renewEpoch(jobId) {
      await begin(jobId, `${runId()}/${await epochOf(jobId)}`);
    },
    tell: async (jobId, patch) => records.updateService(jobId, { ...patch, epoch: await epochOf(jobId) }),
    step: (job, action, details) =>
      records.audit({ jobId: job.job_id, tenantId: job.tenant_id, actor: SAGA, action, details }),
  };
}

function runId(): string {
  return Context.current().info.workflowExecution?.runId ?? '';
}

function keyOf(jobId: string): string {
  return `${jobId}/${runId()}`;
}

/** The service's part of a job, where it has one. */
export function partOf(job: JobView, service: string): JobService | undefined {
  return job.services.find((one) => one.name === service);
}
