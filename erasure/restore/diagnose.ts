/** Whether archived rows could come back now, and why not: asked without changing anything. */
import type { EngineContext } from '../context.js';
import { LockTimeout, sqlstateOf } from '../errors.js';
import type { LedgerRow, Restorable } from '../ledger/record.js';
import { rehomed } from '../ledger/rehome.js';
import { label } from '../quote.js';
import type { Session } from '../session/session.js';
import { type ArchiveView, archiveView, whyNone } from './archive-view.js';
import { keyChecks, uniqueChecks } from './constraint-checks.js';
import { liveTables } from './live-tables.js';
import { orphanChecks } from './orphans.js';

/** Archived rows that could not come back. */
export interface Check {
  readonly view: ArchiveView;
  /** A query that gives the `ctid` of each in its archive. */
  readonly places: string;
  readonly why: string;
}

const MOST_REASONS = 50;

/** Null where there is nothing to restore. The session is in no transaction: a check that fails fails alone. */
export async function diagnose(
  context: EngineContext,
  session: Session,
  written: LedgerRow,
): Promise<Restorable> {
  if (!['staging', 'staged', 'restoring'].includes(written.state)) return null;
  const row = await rehomed(session, written);
  const filled = row.archives.filter(({ rows }) => rows > 0);
  const live = await liveTables(
    session,
    filled.map(({ table }) => table),
  );
  const reasons: string[] = [];
  const views: ArchiveView[] = [];
  filled.forEach((archive, place) => {
    const table = live[place] ?? null;
    const say = (why: string) => reasons.push(reason(label(table ?? archive.table), archive.rows, why));
    if (table === null) {
      say('the table is gone');
      return;
    }
    const view = archiveView(context, archive, table);
    const why = whyNone(view);
    if (why === null) views.push(view);
    else say(why);
  });
  const checks = [
    ...(await uniqueChecks(session, views)),
    ...(await keyChecks(session, views)),
    ...(await orphanChecks(session, views)),
  ];
  for (const check of checks) {
    const rows = await countOf(session, check, reasons);
    if (rows > 0) reasons.push(reason(label(check.view.table), rows, check.why));
    if (reasons.length >= MOST_REASONS) break;
  }
  return { possible: reasons.length === 0, reasons };
}

function reason(table: string, rows: number, why: string): string {
  return `${table}: ${rows} ${rows === 1 ? 'row' : 'rows'} cannot come back: ${why}`;
}

async function countOf(session: Session, check: Check, reasons: string[]): Promise<number> {
  const table = label(check.view.table);
  try {
    const { rows } = await session.query<{ rows: number }>(
      `SELECT count(*)::float8 AS rows FROM (${check.places}) AS places`,
      [],
      { table },
    );
    return rows[0]?.rows ?? 0;
  } catch (error) {
    if (error instanceof LockTimeout) {
      const by = error.blockers.length === 0 ? '' : ` by ${error.blockers.join(', ')}`;
      reasons.push(`${table} is locked${by}`);
      return 0;
    }
    // What cannot be read, compared or counted in time here is told by the restore itself.
    if (sqlstateOf(error) !== undefined) return 0;
    throw error;
  }
}
