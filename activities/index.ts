/** The activities of the saga: one function a step, with what it needs given once. */
import { Context } from '@temporalio/activity';
import { agreementSteps } from './agreement.js';
import { certificateSteps } from './certificate.js';
import { type ActivityDependencies, createParts } from './dependencies.js';
import { exportSteps } from './export.js';
import { failureOf } from './failures.js';
import { forwardSteps } from './forward.js';
import { gateSteps } from './gate.js';
import { housekeepingSteps } from './housekeeping.js';
import { preStageSteps } from './pre-stage.js';
import { recordSteps } from './record.js';
import { releaseSteps } from './releases.js';
import { reversibleSteps } from './reversible.js';

export { createCertificateSigner } from './certificate.js';

import { unlessWaived } from './waived.js';

export type { ActivityDependencies } from './dependencies.js';
export { settleEndedJob } from './other-job.js';
export { createTokenGiver } from './tokens.js';
export { createWorks } from './works.js';

/** What the workflow may call. */
export type Activities = ReturnType<typeof createActivities>;

/** Every activity; whatever one throws leaves as a failure that Temporal retries, or not. */
export function createActivities(dependencies: ActivityDependencies) {
  const parts = createParts(dependencies);
  return withFailures({
    ...recordSteps(parts),
    ...agreementSteps(parts),
    ...gateSteps(parts),
    ...unlessWaived(parts, { ...reversibleSteps(parts), ...forwardSteps(parts) }),
    ...preStageSteps(parts),
    ...exportSteps(parts),
    ...certificateSteps(parts),
    ...releaseSteps(parts),
    ...housekeepingSteps(parts.records, parts.housekeeping ?? {}),
  });
}

interface StepInput {
  readonly jobId?: string;
  readonly service?: string;
}
type Step = (input: never) => Promise<unknown>;

/** Tells the record alone where the job stands: many, and nothing that the record would not tell. */
const SILENT: readonly string[] = ['readJob', 'show'];

function withFailures<S extends Readonly<Record<string, Step>>>(steps: S): S {
  const wrapped = Object.entries(steps).map(([name, step]) => [
    name,
    async (input?: StepInput) => {
      const began = performance.now();
      try {
        const result = await step(input as never);
        if (!SILENT.includes(name)) tellDone(input ?? {}, performance.now() - began);
        return result;
      } catch (error) {
        throw failureOf(error);
      }
    },
  ]);
  return Object.fromEntries(wrapped) as S;
}

/** The step's name and attempt are added by the SDK. */
function tellDone({ jobId, service }: StepInput, ms: number): void {
  const { log } = Context.current();
  log.info('a step is done', {
    ...(jobId !== undefined && { job_id: jobId }),
    ...(service !== undefined && { service }),
    ms: Math.round(ms),
  });
}
