/** The steps of a purge: delete what is there, wait for older transactions, sweep, drop the archives, refresh. */
import type { StepResult } from '../advance/step.js';
import { dropArchives } from '../archive/tables.js';
import { moveSome } from '../chunks/move-some.js';
import { mayWork } from '../chunks/pace.js';
import type { EngineContext } from '../context.js';
import { digestBeforeDrop } from '../digest/before-drop.js';
import { withDropped } from '../digest/lanes.js';
import { type LedgerRow, namesWithNotes } from '../ledger/record.js';
import type { LedgerChange } from '../ledger/store.js';
import { assertRunnable } from '../plan-source.js';
import { anonymizeRows } from '../retention/anonymize.js';
import { hasToRetain, retainRows } from '../retention/retain.js';
import type { Session } from '../session/session.js';
import { sum } from '../stage/stage.js';
import { upkeepNeeded, upkeepOfSome } from './upkeep.js';

/** A dropped table is a lock in a table of fixed size. */
const ARCHIVES_AT_ONCE = 50;

/** One of them, in the transaction that has locked the ledger's row. There is no way back from here. */
export async function purgeStep(
  context: EngineContext,
  session: Session,
  row: LedgerRow,
  horizon: string,
  digests: boolean | undefined,
  again: boolean,
): Promise<StepResult> {
  if (row.movedAt !== null && !row.horizonPassed) return { kind: 'wait', horizon };
  const notNow = await mayWork(session, row, context.limits, await context.plans.oidsToChange(session));
  if (notNow !== null) return notNow;
  // Set once a sweep after the wait has found nothing.
  if (row.upkeep === null) return sweep(context, session, row, again);
  if (row.archives.length + row.savedReferences.length + row.skipped.length > 0) {
    if (digests !== false && (await digestBeforeDrop(context, session, row))) return { kind: 'again' };
    if (hasToRetain(row)) {
      await retainRows(context, session, row);
      return { kind: 'again' };
    }
    await dropSome(context, session, row);
    return { kind: 'again' };
  }
  const { done, notDone } = await upkeepOfSome(context, session, row.upkeep);
  const upkeep = row.upkeep.slice(done);
  const noted = { notDone: [...new Set([...row.notDone, ...notDone])] };
  if (upkeep.length === 0) return finish(context, session, row, noted);
  await context.ledger.update(session, row.id, { ...noted, upkeep });
  return { kind: 'again' };
}

/** What was purged before is looked at once more. */
async function finish(
  context: EngineContext,
  session: Session,
  row: LedgerRow,
  change: LedgerChange,
): Promise<StepResult> {
  await context.ledger.update(session, row.id, { ...change, state: 'purged', purgedAt: 'now', upkeep: null });
  return row.state === 'purging' ? { kind: 'end' } : { kind: 'again' };
}

/** `again`: the attempt before met rows that came in between. */
async function sweep(
  context: EngineContext,
  session: Session,
  before: LedgerRow,
  again: boolean,
): Promise<StepResult> {
  const plan = await context.plans.readLocked(session);
  assertRunnable(plan);
  // What has to be retained is found in archives, with what it refers to; where triggers are off, keys are checked against
  // them.
  const needed = plan.tables.some(({ action, triggers }) => action === 'retain' || triggers === 'suppress');
  const mode = needed ? 'archive' : 'discard';
  const { row, rows: forgotten } = await anonymizeRows({ context, session, plan, row: before, mode });
  const changed = { savedReferences: row.savedReferences, outcome: row.outcome };
  const some = await moveSome({ context, session, plan, row, mode, sweep: again });
  if (some.kind === 'partly') {
    await context.ledger.update(session, row.id, { ...changed, ...some.change });
    return { kind: 'again' };
  }
  const { rows: moved, counts } = some.moved;
  const rows = moved + forgotten;
  const kept = mode === 'archive' ? some.moved : { counts };
  const found = { ...changed, ...kept, rowsTotal: sum(counts), progress: null };
  if (row.movedAt === null) {
    await context.ledger.update(session, row.id, { ...found, movedAt: 'now' });
    return { kind: 'again' };
  }
  if (row.state === 'purging') {
    const gone = { ...row, ...found };
    const upkeep = rows === 0 ? await upkeepNeeded(context, session, plan, gone) : null;
    const nothingLeft = gone.archives.length + gone.savedReferences.length + gone.skipped.length === 0;
    if (upkeep?.length === 0 && nothingLeft) return finish(context, session, row, found);
    await context.ledger.update(session, row.id, { ...found, upkeep });
    return { kind: 'again' };
  }
  // Purged already: nothing has come since, or it goes the same way.
  if (rows === 0) return { kind: 'end' };
  const upkeep = await upkeepNeeded(context, session, plan, { ...row, ...found });
  await context.ledger.update(session, row.id, { ...found, upkeep });
  return { kind: 'again' };
}

async function dropSome(context: EngineContext, session: Session, row: LedgerRow): Promise<void> {
  const names = [
    ...namesWithNotes(row.archives),
    ...[...row.savedReferences, ...row.skipped].map(({ archive }) => archive),
  ];
  const dropped = new Set(names.slice(0, ARCHIVES_AT_ONCE));
  await dropArchives(session, context.declaration.letheSchema, [...dropped]);
  await context.ledger.update(session, row.id, {
    ...(row.digests && { digests: withDropped(row.digests, dropped) }),
    archives: row.archives.filter(({ archive }) => !dropped.has(archive)),
    savedReferences: row.savedReferences.filter(({ archive }) => !dropped.has(archive)),
    skipped: row.skipped.filter(({ archive }) => !dropped.has(archive)),
  });
}
