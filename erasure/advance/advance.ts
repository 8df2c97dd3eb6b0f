/** Works on a job until it is where it should be, or the request's time is over. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineContext, Slice } from '../context.js';
import type { AdvanceRequest, LedgerStatus, Waiting } from '../engine-types.js';
import { engineError, LockTimeout, repetitionOf, TryAgain } from '../errors.js';
import { absentStatus, type LedgerRow, statusOf } from '../ledger/record.js';
import { refuseConflict } from '../restore/conflict.js';
import { waitForOlder } from '../stage/wait.js';
import { type StepResult, step } from './step.js';

type Wait = Omit<Waiting, 'since'>;

/** Steps, each from the last commit on. Two requests at once, or the same one twice, end the same. */
export async function advance(
  context: EngineContext,
  slice: Slice,
  request: AdvanceRequest,
): Promise<LedgerStatus> {
  let { breakGlass } = request;
  let passed: string | null = null;
  try {
    for (;;) {
      const result = await repeated(slice, (again) =>
        step(context, slice, request, { breakGlass, passed, repeated: again }),
      );
      // Once for all steps of a request.
      breakGlass = undefined;
      if (result.kind === 'end') return await answer(context, slice, null);
      const wait = result.kind === 'again' ? null : await waitOutside(context, slice, result);
      if (wait !== null) return await answer(context, slice, wait);
      // Noted in the ledger with the step that needs it, which has to come in this request, however short.
      if (result.kind === 'wait') passed = result.horizon;
      else if (Date.now() >= slice.deadline) return await answer(context, slice, null);
    }
  } catch (error) {
    // Waiting is no failure: who waits long enough is told to give up by those who know for how long.
    if (!(error instanceof LockTimeout)) throw engineError(error);
    return answer(context, slice, { kind: 'lock', reason: error.reason, blockers: error.blockers });
  }
}

/** What comes back in chunks should not stop in the middle for what could be known before the first. */
async function askBeforehand(context: EngineContext, slice: Slice): Promise<Wait | null> {
  const busy = await refuseConflict(context, slice);
  if (busy !== null) return pause(context, slice, busy);
  await repeated(slice, () =>
    context.sessions.transaction(slice, async (session) => {
      const row = await context.ledger.find(session, slice.tenantId, slice.jobId, true);
      if (row?.progress?.unasked === undefined) return;
      const { unasked: _, ...progress } = row.progress;
      await context.ledger.update(session, row.id, { progress });
    }),
  );
  return null;
}

const LOOK_FOR_A_PLACE_MS = 200;

/** Within the slice, or for the rest of it. */
async function pause(
  { limits }: EngineContext,
  slice: Slice,
  result: Extract<StepResult, { kind: 'pause' | 'busy' }>,
): Promise<Wait | null> {
  const wanted = result.kind === 'pause' ? result.ms : LOOK_FOR_A_PLACE_MS * (0.5 + Math.random());
  await sleep(Math.max(0, Math.min(wanted, slice.deadline - Date.now())));
  if (result.kind === 'pause' || Date.now() < slice.deadline) return null;
  const places = `${limits.concurrentWork} transactions of deletions`;
  const reason =
    result.places === 1
      ? `${places} are at work in this database, and no more may be (CONCURRENT_WORK).`
      : `So many locks are needed for its partitions and indexes that it counts as ${result.places} of the ${places} that may be at work in this database (CONCURRENT_WORK), and others are at work.`;
  return { kind: 'lock', reason, blockers: [] };
}

/** Null once it may go on. */
async function waitOutside(
  context: EngineContext,
  slice: Slice,
  result: Exclude<StepResult, { kind: 'again' | 'end' }>,
): Promise<Wait | null> {
  if (result.kind === 'ask') return askBeforehand(context, slice);
  if (result.kind !== 'wait') return pause(context, slice, result);
  return repeated(slice, () => waitForOlder(context, slice, result.horizon));
}

const MOST_ATTEMPTS = 20;
// What came in between is seen the next time; what never is exact has to be looked at by a person.
const MOST_ATTEMPTS_AT_EXACTNESS = 5;

/** `work` is told whether the attempt before met what came in between. */
async function repeated<T>(slice: Slice, work: (again: boolean) => Promise<T>): Promise<T> {
  let met = false;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(met);
    } catch (error) {
      met = error instanceof TryAgain;
      const most = error instanceof TryAgain ? MOST_ATTEMPTS_AT_EXACTNESS : MOST_ATTEMPTS;
      // What came in between has to be met at once, by an attempt that knows of it: the next request would not.
      const over = attempt >= most || (Date.now() >= slice.deadline && !(error instanceof TryAgain));
      if (repetitionOf(error) !== 'slice' || over) throw error;
      // Two that met in a deadlock should not meet again.
      await sleep(Math.random() * 20 * attempt);
    }
  }
}

async function answer(context: EngineContext, slice: Slice, wait: Wait | null): Promise<LedgerStatus> {
  const { tenantId, jobId } = slice;
  return context.sessions.session(slice, async (session) => {
    const noted = wait && (await context.ledger.noteWaiting(session, tenantId, jobId, wait));
    const row = noted ?? (await context.ledger.find(session, tenantId, jobId, false));
    const waiting = wait && { ...wait, since: sinceOf(row, wait) };
    if (row === null) return absentStatus(tenantId, jobId, waiting);
    return statusOf(row, null, waiting ?? row.waiting);
  });
}

function sinceOf(row: LedgerRow | null, wait: Wait): Date {
  return row?.waiting?.kind === wait.kind ? row.waiting.since : new Date();
}
