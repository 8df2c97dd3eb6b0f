/** The Temporal Schedules of what runs by itself: made at the worker's start, and brought to what is configured. */
import { isDeepStrictEqual } from 'node:util';
import {
  Client,
  type ConnectionLike,
  ScheduleAlreadyRunning,
  type ScheduleDescription,
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
const CATCH_UP_WITHIN_MS = 30 * 24 * 3_600_000;

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
      const handle = schedule.getHandle(scheduleId);
      // Temporal takes a change after it has answered, and with it the state from before: a pause that comes meanwhile is
      // lost. So what is as it should be is left alone.
      if (isAsWanted(await handle.describe(), wanted)) continue;
      // Paused by somebody, it stays so.
      await handle.update(({ state }) => ({ ...wanted, state }));
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
    policies: { overlap: 'SKIP' as const, catchupWindow: CATCH_UP_WITHIN_MS },
  };
}

function isAsWanted(
  { spec, action, policies }: ScheduleDescription,
  wanted: ReturnType<typeof scheduleOf>,
): boolean {
  return (
    isDeepStrictEqual(
      spec.intervals?.map(({ every }) => every),
      wanted.spec.intervals.map(({ every }) => every),
    ) &&
    action.workflowType === wanted.action.workflowType &&
    action.taskQueue === wanted.action.taskQueue &&
    isDeepStrictEqual(action.args, wanted.action.args) &&
    policies.overlap === wanted.policies.overlap &&
    policies.catchupWindow === wanted.policies.catchupWindow
  );
}
