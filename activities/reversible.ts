/** The steps that can be undone, and what undoes them. */
import type { Parts } from './dependencies.js';
import { DecisionForbids, isGone } from './failures.js';
import { SHORT_CALL_MS, tryService } from './service-call.js';
import { bringTo } from './slices.js';
import type { OfService, StepInput } from './types.js';

export function reversibleSteps(parts: Parts) {
  const { records } = parts;

  /** Written before the call: from then on the service may have been touched, and no end says otherwise. */
  async function recordRequest(jobId: string, service: string): Promise<void> {
    try {
      await records.recordStageRequest(jobId, service);
    } catch (error) {
      const found = await records.decisionOf(jobId);
      if (found !== null) throw new DecisionForbids('staged', found.decision);
      throw error;
    }
  }

  return {
    /** The semantic lock: the tenant stays, and can do nothing new. */
    async suspendTenant({ jobId, service }: OfService): Promise<void> {
      const job = await parts.openJob(jobId);
      await recordRequest(jobId, service);
      await tryService(parts, job, service, async ({ call }) => {
        // Lifting has the same token: only the decision tells a late call from a timely one.
        const found = await records.decisionOf(jobId);
        if (found !== null) throw new DecisionForbids('suspended', found.decision);
        await call(
          'suspend',
          { params: { tenant_id: job.tenant_id }, body: { job_id: jobId, suspended: true } },
          { timeoutMs: SHORT_CALL_MS },
        );
      });
      await parts.step(job, 'tenant suspended', { service });
    },

    /** Lifts what this job suspended; where there is no tenant any more, there is nothing to lift. */
    async liftSuspension({ jobId, service }: OfService): Promise<void> {
      const job = await parts.openJob(jobId);
      await tryService(parts, job, service, async ({ call }) => {
        try {
          await call(
            'suspend',
            { params: { tenant_id: job.tenant_id }, body: { job_id: jobId, suspended: false } },
            { timeoutMs: SHORT_CALL_MS },
          );
        } catch (error) {
          if (!isGone(error)) throw error;
        }
      });
      await parts.step(job, 'suspension lifted', { service });
    },

    /** Stages by the plan that was checked; drift since then is refused by the service. */
    async stageService({ jobId, service, number }: StepInput): Promise<void> {
      const job = await parts.openJob(jobId);
      await recordRequest(jobId, service);
      await bringTo(parts, job, service, 'staged', number);
    },

    /** The compensation of stage. */
    async restoreService({ jobId, service, number }: StepInput): Promise<void> {
      await bringTo(parts, await parts.openJob(jobId), service, 'restored', number);
    },
  };
}
