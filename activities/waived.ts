/** Steps at a service that two persons have waived: they are left out, and the job's record says so. */
import { Context } from '@temporalio/activity';
import { hasEnded } from '../protocol/jobs.js';
import type { Parts } from './dependencies.js';
import type { LeftOut, OfService } from './types.js';

const NOTHING: LeftOut = { waived: true };
/** What stands for the answer of a step that was left out, by the step. Before the pivot nothing is left out but the check. */
const LEFT_OUT = {
  restoreService: NOTHING,
  liftSuspension: NOTHING,
  purgeService: NOTHING,
  deleteAtService: NOTHING,
  verifyService: { clean: true, rowsLeft: 0, ...NOTHING },
} as const;
type Step = (input: never) => Promise<unknown>;

const PHASES: Readonly<Record<keyof typeof LEFT_OUT, string>> = {
  restoreService: 'restore',
  liftSuspension: 'restore',
  purgeService: 'purge',
  deleteAtService: 'purge',
  verifyService: 'verify',
};

/** A service that answers is worked at, whatever was waived; where that fails, a waiver makes up for it. */
export function unlessWaived<S extends Readonly<Record<string, Step>>>(parts: Parts, steps: S): S {
  const wrapped = Object.entries(steps).map(([name, step]) => [
    name,
    name in LEFT_OUT ? waivable(parts, name as keyof typeof LEFT_OUT, step) : step,
  ]);
  return Object.fromEntries(wrapped) as S;
}

function waivable(parts: Parts, name: keyof typeof LEFT_OUT, step: Step): Step {
  const isLeftOut = async ({ jobId, service }: OfService): Promise<boolean> => {
    if (hasEnded((await parts.records.getJob(jobId)).status)) return false;
    const use = await parts.records.useWaiver(jobId, service, PHASES[name]);
    if (use === null) return false;
    await parts.tell(jobId, { name: service, waitingFor: null });
    const facts = { job_id: jobId, service, waiver_id: use.waiver_id };
    Context.current().log.warn('a step is left out at a service that was waived', facts);
    return true;
  };
  return async (input: OfService) => {
    const registered = parts.services.some((client) => client.service.name === input.service);
    // A first attempt at a service that is there asks nobody: that is how it almost always goes.
    const doubtful = !registered || Context.current().info.attempt > 1;
    if (doubtful && (await isLeftOut(input))) return LEFT_OUT[name];
    try {
      return await step(input as never);
    } catch (error) {
      if (!doubtful && (await isLeftOut(input))) return LEFT_OUT[name];
      throw error;
    }
  };
}
