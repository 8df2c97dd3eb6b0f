/** The steps of a stage after the fence: move, wait for older transactions, sweep. */
import type { StepResult } from '../advance/step.js';
import { moveSome } from '../chunks/move-some.js';
import { mayWork } from '../chunks/pace.js';
import type { EngineContext } from '../context.js';
import type { LedgerRow } from '../ledger/record.js';
import { assertRunnable, assertSamePlan } from '../plan-source.js';
import { anonymizeRows } from '../retention/anonymize.js';
import type { Session } from '../session/session.js';
import { assertComesBack } from './comes-back.js';

/** One of them, in the transaction that has locked the ledger's row. */
export async function stageStep(
  context: EngineContext,
  session: Session,
  found: LedgerRow,
  horizon: string,
  planHash: string | undefined,
  fast: boolean,
  sweep: boolean,
): Promise<StepResult> {
  if (found.movedAt !== null && !found.horizonPassed) return { kind: 'wait', horizon };
  const notNow = await mayWork(session, found, context.limits, await context.plans.oidsToChange(session));
  if (notNow !== null) return notNow;
  const plan = await context.plans.readLocked(session);
  assertSamePlan(plan, found.planHash);
  if (planHash !== undefined) assertSamePlan(plan, planHash);
  assertRunnable(plan);
  const first = found.movedAt === null;
  if (first && found.progress === null) await assertComesBack(session, plan, found.tenantId);
  const forgotten = await anonymizeRows({ context, session, plan, row: found, mode: 'archive' });
  const { row } = forgotten;
  const changed = { savedReferences: row.savedReferences, outcome: row.outcome };
  const some = await moveSome({ context, session, plan, row, mode: 'archive', fast, sweep });
  if (some.kind === 'partly') {
    await context.ledger.update(session, row.id, { ...changed, ...some.change });
    return { kind: 'again' };
  }
  const { rows, ...moved } = some.moved;
  const now = { outcome: row.outcome, ...moved, rowsTotal: sum(moved.counts), progress: null };
  if (first) {
    await context.ledger.update(session, row.id, { ...now, movedAt: 'now' });
    return { kind: 'again' };
  }
  if (rows + forgotten.rows > 0) {
    await context.ledger.update(session, row.id, now);
    return { kind: 'again' };
  }
  await context.ledger.update(session, row.id, { state: 'staged', stagedAt: 'now', progress: null });
  return { kind: 'end' };
}

export function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, rows) => total + rows, 0);
}
