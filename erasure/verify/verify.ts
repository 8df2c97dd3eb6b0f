/** Proof by count: what is left of a tenant, live and archived, and whether anything can still come. */
import { withArchived } from '../archive/archived-plan.js';
import type { EngineContext, Slice } from '../context.js';
import type { Verification, Waiting } from '../engine-types.js';
import type { LedgerRow } from '../ledger/record.js';
import { rehomed } from '../ledger/rehome.js';
import { changes } from '../plan/policy.js';
import type { Plan } from '../plan/types.js';
import { changedTables } from '../plan-source.js';
import { countEach } from '../preview/counts.js';
import { label, qualified } from '../quote.js';
import { merged, type Outcomes, told } from '../retention/outcome.js';
import { ownedRows, rowsOf } from '../selection.js';
import type { Session } from '../session/session.js';
import { hasPassed, olderTransactions } from '../stage/wait.js';

/** With a job, its horizon too; without one it merely counts. */
export async function verify(
  context: EngineContext,
  slice: Slice | (Omit<Slice, 'jobId'> & { readonly jobId: null }),
): Promise<Verification> {
  const { tenantId, jobId } = slice;
  const horizon = jobId === null ? NO_HORIZON : await horizonOf(context, { ...slice, jobId });
  return context.sessions.session(slice, async (session) => {
    // Counted after the horizon was looked at: what came before it is there by now.
    const plan = await context.plans.read(session);
    const written = await context.ledger.ofTenantId(session, tenantId);
    const rows = [];
    for (const row of written) rows.push(await rehomed(session, row));
    const outcome = rows
      .filter((row) => jobId === null || row.jobId === jobId)
      .reduce((all, row) => merged(all, row.outcome), {} as Outcomes);
    const tables = await countTables(context, session, plan, rows, tenantId, outcome);
    const rowsLeft = tables.reduce((sum, { liveRows, archivedRows }) => sum + liveRows + archivedRows, 0);
    return { tenantId, jobId, clean: rowsLeft === 0, rowsLeft, tables, ...horizon, verifiedAt: new Date() };
  });
}

interface Horizon {
  readonly horizon: string | null;
  readonly horizonPassed: boolean;
  readonly waitingFor: Waiting | null;
}

const NO_HORIZON: Horizon = { horizon: null, horizonPassed: false, waitingFor: null };

async function horizonOf(context: EngineContext, slice: Slice): Promise<Horizon> {
  const find = (session: Session, lock: boolean) =>
    context.ledger.find(session, slice.tenantId, slice.jobId, lock);
  let row = await context.sessions.session(slice, (session) => find(session, false));
  if (row !== null && !row.sameDatabase) {
    await context.sessions.transaction(slice, async (session) => {
      const locked = await find(session, true);
      if (locked !== null) await context.ledger.moveHere(session, await rehomed(session, locked));
    });
    row = await context.sessions.transaction(slice, async (session) => {
      const locked = await find(session, true);
      if (locked?.horizon === null) await context.ledger.takeHorizon(session, locked.id);
      return find(session, false);
    });
  }
  if (row?.horizon == null) return NO_HORIZON;
  const { horizon, waiting } = row;
  const waits = await context.sessions.session(slice, async (session) =>
    (await hasPassed(session, horizon)) ? null : olderTransactions(session, horizon),
  );
  const since = waiting?.kind === 'older_transaction' ? waiting.since : new Date();
  return { horizon, horizonPassed: waits === null, waitingFor: waits && { ...waits, since } };
}

async function countTables(
  context: EngineContext,
  session: Session,
  current: Plan,
  rows: readonly LedgerRow[],
  tenantId: string,
  outcome: Outcomes,
): Promise<Verification['tables']> {
  const schema = context.declaration.letheSchema;
  // What anonymized rows were leads to the tenant as long as it is there.
  const values = rows.flatMap((row) =>
    row.savedReferences.filter(({ constants }) => constants !== undefined),
  );
  const archives = [...rows.flatMap((row) => [...row.archives, ...row.skipped]), ...values];
  const plan = withArchived(
    current,
    rows.flatMap((row) => row.archives),
    schema,
  );
  const tables = changedTables(plan);
  const kept = plan.tables.filter((one) => !changes(one));
  const counts = await session.run((client) =>
    countEach(
      client,
      [
        ...tables.map(({ table }) => `${rowsOf(table)} AS t WHERE ${ownedRows(plan, table.oid, 't')}`),
        ...archives.map(
          ({ archive }) => `${qualified({ schema, name: archive })} WHERE $1::text IS NOT NULL`,
        ),
        ...kept.map(({ table }) => `${rowsOf(table)} AS t WHERE ${ownedRows(plan, table.oid, 't')}`),
      ],
      tenantId,
    ),
  );
  const archived = new Map<string, number>();
  archives.forEach(({ table }, place) => {
    const name = tables.find((one) => one.table.oid === table.oid)?.label ?? label(table);
    archived.set(name, (archived.get(name) ?? 0) + (counts[tables.length + place] ?? 0));
  });
  const found = merged(
    outcome,
    Object.fromEntries(
      kept.map(({ label: name }, place) => [
        name,
        { kept: counts[tables.length + archives.length + place] ?? 0 },
      ]),
    ),
  );
  const names = new Set([...tables.map((table) => table.label), ...archived.keys(), ...Object.keys(found)]);
  return [...names].map((table) => {
    const place = tables.findIndex((one) => one.label === table);
    const liveRows = place < 0 ? 0 : (counts[place] ?? 0);
    return { table, liveRows, archivedRows: archived.get(table) ?? 0, ...told(found[table]) };
  });
}
