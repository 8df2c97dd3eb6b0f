/** The Temporal Schedules of what runs by itself: made at the worker's start, and brought to what is configured. */
import {
  Client,
  type ConnectionLike,
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
} from '@temporalio/client';
import {
  HOUSEKEEPING_STEPS,
  HOUSEKEEPING_TYPE,
  type HousekeepingInput,
  type HousekeepingStep,
  scheduleIdOf,
} from '../protocol/housekeeping.js';
import { TASK_QUEUE } from '../protocol/workflow.js';

/** How often each step runs; one that is left out is not scheduled. */
export type Intervals = { readonly [S in HousekeepingStep]?: number };

export interface SchedulesOptions {
  readonly connection: ConnectionLike;
  readonly namespace: string;
  readonly taskQueue?: string;
  readonly intervals: Intervals;
  /** Before each id; for those who share a namespace. */
  readonly prefix?: string;
}

/** What was missed while Temporal was away, or all workers were, is caught up with once it is back. */
const CATCH_UP_WITHIN = '30 days' as const;

/** Makes every schedule that is wanted, changes those that are otherwise, and removes what nobody wants any more. */
export async function ensureSchedules(options: SchedulesOptions): Promise<void> {
  const { connection, namespace, intervals } = options;
  const { schedule } = new Client({ connection, namespace });
  for (const step of HOUSEKEEPING_STEPS) {
    const everyMs = intervals[step];
    const scheduleId = `${options.prefix ?? ''}${scheduleIdOf(step)}`;
    if (everyMs === undefined) {
      await schedule
        .getHandle(scheduleId)
        .delete()
        .catch((error: unknown) => {
          if (!(error instanceof ScheduleNotFoundError)) throw error;
        });
      continue;
    }
    const wanted = scheduleOf(options, scheduleId, step, everyMs);
    try {
      await schedule.create({ scheduleId, ...wanted });
    } catch (error) {
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      // Paused by somebody, it stays so.
      await schedule.getHandle(scheduleId).update(({ state }) => ({ ...wanted, state }));
    }
  }
}

function scheduleOf(
  { taskQueue = TASK_QUEUE }: SchedulesOptions,
  scheduleId: string,
  step: HousekeepingStep,
  everyMs: number,
) {
  const input: HousekeepingInput = { step };
  return {
    spec: { intervals: [{ every: everyMs }] },
    action: {
      type: 'startWorkflow' as const,
      workflowType: HOUSEKEEPING_TYPE,
      workflowId: scheduleId,
      taskQueue,
      args: [input],
    },
    // One at a time: of several that were missed together, the first runs and the others are left out.
    policies: { overlap: 'SKIP' as const, catchupWindow: CATCH_UP_WITHIN },
  };
}
