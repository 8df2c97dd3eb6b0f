/** The first step of a job: everything that can be known beforehand is checked, and the tenant is fenced. */
import type { EngineContext, Slice } from '../context.js';
import { type AdvanceRequest, EngineError, type LedgerState } from '../engine-types.js';
import { TryAgain } from '../errors.js';
import type { LedgerRow } from '../ledger/record.js';
import { rehomed } from '../ledger/rehome.js';
import type { Plan } from '../plan/types.js';
import { assertRunnable, assertSamePlan, deletedTables } from '../plan-source.js';
import { conflictsOf } from '../preview/conflicts.js';
import { keptRows } from '../retention/kept.js';
import { merged } from '../retention/outcome.js';
import type { Session } from '../session/session.js';
import type { StepResult } from './step.js';

/** The ledger knows nothing of the job. `state`: what it becomes. */
export async function begin(
  context: EngineContext,
  session: Session,
  slice: Slice,
  request: AdvanceRequest,
  state: Exclude<LedgerState, 'absent'>,
): Promise<StepResult> {
  const { tenantId, jobId } = slice;
  if (state === 'restored') {
    await context.ledger.insert(session, { tenantId, jobId, state, planHash: null }, []);
    return { kind: 'again' };
  }
  const other = await context.ledger.findOther(session, tenantId, jobId);
  if (other !== null && other.jobId !== request.supersedesJobId) throw otherJobOpen(other);
  const plan = await context.plans.read(session);
  if (request.target === 'staged') assertSamePlan(plan, request.planHash ?? null);
  assertRunnable(plan);
  await assertNoConflicts(session, plan, tenantId);

  if (other !== null) await context.ledger.supersede(session, other.id, jobId);
  const tables = deletedTables(plan).map(({ label }) => label);
  const inserted = await context.ledger.insert(
    session,
    { tenantId, jobId, state, planHash: plan.hash, outcome: await keptRows(session, plan, tenantId) },
    tables,
  );
  if (!inserted) throw somebodyWasFaster();
  await context.ledger.setTombstone(session, tenantId, jobId);
  await context.ledger.takeSkipped(session, tenantId, jobId);
  if (other !== null) await inherit(context, session, slice, other);
  return { kind: 'again' };
}

/** The archives of a job that this one supersedes go with the rest. */
async function inherit(
  context: EngineContext,
  session: Session,
  { tenantId, jobId }: Slice,
  other: LedgerRow,
): Promise<void> {
  const row = await context.ledger.find(session, tenantId, jobId, true);
  if (row === null) return;
  const counts = { ...row.counts };
  for (const [table, rows] of Object.entries(other.counts)) counts[table] = (counts[table] ?? 0) + rows;
  // Written in another database, its tables are known here by their names alone.
  const { archives, savedReferences } = await rehomed(session, other);
  const outcome = merged(row.outcome, other.outcome);
  await context.ledger.update(session, row.id, { counts, outcome, archives, savedReferences });
}

/** Throws `reference_conflict` where rows that stay refer to rows of this tenant. */
export async function assertNoConflicts(session: Session, plan: Plan, tenantId: string): Promise<void> {
  const [conflict] = await session.run((client) => conflictsOf(client, plan, tenantId));
  if (conflict === undefined) return;
  throw new EngineError('reference_conflict', `${conflict.message} ${conflict.remedy}`, {
    ...(conflict.table !== null && { table: conflict.table }),
  });
}

/** With this job, which then goes on, or with another, which then is found. */
function somebodyWasFaster(): TryAgain {
  return new TryAgain(
    new EngineError(
      'database_busy',
      'Other requests begin deletions of this tenant all the time. Ask again.',
    ),
  );
}

function otherJobOpen({ jobId, state }: LedgerRow): EngineError {
  return new EngineError(
    'other_job_open',
    `Another deletion job of this tenant is ${state} here. It has to be brought to its own end first.`,
    { jobId, state },
  );
}
