/** The steps of a purge: delete what is there, wait for older transactions, sweep, drop the archives, refresh. */
import type { StepResult } from '../advance/step.js';
import { dropArchives } from '../archive/tables.js';
import type { EngineContext } from '../context.js';
import { digestBeforeDrop } from '../digest/before-drop.js';
import type { LedgerRow } from '../ledger/record.js';
import type { Plan } from '../plan/types.js';
import { assertRunnable } from '../plan-source.js';
import type { Session } from '../session/session.js';
import { move } from '../stage/move.js';
import { sum } from '../stage/stage.js';
import { upkeepNeeded, upkeepOf } from './upkeep.js';

/** A dropped table is a lock in a table of fixed size. */
const ARCHIVES_AT_ONCE = 50;

/** One of them, in the transaction that has locked the ledger's row. There is no way back from here. */
export async function purgeStep(
  context: EngineContext,
  session: Session,
  row: LedgerRow,
  horizon: string,
  digests = true,
): Promise<StepResult> {
  if (row.movedAt === null) {
    const { counts } = await sweep(context, session, row);
    await context.ledger.update(session, row.id, { movedAt: 'now', counts, rowsTotal: sum(counts) });
    return { kind: 'again' };
  }
  if (!row.horizonPassed) return { kind: 'wait', horizon };
  // Set once a sweep after the wait has found nothing.
  if (row.upkeep === null) return sweepUntilClean(context, session, row);
  if (row.archives.length + row.savedReferences.length > 0) {
    if (digests && (await digestBeforeDrop(context, session, row))) return { kind: 'again' };
    await dropSome(context, session, row);
    return { kind: 'again' };
  }
  const [next, ...rest] = row.upkeep;
  if (next !== undefined) {
    const notDone = await upkeepOf(context, session, next);
    await context.ledger.update(session, row.id, {
      upkeep: rest,
      notDone: [...new Set([...row.notDone, ...notDone])],
    });
    return { kind: 'again' };
  }
  await context.ledger.update(session, row.id, { state: 'purged', purgedAt: 'now', upkeep: null });
  return row.state === 'purging' ? { kind: 'end' } : { kind: 'again' };
}

async function sweepUntilClean(
  context: EngineContext,
  session: Session,
  row: LedgerRow,
): Promise<StepResult> {
  const { rows, plan, counts } = await sweep(context, session, row);
  const found = { counts, rowsTotal: sum(counts) };
  if (row.state === 'purging') {
    const upkeep = rows === 0 ? upkeepNeeded(plan, counts) : null;
    await context.ledger.update(session, row.id, { ...found, upkeep });
    return { kind: 'again' };
  }
  // Purged already: nothing has come since, or it goes the same way.
  if (rows === 0) return { kind: 'end' };
  await context.ledger.update(session, row.id, { ...found, upkeep: upkeepNeeded(plan, counts) });
  return { kind: 'again' };
}

async function sweep(
  context: EngineContext,
  session: Session,
  row: LedgerRow,
): Promise<{ rows: number; plan: Plan; counts: Readonly<Record<string, number>> }> {
  const plan = await context.plans.readLocked(session);
  assertRunnable(plan);
  const { rows, counts } = await move({ context, session, plan, row, mode: 'discard' });
  return { rows, plan, counts };
}

async function dropSome(context: EngineContext, session: Session, row: LedgerRow): Promise<void> {
  const names = [...row.archives, ...row.savedReferences].map(({ archive }) => archive);
  const dropped = new Set(names.slice(0, ARCHIVES_AT_ONCE));
  await dropArchives(session, context.declaration.letheSchema, [...dropped]);
  await context.ledger.update(session, row.id, {
    archives: row.archives.filter(({ archive }) => !dropped.has(archive)),
    savedReferences: row.savedReferences.filter(({ archive }) => !dropped.has(archive)),
  });
}
