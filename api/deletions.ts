/** Asking for deletions, ending and repeating them: what the routes do, without HTTP. */
import { type DeletionOptions, hasEnded, type JobView } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';
import type { Actor } from '../records/types.js';
import {
  approvalRequired,
  checkName,
  checkOptions,
  replayOptions,
  restoreWindowOf,
} from './deletion-options.js';
import type { ApiDependencies } from './dependencies.js';
import { type Directory, erased } from './directory.js';
import type { Erased } from './erased.js';
import { createTell } from './tell-temporal.js';
import { demandRows } from './tenant-preview.js';

/** Who asks, in which request. */
type Asker = Actor & { readonly requestId: string };

export interface Deletions {
  /** The new job, or the open one with the same options. */
  request(tenantId: string, options: DeletionOptions, asker: Asker): Promise<JobView>;
  cancel(job: JobView, asker: Asker): Promise<JobView>;
  reschedule(job: JobView, startAt: string, asker: Asker): Promise<JobView>;
  /** The same job where it waits on a failure; a new one where it ended without deleting. */
  replay(job: JobView, asker: Asker): Promise<JobView>;
}

export function createDeletions(
  dependencies: ApiDependencies,
  directory: Directory,
  { reapplyAgain }: Pick<Erased, 'reapplyAgain'>,
): Deletions {
  const { records, runs, settings, publicKeyOf } = dependencies;
  const tell = createTell(dependencies);
  const start = (job: JobView) => tell(job, 'start', () => runs.start(job));

  async function open(
    tenantId: string,
    options: DeletionOptions,
    asker: Asker,
    replayOf?: string,
  ): Promise<JobView> {
    checkOptions(options, settings.exportDirectory !== undefined);
    const restoreWindowMs = restoreWindowOf(options, settings.restoreWindowMs);
    const needsApproval = approvalRequired(options, settings.requireApproval);
    publicKeyOf(tenantId);
    const [gone, openJob] = await Promise.all([records.isErased(tenantId), records.openJobOf(tenantId)]);
    if (gone) throw erased();
    // While a job is open the rows may be staged and the tenant's entry gone: only the record can answer then.
    const readers = openJob
      ? []
      : await look(tenantId, options, asker, settings.requireNameConfirmation && replayOf === undefined);
    const { job } = await records.openJob({
      tenantId,
      actor: asker,
      options,
      restoreWindowMs,
      approvalRequired: needsApproval,
      readers: [...new Set([...readers, asker.id])],
      ...(replayOf === undefined ? {} : { replayOf }),
    });
    await start(job);
    return job;
  }

  /** Makes sure that there is something to delete, and what was looked at is still so. Gives who acts for the tenant. */
  async function look(
    tenantId: string,
    options: DeletionOptions,
    asker: Asker,
    nameRequired: boolean,
  ): Promise<string[]> {
    const tenant = await directory.tenant(tenantId, asker.requestId);
    checkName(options, tenant?.name ?? null, nameRequired);
    if (tenant === null || options.preview_hash !== undefined) {
      await demandRows(dependencies, {
        tenantId,
        requestId: asker.requestId,
        known: tenant !== null,
        previewHash: options.preview_hash,
      });
    }
    return tenant ? [tenant.owner_user_id, ...tenant.admin_user_ids] : [];
  }

  return {
    request: (tenantId, options, asker) => open(tenantId, options, asker),

    async cancel(job, asker) {
      if (hasEnded(job.status)) {
        // Asked again after a lost answer: it is what was wanted.
        if (job.status === 'cancelled') return job;
        throw ended(job);
      }
      const found = await records.decideAbort(job.job_id, 'cancel', asker);
      if (found.decision === 'proceed') {
        throw new Problem(
          'past_pivot',
          'Every service has agreed and there is no way back; the deletion goes on.',
          { state: job.status, job_id: job.job_id },
        );
      }
      await tell(job, 'cancel', () => runs.requestCancel(job));
      return records.getJob(job.job_id);
    },

    async reschedule(job, startAt, asker) {
      if (hasEnded(job.status)) throw ended(job);
      const moved = await records.reschedule(job.job_id, startAt, asker);
      await tell(moved, 'reschedule', () => runs.wake(moved, 'rescheduled'));
      return moved;
    },

    async replay(job, asker) {
      if (job.status === 'needs_attention') {
        const asked = await records.requestReplay(job.job_id, asker);
        await tell(asked, 'replay', () => runs.wake(asked, 'replay'));
        return asked;
      }
      if (job.status !== 'compensated' && job.status !== 'refused') {
        const detail = `The job is ${job.status}; only one that needs attention, or ended compensated or refused, can be replayed.`;
        throw new Problem('not_replayable', detail, { state: job.status, job_id: job.job_id });
      }
      // Its tenant is gone, which a request from outside would be told.
      if (job.reapplies) return reapplyAgain(job, asker);
      const current = await records.openJobOf(job.tenant_id);
      if (current?.replay_of === job.job_id) {
        await start(current);
        return current;
      }
      const latest = await records.replayableJobs({ tenantId: job.tenant_id });
      if (!latest.some((one) => one.job_id === job.job_id)) {
        const detail = 'A later job of this tenant exists; look at that one.';
        throw new Problem('not_replayable', detail, { job_id: current?.job_id ?? job.job_id });
      }
      return open(job.tenant_id, replayOptions(job, settings.restoreWindowMs), asker, job.job_id);
    },
  };
}

/** What is asked of a job that is over. */
export function ended(job: JobView): Problem {
  return new Problem('job_ended', `The job has ended ${job.status}.`, {
    state: job.status,
    job_id: job.job_id,
  });
}
