/** The Temporal runs of jobs: started, woken, cancelled. What Temporal misses while it is away, the reconciler makes up for. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Client,
  type ConnectionLike,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { defineSearchAttributeKey, TypedSearchAttributes } from '@temporalio/common';
import { RELEASE_TYPE, type ReleaseInput, releaseWorkflowIdOf } from '../protocol/housekeeping.js';
import type { JobView } from '../protocol/jobs.js';
import {
  type DeleteTenantInput,
  MEMO_JOB_ID,
  MEMO_WAITS_UNTIL,
  TASK_QUEUE,
  UPDATE_WAKE,
  type WakeUpdate,
  WORKFLOW_TYPE,
  workflowIdOf,
} from '../protocol/workflow.js';

export interface RunsOptions {
  readonly connection: ConnectionLike;
  readonly namespace: string;
  readonly taskQueue?: string;
  /** Under which name a tenant may leave the records. */
  readonly publicKeyOf: (tenantId: string) => string;
}

/** The run that Temporal has for a job's tenant. */
export type FoundRun =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'own';
      readonly runId: string;
      readonly cancelRequested: boolean;
      /** The start that it waits for, as it knows it. */
      readonly waitsUntil: string | null;
    }
  /** Of another job of the same tenant; it will close by itself. */
  | { readonly kind: 'foreign'; readonly runId: string };

export interface JobRuns {
  /** Starts the job's run, unless it runs. Throws while Temporal is away. */
  start(job: JobView): Promise<void>;
  /** Tells the run that the record has changed; a run that is gone need not be told. */
  wake(job: JobView, because: WakeUpdate['because']): Promise<void>;
  requestCancel(job: JobView): Promise<void>;
  /** Starts the run of an approved release, unless it runs. */
  startRelease(releaseId: string): Promise<void>;
  find(job: JobView): Promise<FoundRun>;
  ready(): Promise<void>;
}

const TENANT_ID = defineSearchAttributeKey('TenantId', 'KEYWORD');
const DELETION_STATUS = defineSearchAttributeKey('DeletionStatus', 'KEYWORD');
const CALL_MS = 5_000;
/** How long an update may take to be accepted; it waits for a worker. */
const ACCEPTED_WITHIN_MS = 5_000;
/** The run of a job that has just ended closes within a moment. */
const CLOSES_WITHIN_MS = 1_500;

export function createRuns(options: RunsOptions): JobRuns {
  const { connection, namespace, taskQueue = TASK_QUEUE, publicKeyOf } = options;
  const client = new Client({ connection, namespace });
  const within = <T>(milliseconds: number, work: () => Promise<T>) =>
    connection.withDeadline(Date.now() + milliseconds, work);
  const idOf = (job: JobView) => workflowIdOf(publicKeyOf(job.tenant_id));

  /** Answers the job whose run holds the tenant's workflow id now. */
  async function start(job: JobView): Promise<unknown> {
    const publicKey = publicKeyOf(job.tenant_id);
    const input: DeleteTenantInput = { job_id: job.job_id };
    try {
      await within(CALL_MS, () =>
        client.workflow.start(WORKFLOW_TYPE, {
          workflowId: workflowIdOf(publicKey),
          taskQueue,
          args: [input],
          // Whose run there is instead is asked only where there is one.
          workflowIdConflictPolicy: 'FAIL',
          workflowIdReusePolicy: 'ALLOW_DUPLICATE',
          memo: { [MEMO_JOB_ID]: job.job_id },
          typedSearchAttributes: new TypedSearchAttributes([
            { key: TENANT_ID, value: publicKey },
            { key: DELETION_STATUS, value: job.status },
          ]),
          staticSummary: `Deletion job ${job.job_id}`,
          staticDetails:
            'The job in the records decides; see `lethe jobs show`. Cancel is safe, and so are reset and terminate.',
        }),
      );
      return job.job_id;
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
    const run = await within(CALL_MS, () => client.workflow.getHandle(idOf(job)).describe());
    return run.memo?.[MEMO_JOB_ID];
  }

  async function find(job: JobView): Promise<FoundRun> {
    try {
      const run = await within(CALL_MS, () => client.workflow.getHandle(idOf(job)).describe());
      if (run.status.name !== 'RUNNING') return { kind: 'none' };
      if (run.memo?.[MEMO_JOB_ID] !== job.job_id) return { kind: 'foreign', runId: run.runId };
      const cancelRequested = run.raw.workflowExtendedInfo?.cancelRequested === true;
      const waitsUntil = run.memo?.[MEMO_WAITS_UNTIL];
      return {
        kind: 'own',
        runId: run.runId,
        cancelRequested,
        waitsUntil: typeof waitsUntil === 'string' ? waitsUntil : null,
      };
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return { kind: 'none' };
      throw error;
    }
  }

  return {
    find,

    async start(job) {
      for (const deadline = Date.now() + CLOSES_WITHIN_MS; ; await sleep(100)) {
        if ((await start(job)) === job.job_id) return;
        if (Date.now() > deadline) {
          throw new Error(
            `A run of another job still holds ${idOf(job)}; it is started when that one has closed.`,
          );
        }
      }
    },

    async wake(job, because) {
      const found = await find(job);
      if (found.kind !== 'own') return;
      const update: WakeUpdate = { job_id: job.job_id, because };
      try {
        await within(ACCEPTED_WITHIN_MS, () =>
          client.workflow
            .getHandle(idOf(job), found.runId)
            .startUpdate<void, [WakeUpdate]>(UPDATE_WAKE, { args: [update], waitForStage: 'ACCEPTED' }),
        );
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    },

    async requestCancel(job) {
      const found = await find(job);
      if (found.kind !== 'own' || found.cancelRequested) return;
      try {
        await within(CALL_MS, () => client.workflow.getHandle(idOf(job), found.runId).cancel());
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    },

    async startRelease(releaseId) {
      const input: ReleaseInput = { release_id: releaseId };
      await within(CALL_MS, () =>
        client.workflow.start(RELEASE_TYPE, {
          workflowId: releaseWorkflowIdOf(releaseId),
          taskQueue,
          args: [input],
          workflowIdConflictPolicy: 'USE_EXISTING',
          workflowIdReusePolicy: 'ALLOW_DUPLICATE',
          staticSummary: `Release ${releaseId}`,
        }),
      );
    },

    async ready() {
      await within(CALL_MS, () => connection.workflowService.describeNamespace({ namespace }));
    },
  };
}
