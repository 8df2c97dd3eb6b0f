/** The steps of a stage after the fence: move, wait for older transactions, sweep. */
import type { StepResult } from '../advance/step.js';
import type { EngineContext } from '../context.js';
import type { LedgerRow } from '../ledger/record.js';
import { assertRunnable, assertSamePlan } from '../plan-source.js';
import type { Session } from '../session/session.js';
import { assertComesBack } from './comes-back.js';
import { move } from './move.js';

/** One of them, in the transaction that has locked the ledger's row. */
export async function stageStep(
  context: EngineContext,
  session: Session,
  row: LedgerRow,
  horizon: string,
  planHash: string | undefined,
  fast: boolean,
): Promise<StepResult> {
  if (row.movedAt !== null && !row.horizonPassed) return { kind: 'wait', horizon };
  const plan = await context.plans.readLocked(session);
  assertSamePlan(plan, row.planHash);
  if (planHash !== undefined) assertSamePlan(plan, planHash);
  assertRunnable(plan);
  const first = row.movedAt === null;
  if (first) await assertComesBack(session, plan, row.tenantId);
  const { rows, ...moved } = await move({ context, session, plan, row, mode: 'archive', fast });
  const found = { ...moved, rowsTotal: sum(moved.counts) };
  if (first) {
    await context.ledger.update(session, row.id, { ...found, movedAt: 'now' });
    return { kind: 'again' };
  }
  if (rows > 0) {
    await context.ledger.update(session, row.id, found);
    return { kind: 'again' };
  }
  await context.ledger.update(session, row.id, { state: 'staged', stagedAt: 'now' });
  return { kind: 'end' };
}

export function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, rows) => total + rows, 0);
}
