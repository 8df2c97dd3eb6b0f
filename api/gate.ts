/** What the routes of the gate do, without HTTP: the record first, then the runs that it concerns are woken. */
import type { z } from 'zod';
import type { HaltState, haltAnswer, LegalHold } from '../protocol/gate.js';
import type { JobView } from '../protocol/jobs.js';
import { Problem } from '../protocol/problems.js';
import type { WakeReason } from '../protocol/workflow.js';
import type { Actor } from '../records/types.js';
import type { ApiDependencies } from './dependencies.js';
import type { Directory } from './directory.js';
import { createTell } from './tell-temporal.js';

type Asker = Actor & { readonly requestId: string };

/** How many runs are told at once. */
const AT_ONCE = 8;

export function createGate(parts: ApiDependencies & { readonly directory: Directory }) {
  const { records, runs, directory, logger } = parts;
  const tell = createTell(parts);
  const wake = (job: JobView, because: WakeReason) => tell(job, because, () => runs.wake(job, because));

  /** Every open job whose pivot is still to come. */
  async function beforeThePivot(): Promise<JobView[]> {
    return (await records.openJobs()).filter(({ decision }) => decision === null);
  }

  async function ofAll(jobs: readonly JobView[], work: (job: JobView) => Promise<void>): Promise<void> {
    for (let next = 0; next < jobs.length; next += AT_ONCE) {
      await Promise.all(jobs.slice(next, next + AT_ONCE).map(work));
    }
  }

  async function wakeOpenJobOf(tenantId: string): Promise<void> {
    const job = await records.openJobOf(tenantId);
    if (job !== null && job.decision === null) await wake(job, 'hold');
  }

  /**
   * A hold on a wrong id would keep nobody. But what comes before a judge does not wait for a directory that is away, and
   * one whose tenant has gone knows it no more.
   */
  async function demandTenant(tenantId: string, requestId: string): Promise<void> {
    try {
      await directory.tenant(tenantId, requestId);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status >= 500)
        logger.warn({ code: error.code }, 'a hold is placed without asking the directory');
      else if (error.code !== 'already_erased' && (await records.openJobOf(tenantId)) === null) throw error;
    }
  }

  return {
    async approve(jobId: string, hash: string, reason: string, asker: Asker): Promise<JobView> {
      const job = await records.approve(jobId, hash, reason, asker);
      await wake(job, 'approval');
      return job;
    },

    async reject(jobId: string, hash: string, reason: string, asker: Asker): Promise<JobView> {
      const job = await records.reject(jobId, hash, reason, asker);
      await wake(job, 'approval');
      return job;
    },

    async placeHold(
      tenantId: string,
      reason: string,
      asker: Asker,
      retainedRows: boolean,
    ): Promise<LegalHold> {
      await demandTenant(tenantId, asker.requestId);
      const hold = await records.placeHold(tenantId, reason, asker, retainedRows);
      await wakeOpenJobOf(tenantId);
      return hold;
    },

    async liftHold(holdId: string, reason: string, asker: Asker): Promise<LegalHold> {
      const hold = await records.liftHold(holdId, reason, asker);
      await wakeOpenJobOf(hold.tenant_id);
      return hold;
    },

    async halt(reason: string, andRestore: boolean, asker: Asker): Promise<z.infer<typeof haltAnswer>> {
      const state = await records.halt(reason, asker);
      // Whatever is not decided by now is not decided before somebody resumes.
      const jobs = await beforeThePivot();
      const restoring: string[] = [];
      await ofAll(jobs, async (job) => {
        if (!andRestore) return wake(job, 'halt');
        const found = await records.decideAbort(job.job_id, 'cancel', asker);
        if (found.decision !== 'abort') return;
        restoring.push(job.job_id);
        await tell(job, 'cancel', () => runs.requestCancel(job));
      });
      return { ...state, restoring: restoring.sort() };
    },

    async resume(reason: string, asker: Asker): Promise<HaltState> {
      const state = await records.resume(reason, asker);
      await ofAll(await beforeThePivot(), (job) => wake(job, 'halt'));
      return state;
    },
  };
}
