/** The activities of the saga: one function a step, with what it needs given once. */
import { agreementSteps } from './agreement.js';
import { type ActivityDependencies, createParts } from './dependencies.js';
import { failureOf } from './failures.js';
import { forwardSteps } from './forward.js';
import { recordSteps } from './record.js';
import { reversibleSteps } from './reversible.js';

export type { ActivityDependencies } from './dependencies.js';
export { settleEndedJob } from './other-job.js';
export { createTokenGiver } from './tokens.js';

/** What the workflow may call. */
export type Activities = ReturnType<typeof createActivities>;

/** Every activity; whatever one throws leaves as a failure that Temporal retries, or not. */
export function createActivities(dependencies: ActivityDependencies) {
  const parts = createParts(dependencies);
  return withFailures({
    ...recordSteps(parts),
    ...agreementSteps(parts),
    ...reversibleSteps(parts),
    ...forwardSteps(parts),
  });
}

type Step = (input: never) => Promise<unknown>;

function withFailures<S extends Readonly<Record<string, Step>>>(steps: S): S {
  const wrapped = Object.entries(steps).map(([name, step]) => [
    name,
    async (input: never) => {
      try {
        return await step(input);
      } catch (error) {
        throw failureOf(error);
      }
    },
  ]);
  return Object.fromEntries(wrapped) as S;
}
