/** date and window: the job waits for a time, and can be called off meanwhile. */
import { patched, upsertMemo } from '@temporalio/workflow';
import { MEMO_WAITS_UNTIL } from '../protocol/workflow.js';
import { DecisionStands } from './errors.js';
import type { Saga } from './saga.js';

/** Waits for the start that was asked for, which may be moved meanwhile. */
export async function date(saga: Saga): Promise<void> {
  if (saga.known.startAt === null) return;
  const since = new Date().toISOString();
  for (;;) {
    const { startAt } = saga.known;
    const remaining = startAt === null ? 0 : Date.parse(startAt) - Date.now();
    if (remaining <= 0) break;
    upsertMemo({ [MEMO_WAITS_UNTIL]: startAt });
    saga.show({
      status: 'waiting',
      phase: 'date',
      waitingFor: saga.known.heldBy ?? {
        kind: 'date',
        since,
        until: startAt,
        who_can_act: 'owner or operator',
        next_action: 'Nothing; or move the date, or cancel.',
      },
    });
    await saga.wait(remaining);
    // By the record, not by the timer: the date may have been moved while nobody could be told.
    await saga.read();
    if (saga.decided) throw new DecisionStands();
  }
  upsertMemo({ [MEMO_WAITS_UNTIL]: null });
}

/** Everything is staged, and one call brings it back. Counted from when it was staged first. */
export async function window(saga: Saga): Promise<void> {
  const { stagedAt, restoreWindowMs } = saga.known;
  if (stagedAt === null) return;
  const end = Date.parse(stagedAt) + restoreWindowMs;
  while (Date.now() < end) {
    saga.show({
      status: 'waiting',
      phase: 'window',
      waitingFor: saga.known.heldBy ?? {
        kind: 'window',
        since: stagedAt,
        until: new Date(end).toISOString(),
        who_can_act: 'owner or operator',
        next_action: 'Nothing; or cancel, which brings every row back.',
      },
    });
    const woken = await saga.wait(end - Date.now());
    if (!woken || !patched('look-again-in-the-window')) continue;
    await saga.read();
    if (saga.decided) throw new DecisionStands();
  }
}
