/**
 * What runs by itself. A step is a function here, a schedule of its own (records/schedules.ts), and a run of the
 * housekeeping workflow, which calls it page after page.
 */
import { Context } from '@temporalio/activity';
import type { HousekeepingOutcome, HousekeepingStep } from '../protocol/housekeeping.js';
import type { Records } from '../records/types.js';

export interface StepContext {
  /** Where the page before ended; null at the beginning. It stands in Temporal's history: nothing of a tenant in it. */
  readonly cursor: string | null;
  /** The same for every attempt of one run. */
  readonly runId: string;
  /** When this run was due. */
  readonly dueAt: Date;
  readonly signal: AbortSignal;
}

/** `cursor`: there is more, and where it goes on. */
export interface StepPage {
  readonly outcome: HousekeepingOutcome;
  readonly cursor: string | null;
}

export type HousekeepingWork = (context: StepContext) => Promise<StepPage>;
/** Only what stands here is scheduled. */
export type HousekeepingWorks = { readonly [S in HousekeepingStep]?: HousekeepingWork };

export interface HousekeepPageInput {
  readonly step: HousekeepingStep;
  readonly cursor: string | null;
  readonly dueAt: string;
}
export interface HousekeepingEnd {
  readonly step: HousekeepingStep;
  readonly outcome: HousekeepingOutcome;
  readonly error: string | null;
}

const HEARTBEAT_EVERY_MS = 2_000;

export function housekeepingSteps(
  records: Pick<Records, 'beginHousekeeping' | 'endHousekeeping'>,
  works: HousekeepingWorks,
) {
  return {
    async beginHousekeeping({ step }: { readonly step: HousekeepingStep }): Promise<void> {
      await records.beginHousekeeping(step);
    },

    async housekeep({ step, cursor, dueAt }: HousekeepPageInput): Promise<StepPage> {
      const work = works[step];
      if (work === undefined) throw new Error(`This worker has no step ${step}.`);
      const { cancellationSignal: signal, info } = Context.current();
      const heart = setInterval(() => Context.current().heartbeat(), HEARTBEAT_EVERY_MS);
      try {
        const runId = info.workflowExecution?.runId ?? '';
        return await work({ cursor, runId, dueAt: new Date(dueAt), signal });
      } finally {
        clearInterval(heart);
      }
    },

    async endHousekeeping({ step, outcome, error }: HousekeepingEnd): Promise<void> {
      await records.endHousekeeping(step, outcome, error);
    },
  };
}
