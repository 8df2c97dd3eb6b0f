/** Digests of archives that are about to be dropped. */
import type { EngineContext } from '../context.js';
import { repetitionOf } from '../errors.js';
import type { LedgerRow } from '../ledger/record.js';
import type { Session } from '../session/session.js';
import { digestStep } from './digest.js';

const NOT_DONE = 'digests of what was archived';

/**
 * As `digestStep`. There is no way back any more, and a digest is evidence, no reason to keep rows that have to go: what
 * no repetition mends is noted as not done.
 */
export async function digestBeforeDrop(
  context: EngineContext,
  session: Session,
  row: LedgerRow,
): Promise<boolean> {
  if (row.archives.length === 0 || row.notDone.includes(NOT_DONE)) return false;
  await session.query('SAVEPOINT digests');
  try {
    return await digestStep(context, session, row, false);
  } catch (error) {
    if (repetitionOf(error) !== 'never') throw error;
    await session.query('ROLLBACK TO SAVEPOINT digests');
    context.logger?.warn({ jobId: row.jobId }, 'What was archived could not be digested.');
    await context.ledger.update(session, row.id, { notDone: [...row.notDone, NOT_DONE] });
    return true;
  }
}
