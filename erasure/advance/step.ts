/** One step of a job: a transaction that does some work and notes it in the ledger, or neither. */
import { afterOverrun, firstProgress } from '../chunks/progress.js';
import type { EngineContext, Slice } from '../context.js';
import { digestStep } from '../digest/digest.js';
import { type AdvanceRequest, EngineError, type LedgerState } from '../engine-types.js';
import { Overrun, sqlstateOf, TryAgain } from '../errors.js';
import type { LedgerRow } from '../ledger/record.js';
import { rehomed } from '../ledger/rehome.js';
import { TRANSITIONS } from '../ledger/transitions.js';
import { purgeStep } from '../purge/purge.js';
import { label } from '../quote.js';
import { restoreConflict } from '../restore/conflict.js';
import { putConflictsAside } from '../restore/conflicting-rows.js';
import { isRestoreConflict, restoreStep } from '../restore/restore.js';
import type { Session } from '../session/session.js';
import { NotByFastPath } from '../stage/fast-path.js';
import { stageStep, sum } from '../stage/stage.js';
import { assertNoConflicts, begin } from './begin.js';

/** `wait`: older transactions have to end first; asked outside of this transaction, which has an id of its own. */
export type StepResult =
  | { readonly kind: 'again' }
  | { readonly kind: 'end' }
  | { readonly kind: 'wait'; readonly horizon: string }
  /** Whether the archive could come back has to be asked, outside of any transaction. */
  | { readonly kind: 'ask' }
  /** The write-ahead log has grown fast enough for now. */
  | { readonly kind: 'pause'; readonly ms: number }
  /** As many transactions as may are at work in this database: so many places are wanted. */
  | { readonly kind: 'busy'; readonly places: number };

interface Circumstances {
  readonly breakGlass: AdvanceRequest['breakGlass'];
  /** The horizon that was waited for and has passed. */
  readonly passed: string | null;
  /** It has been tried before, and met what could be tried again. */
  readonly repeated: boolean;
}

export async function step(
  context: EngineContext,
  slice: Slice,
  request: AdvanceRequest,
  { breakGlass, passed, repeated }: Circumstances,
): Promise<StepResult> {
  try {
    return await byFastPath(context, slice, (fast) =>
      context.sessions.transaction(slice, async (session) => {
        const result = await stepIn(context, session, slice, request, {
          fast: fast && !repeated,
          passed,
          sweep: !fast || repeated,
        });
        // With the step itself, or not at all.
        if (breakGlass) {
          const { tenantId, jobId } = slice;
          await context.ledger.noteBreakGlass(session, {
            tenantId,
            jobId,
            target: request.target,
            ...breakGlass,
          });
        }
        return result;
      }),
    );
  } catch (error) {
    if (error instanceof Overrun) return inSmallerPieces(context, slice, request);
    if (request.target === 'restored') {
      if (isRestoreConflict(error)) throw await restoreConflict(context, slice, error);
    } else if (mayBeConflict(error)) {
      await refuseConflicts(context, slice, error);
    }
    throw error;
  }
}

/** Where triggers could be off and had better be on after all, the step is taken again with triggers on. */
async function byFastPath(
  { logger }: EngineContext,
  { jobId }: Slice,
  attempt: (fast: boolean) => Promise<StepResult>,
): Promise<StepResult> {
  try {
    return await attempt(true);
  } catch (error) {
    if (!(error instanceof NotByFastPath)) throw error;
    logger?.info({ jobId }, `Moving with triggers on: ${error.message}`);
    return attempt(false);
  }
}

interface Attempt {
  /** With triggers off where that can be. */
  readonly fast: boolean;
  /** The attempt before met rows that came in between. */
  readonly sweep: boolean;
  readonly passed: string | null;
}

async function stepIn(
  context: EngineContext,
  session: Session,
  slice: Slice,
  request: AdvanceRequest,
  { fast, sweep, passed }: Attempt,
): Promise<StepResult> {
  const found = await context.ledger.find(session, slice.tenantId, slice.jobId, true);
  const row = found && (await withPassed(context, session, found, passed));
  const answer = TRANSITIONS[row?.state ?? 'absent'][request.target];
  if (answer === 'done') {
    const asked = request.target === 'staged' && request.digests === true && row !== null;
    return { kind: asked && (await digestStep(context, session, row, true)) ? 'again' : 'end' };
  }
  if (typeof answer === 'string') throw refused(answer, row?.state ?? 'absent', request);
  if (row === null) return begin(context, session, slice, request, answer.go);
  if (!row.sameDatabase) {
    await context.ledger.moveHere(session, await rehomed(session, row));
    return { kind: 'again' };
  }
  if (row.state !== answer.go) {
    await context.ledger.update(session, row.id, {
      state: answer.go,
      ...(answer.go === 'restoring' && { progress: null, rowsTotal: sum(row.counts) }),
    });
    return { kind: 'again' };
  }
  if (request.target === 'restored') {
    const skips = request.conflicts === 'skip-row' && (await skipConflicts(context, session, row, request));
    return skips ? { kind: 'again' } : restoreStep(context, session, row, fast);
  }
  if (row.horizon === null) {
    await context.ledger.takeHorizon(session, row.id);
    return { kind: 'again' };
  }
  if (request.target === 'purged')
    return purgeStep(context, session, row, row.horizon, request.digests, sweep);
  const result = await stageStep(context, session, row, row.horizon, request.planHash, fast, sweep);
  // What is staged may have to be digested yet.
  return result.kind === 'end' && request.digests === true ? { kind: 'again' } : result;
}

/** Somebody may have taken another horizon meanwhile: that one is waited for, too. */
async function withPassed(
  context: EngineContext,
  session: Session,
  row: LedgerRow,
  passed: string | null,
): Promise<LedgerRow> {
  if (passed === null || row.horizon !== passed || row.horizonPassed || !row.sameDatabase) return row;
  await context.ledger.update(session, row.id, { horizonPassed: true });
  return { ...row, horizonPassed: true };
}

/** Whether rows were put aside. The ledger says which way, who wanted it, and where they are. */
async function skipConflicts(
  context: EngineContext,
  session: Session,
  row: LedgerRow,
  { breakGlass }: AdvanceRequest,
): Promise<boolean> {
  const change = breakGlass === undefined ? null : await putConflictsAside(context, session, row);
  if (change === null || breakGlass === undefined) return false;
  await context.ledger.update(session, row.id, change);
  const { tenantId, jobId } = row;
  const skipped = change.skipped.map(({ archive, table, rows }) => ({
    table: label(table),
    rows,
    keptIn: label({ schema: context.declaration.letheSchema, name: archive }),
  }));
  await context.ledger.noteBreakGlass(session, {
    tenantId,
    jobId,
    target: 'restored',
    ...breakGlass,
    skipped,
  });
  return true;
}

function refused(
  code: 'state_conflict' | 'past_pivot',
  state: LedgerState,
  { target, jobId }: AdvanceRequest,
): EngineError {
  const why =
    code === 'past_pivot'
      ? 'the deletion is past its point of no return'
      : `a job that is ${state} here cannot become ${target}`;
  return new EngineError(code, `Refused: ${why}. Ask for the job's status to see where it stands.`, {
    state,
    jobId,
  });
}

/** A key refused the deletion, or acted on rows that no statement of ours had seen. */
function mayBeConflict(error: unknown): boolean {
  return error instanceof TryAgain || ['23503', '23001'].includes(sqlstateOf(error) ?? '');
}

/** What chunks have moved so far has to come back: nobody may go on with it who asks late. */
async function turnBack({ sessions, ledger }: EngineContext, slice: Slice): Promise<void> {
  await sessions.transaction(slice, async (session) => {
    const row = await ledger.find(session, slice.tenantId, slice.jobId, true);
    if (row?.state !== 'staging' || row.progress === null) return;
    const rowsTotal = sum(row.counts);
    await ledger.update(session, row.id, { state: 'restoring', progress: null, rowsTotal });
  });
}

/** A transaction took too long: from now on chunks, or smaller ones. */
async function inSmallerPieces(
  { sessions, ledger, limits }: EngineContext,
  slice: Slice,
  { target }: AdvanceRequest,
): Promise<StepResult> {
  return sessions.transaction(slice, async (session) => {
    const row = await ledger.find(session, slice.tenantId, slice.jobId, true);
    if (row === null) return { kind: 'again' };
    const first = firstProgress(row.planHash, limits.chunkMs);
    const progress = row.progress
      ? afterOverrun(row.progress)
      : { ...first, ...(target === 'restored' && { unasked: true as const }) };
    await ledger.update(session, row.id, { progress });
    return { kind: 'again' };
  });
}

/** Either rows that stay refer to the tenant's, or a row came in between and the step may be tried again. */
async function refuseConflicts(context: EngineContext, slice: Slice, error: unknown): Promise<never> {
  try {
    await context.sessions.session(slice, async (session) =>
      assertNoConflicts(session, await context.plans.read(session), slice.tenantId),
    );
  } catch (conflict) {
    await turnBack(context, slice);
    throw conflict;
  }
  if (error instanceof TryAgain) throw error;
  const sqlstate = sqlstateOf(error) ?? '23503';
  throw new TryAgain(
    new EngineError(
      'reference_conflict',
      `Rows refer to the tenant's by a foreign key and could not be found (${sqlstate}). Look for keys from tables that the role may not read.`,
      { sqlstate },
    ),
  );
}
