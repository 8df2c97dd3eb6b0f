/** One scheduled step, page after page; how it went stands in the records, also where it failed. */
import { ActivityFailure } from '@temporalio/common';
import { CancellationScope, continueAsNew, proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { Activities } from '../activities/index.js';
import type { HousekeepingInput, HousekeepingOutcome } from '../protocol/housekeeping.js';

const { beginHousekeeping, endHousekeeping } = proxyActivities<
  Pick<Activities, 'beginHousekeeping' | 'endHousekeeping'>
>({ startToCloseTimeout: 15_000, retry: { initialInterval: 1_000, maximumInterval: 60_000 } });

/** A step that fails for an hour has failed; its next time comes. */
const { housekeep } = proxyActivities<Pick<Activities, 'housekeep'>>({
  startToCloseTimeout: '6h',
  heartbeatTimeout: 30_000,
  retry: { initialInterval: 5_000, backoffCoefficient: 2, maximumInterval: '10m', maximumAttempts: 12 },
});

/** What a run hands to the one that goes on after it. */
interface Continued {
  readonly cursor: string;
  readonly outcome: HousekeepingOutcome;
  readonly dueAt: string;
}

export async function housekeeping(
  { step }: HousekeepingInput,
  continued?: Continued,
): Promise<HousekeepingOutcome> {
  let outcome: HousekeepingOutcome = continued?.outcome ?? {};
  let cursor: string | null = continued?.cursor ?? null;
  const dueAt = continued?.dueAt ?? workflowInfo().startTime.toISOString();
  if (continued === undefined) await beginHousekeeping({ step });
  try {
    for (;;) {
      const page = await housekeep.executeWithOptions({ summary: step }, [{ step, cursor, dueAt }]);
      outcome = added(outcome, page.outcome);
      cursor = page.cursor;
      if (cursor === null) break;
      if (workflowInfo().continueAsNewSuggested) {
        await continueAsNew<typeof housekeeping>({ step }, { cursor, outcome, dueAt });
      }
    }
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    const reason = error.cause?.message ?? error.message;
    await CancellationScope.nonCancellable(() => endHousekeeping({ step, outcome, error: reason }));
    throw error;
  }
  await endHousekeeping({ step, outcome, error: null });
  return outcome;
}

function added(one: HousekeepingOutcome, other: HousekeepingOutcome): HousekeepingOutcome {
  const sum: Record<string, number> = { ...one };
  for (const [name, count] of Object.entries(other)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}
