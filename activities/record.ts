/** Steps that read or write the job's record alone. */
import { Context } from '@temporalio/activity';
import { hasEnded, type JobView } from '../protocol/jobs.js';
import { type Parts, SAGA, TEMPORAL } from './dependencies.js';
import { JobHasEnded } from './failures.js';
import { answerOfGate } from './gate.js';
import type {
  AbortInput,
  DecisionState,
  EndInput,
  Fault,
  GateState,
  JobState,
  NumberedWrite,
  OfJob,
  ShowInput,
} from './types.js';

/** The job as the workflow knows it. */
export function stateOfJob({ settings, services, preStage }: Parts, job: JobView): JobState {
  return {
    decision: job.decision,
    cause: job.abort_cause,
    ended: hasEnded(job.status) ? job.status : null,
    startAt: job.start_at,
    stagedAt: job.staged_at,
    restoreWindowMs: job.restore_window_ms,
    services: job.services.map((service) => ({
      name: service.name,
      role: service.role,
      reversible: service.reversible,
      touched: service.stage_requested_at !== null,
    })),
    ...(job.reapplies && { reapplies: true }),
    ...(job.export && { exports: true }),
    ...(job.waivers?.length && { waived: job.waivers.map(({ service }) => service) }),
    ...(preStage?.receivers.length && { receivers: preStage.receivers.map(({ name }) => name) }),
    registered: registeredFor(services, job),
    faults: job.services.flatMap((service) => faultKept(service.name, service.last_error)),
    settings: {
      attentionRetryEveryMs: settings.attentionRetryEveryMs,
      heartbeatTimeoutMs: Math.max(3_000, 3 * settings.sliceMs),
    },
  };
}

/** All that the registry has and the job is about, but for those that were left out at the check. */
export function registeredFor(services: Parts['services'], job: JobView): string[] {
  const leftOut = (name: string) =>
    job.waivers?.some((use) => use.service === name) && !job.services.some((one) => one.name === name);
  return services
    .map((client) => client.service.name)
    .filter((name) => (job.scope?.includes(name) ?? true) && !leftOut(name));
}

export function recordSteps(parts: Parts) {
  const { records } = parts;
  const stateOf = (job: JobView) => stateOfJob(parts, job);

  /** For those who wait: what keeps the job back wherever it is. */
  async function withHeldBy(job: JobView): Promise<JobState> {
    const heldBy = job.decision === null ? (await records.heldBack(job.job_id)).waitingFor : null;
    return { ...stateOf(job), heldBy };
  }

  /** Until everything is staged: services that nobody has to ask. */
  async function withoutWaived(state: JobState, job: JobView): Promise<JobState> {
    if (job.decision !== null || job.staged_at !== null) return state;
    const names = state.registered.filter(
      (name) => !job.services.some((one) => one.name === name && one.stage_requested_at !== null),
    );
    const waived = await records.waivedFor(job.job_id, names);
    return { ...state, registered: state.registered.filter((name) => !waived.includes(name)) };
  }

  return {
    /** What stands in the record; also where the job has ended. The run takes its epoch with it. */
    async readJob({ jobId }: OfJob): Promise<JobState> {
      const job = await records.getJob(jobId);
      if (!hasEnded(job.status)) await parts.order(jobId, 0);
      return withoutWaived(await withHeldBy(job), job);
    },

    /** Writes where the job stands, unless a later write has come before it. */
    async show({ jobId, number, patch }: ShowInput): Promise<void> {
      await records.updateJob(jobId, await parts.order(jobId, number), patch);
    },

    /** All is staged: the window counts from the first time that this was so. */
    async markStaged({ jobId, number }: NumberedWrite): Promise<JobState> {
      const job = await parts.openJob(jobId);
      if (job.staged_at === null) {
        const order = await parts.order(jobId, number);
        await records.updateJob(jobId, order, { stagedAt: new Date().toISOString() });
      }
      // What was archived has to be what was approved; otherwise everything goes back.
      if (job.approval_required) await records.abortIfChanged(jobId);
      return withHeldBy(await records.getJob(jobId));
    },

    /** Compare-and-set to `abort`; answers what stands, whoever decided it. */
    async decideAbort({ jobId, cause, by, why }: AbortInput): Promise<DecisionState> {
      const job = await records.getJob(jobId);
      if (hasEnded(job.status)) return { decision: job.decision, cause: job.abort_cause, ended: job.status };
      // Once a service was asked to stage, "nothing was touched" is not to be said any more.
      const touched = job.services.some((service) => service.stage_requested_at !== null);
      const told = cause === 'refusal' && touched ? 'failure' : cause;
      const found = await records.decideAbort(jobId, told, by === 'temporal' ? TEMPORAL : SAGA);
      if (job.decision === null && found.decision === 'abort' && why !== '') {
        await parts.step(job, 'reason of the abort', { cause: told, why });
      }
      return { decision: found.decision, cause: found.cause, ended: null };
    },

    /** The pivot. A regular activity, since a local one can run, commit and be forgotten. */
    async decideProceed({ jobId }: OfJob): Promise<GateState> {
      const job = await records.getJob(jobId);
      if (hasEnded(job.status)) return { decision: job.decision, cause: job.abort_cause, ended: job.status };
      const found = await records.decideProceed(jobId);
      if (found.decision === null)
        return answerOfGate({ decision: null, waitingFor: found.waitingFor }, 'pivot', jobId);
      return { decision: found.decision, cause: found.cause, ended: null };
    },

    /** An end is never left: where the job has one, that is answered. */
    async endJob({ jobId, number, status, outcome }: EndInput): Promise<JobState> {
      const end = async () => records.endJob(jobId, await parts.order(jobId, number), status, outcome);
      return stateOf(await endWith(parts, jobId, end));
    },

    /** So that the run closes as canceled also where Temporal was away when a person cancelled. */
    async requestOwnCancel(): Promise<void> {
      const { client, info } = Context.current();
      const { workflowId, runId } = info.workflowExecution ?? { workflowId: '', runId: '' };
      await client.workflow.getHandle(workflowId, runId).cancel();
    },
  };
}

/** Ends the job by `end`, which is dropped where a later run seems to have written; gives the ended job. */
export async function endWith(parts: Parts, jobId: string, end: () => Promise<JobView>): Promise<JobView> {
  const job = await end();
  if (hasEnded(job.status)) return job;
  // A dead run's last activity may have begun to write after this run did. Only a live run's end counts.
  await assertLive();
  await parts.renewEpoch(jobId);
  const again = await end();
  if (!hasEnded(again.status)) throw new Error('The end was dropped as older once more.');
  return again;
}

/** Whether this activity's run is still the one that Temporal runs; throws where it is not. */
async function assertLive(): Promise<void> {
  const { client, info } = Context.current();
  const { workflowId, runId } = info.workflowExecution ?? { workflowId: '', runId: '' };
  const description = await client.workflow.getHandle(workflowId).describe();
  if (description.runId !== runId || description.status.name !== 'RUNNING') {
    throw new JobHasEnded('Another run has taken this job over.');
  }
}

function faultKept(service: string, error: JobView['services'][number]['last_error']): Fault[] {
  if (error === null) return [];
  const { code, table, privilege, sqlstate } = error;
  return [{ service, code, table, privilege, sqlstate, olderTransaction: false }];
}
