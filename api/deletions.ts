/** Asking for deletions, ending and repeating them: what the routes do, without HTTP. */
import { parseDuration } from '../protocol/duration.js';
import { type DeletionOptions, hasEnded, type JobView } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';
import type { Actor } from '../records/types.js';
import type { ApiDependencies } from './dependencies.js';
import type { Directory } from './directory.js';
import { previewTenant } from './tenant-preview.js';

/** How long a request waits for Temporal; what is not told by then, the reconciler tells. */
const TEMPORAL_PATIENCE_MS = 2_000;

export interface Deletions {
  /** The new job, or the open one with the same options. */
  request(tenantId: string, options: DeletionOptions, actor: Actor): Promise<JobView>;
  cancel(job: JobView, actor: Actor): Promise<JobView>;
  reschedule(job: JobView, startAt: string, actor: Actor): Promise<JobView>;
  /** The same job where it waits on a failure; a new one where it ended without deleting. */
  replay(job: JobView, actor: Actor): Promise<JobView>;
}

export function createDeletions(dependencies: ApiDependencies, directory: Directory): Deletions {
  const { records, runs, settings, logger } = dependencies;

  async function tell(job: JobView, what: string, work: () => Promise<unknown>): Promise<void> {
    const patience = new AbortController();
    const timeout = new Promise<'late'>((resolve) => {
      const timer = setTimeout(() => resolve('late'), TEMPORAL_PATIENCE_MS);
      patience.signal.addEventListener('abort', () => clearTimeout(timer));
    });
    const told = work().then(
      () => 'told' as const,
      (error: unknown) => error,
    );
    const result = await Promise.race([told, timeout]);
    patience.abort();
    if (result === 'told') return;
    const reason = result === 'late' ? 'no answer in time' : String((result as Error)?.message ?? result);
    logger.warn(
      { job_id: job.job_id, what, reason },
      'Temporal was not told; the reconciler will make up for it',
    );
  }

  async function open(
    tenantId: string,
    options: DeletionOptions,
    actor: Actor,
    replayOf?: string,
  ): Promise<JobView> {
    const restoreWindowMs = restoreWindow(options, settings.restoreWindowMs);
    if (options.require_approval) {
      throw new Problem(
        'option_unavailable',
        'Approval is not part of this version; leave require_approval out.',
      );
    }
    if (await records.isErased(tenantId)) {
      throw new Problem('already_erased', 'This tenant has been erased; nothing is left to delete.');
    }
    const tenant = await directory.tenant(tenantId);
    if (tenant === null || options.preview_hash !== undefined)
      await lookAtRows(tenantId, options, tenant !== null);
    const readers = tenant ? [tenant.owner_user_id, ...tenant.admin_user_ids, actor.id] : [actor.id];
    const { job } = await records.openJob({
      tenantId,
      actor,
      options,
      restoreWindowMs,
      readers: [...new Set(readers)],
      ...(replayOf === undefined ? {} : { replayOf }),
    });
    await tell(job, 'start', () => runs.start(job));
    return job;
  }

  async function lookAtRows(tenantId: string, options: DeletionOptions, known: boolean): Promise<void> {
    const preview = await previewTenant(dependencies, tenantId);
    const silent = preview.services.find((service) => service.error !== null);
    if (silent?.error) {
      throw new Problem('service_unavailable', `${silent.name} gave no preview: ${silent.error.message}`, {
        service: silent.name,
      });
    }
    if (!known && preview.total_rows === 0) {
      throw new Problem('tenant_unknown', 'No service has a row of this tenant. Check the id.');
    }
    if (options.preview_hash !== undefined && options.preview_hash !== preview.preview_hash) {
      throw new Problem(
        'preview_changed',
        `The preview's hash is ${preview.preview_hash} by now. Look at it again.`,
      );
    }
  }

  return {
    request: (tenantId, options, actor) => open(tenantId, options, actor),

    async cancel(job, actor) {
      if (hasEnded(job.status) && job.status !== 'cancelled') throw ended(job);
      const found = await records.decideAbort(job.job_id, 'cancel', actor);
      if (found.decision === 'proceed') {
        throw new Problem(
          'past_pivot',
          'Every service has agreed and there is no way back; the deletion goes on.',
          {
            state: job.status,
            job_id: job.job_id,
          },
        );
      }
      await tell(job, 'cancel', () => runs.requestCancel(job));
      return records.getJob(job.job_id);
    },

    async reschedule(job, startAt, actor) {
      const moved = await records.reschedule(job.job_id, startAt, actor);
      await tell(moved, 'reschedule', () => runs.wake(moved, 'rescheduled'));
      return moved;
    },

    async replay(job, actor) {
      if (job.status === 'needs_attention') {
        const asked = await records.requestReplay(job.job_id, actor);
        await tell(asked, 'replay', () => runs.wake(asked, 'replay'));
        return asked;
      }
      if (job.status !== 'compensated' && job.status !== 'refused') {
        const detail = `The job is ${job.status}; only one that needs attention, or ended compensated or refused, can be replayed.`;
        throw new Problem('not_replayable', detail, { state: job.status, job_id: job.job_id });
      }
      const latest = await records.replayableJobs({ tenantId: job.tenant_id });
      if (!latest.some((one) => one.job_id === job.job_id)) {
        throw new Problem('not_replayable', 'A later job of this tenant exists; replay that one.', {
          job_id: job.job_id,
        });
      }
      return open(job.tenant_id, replayOptions(job), actor, job.job_id);
    },
  };
}

// The date of the first request lies in the past or does not matter any more: a replay is asked for now.
function replayOptions(job: JobView): DeletionOptions {
  return {
    ...(job.reason === null ? {} : { reason: job.reason }),
    ...(job.due_at === null ? {} : { due_at: job.due_at }),
    ...(job.restore_window_ms === 0 ? {} : { restore_window: `${job.restore_window_ms}ms` }),
  };
}

function restoreWindow(options: DeletionOptions, configuredMs: number): number {
  if (options.restore_window === undefined) return configuredMs;
  const wanted = parseDuration(options.restore_window);
  if (wanted === null) {
    throw new Problem('validation_failed', 'restore_window should be a duration such as 30s, 15m or 72h.', {
      errors: [{ path: 'restore_window', message: 'should be a duration such as 30s, 15m or 72h' }],
    });
  }
  if (wanted < configuredMs) {
    throw new Problem(
      'option_unavailable',
      'restore_window is shorter than configured; a request may ask for more, not for less.',
    );
  }
  return wanted;
}

function ended(job: JobView): Problem {
  return new Problem('job_ended', `The job has ended ${job.status}.`, {
    state: job.status,
    job_id: job.job_id,
  });
}
