/** One step of a job: a transaction that does some work and notes it in the ledger, or neither. */
import type { EngineContext, Slice } from '../context.js';
import { digestStep } from '../digest/digest.js';
import { type AdvanceRequest, EngineError, type LedgerState } from '../engine-types.js';
import { sqlstateOf, TryAgain } from '../errors.js';
import { rehomed } from '../ledger/rehome.js';
import { TRANSITIONS } from '../ledger/transitions.js';
import { purgeStep } from '../purge/purge.js';
import { restoreConflict } from '../restore/conflict.js';
import { isRestoreConflict, restoreRows } from '../restore/restore.js';
import type { Session } from '../session/session.js';
import { NotByFastPath } from '../stage/fast-path.js';
import { stageStep } from '../stage/stage.js';
import { assertNoConflicts, begin } from './begin.js';

/** `wait`: older transactions have to end first; asked outside of this transaction, which has an id of its own. */
export type StepResult =
  | { readonly kind: 'again' }
  | { readonly kind: 'end' }
  | { readonly kind: 'wait'; readonly horizon: string };

export async function step(
  context: EngineContext,
  slice: Slice,
  request: AdvanceRequest,
  breakGlass: AdvanceRequest['breakGlass'],
): Promise<StepResult> {
  try {
    return await byFastPath(context, slice, (fast) =>
      context.sessions.transaction(slice, async (session) => {
        const result = await stepIn(context, session, slice, request, fast);
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

async function stepIn(
  context: EngineContext,
  session: Session,
  slice: Slice,
  request: AdvanceRequest,
  fast: boolean,
): Promise<StepResult> {
  const row = await context.ledger.find(session, slice.tenantId, slice.jobId, true);
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
    await context.ledger.update(session, row.id, { state: answer.go });
    return { kind: 'again' };
  }
  if (request.target === 'restored') {
    await restoreRows(context, session, row, fast);
    return { kind: 'end' };
  }
  if (row.horizon === null) {
    await context.ledger.takeHorizon(session, row.id);
    return { kind: 'again' };
  }
  if (request.target === 'purged') return purgeStep(context, session, row, row.horizon, request.digests);
  const result = await stageStep(context, session, row, row.horizon, request.planHash, fast);
  // What is staged may have to be digested yet.
  return result.kind === 'end' && request.digests === true ? { kind: 'again' } : result;
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

/** Either rows that stay refer to the tenant's, or a row came in between and the step may be tried again. */
async function refuseConflicts(context: EngineContext, slice: Slice, error: unknown): Promise<never> {
  await context.sessions.session(slice, async (session) =>
    assertNoConflicts(session, await context.plans.read(session), slice.tenantId),
  );
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
