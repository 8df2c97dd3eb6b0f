/** Why a restore failed, as a person can act on it. */
import { type Busy, whileInPlace } from '../chunks/pace.js';
import type { EngineContext, Slice } from '../context.js';
import { EngineError } from '../engine-types.js';
import { spoken, sqlstateOf } from '../errors.js';
import { shown } from '../quote.js';
import { diagnose } from './diagnose.js';

/** Throws `restore_conflict` where it is plain beforehand that not all rows could come back. Busy: it was not asked. */
export async function refuseConflict(context: EngineContext, slice: Slice): Promise<Busy | null> {
  const found = await context.sessions.session(slice, async (session) => {
    const row = await context.ledger.find(session, slice.tenantId, slice.jobId, false);
    if (row === null) return null;
    const oids = row.archives.map(({ table }) => table.oid);
    return whileInPlace(session, context.limits, oids, () => diagnose(context, session, row));
  });
  if (found === null || 'kind' in found) return found;
  if (found.possible) return null;
  const table = found.reasons[0]?.split(': ')[0];
  throw new EngineError(
    'restore_conflict',
    `${found.reasons.join('; ')}. The archive is as it was; make room for the rows, and ask again.`,
    { ...(table !== undefined && { table }) },
  );
}

/** The failure as `restore_conflict`. Nothing of the archive is lost. */
export async function restoreConflict(
  context: EngineContext,
  slice: Slice,
  error: unknown,
): Promise<EngineError> {
  const { row, found } = await context.sessions.session(slice, async (session) => {
    const row = await context.ledger.find(session, slice.tenantId, slice.jobId, false);
    return { row, found: row === null ? null : await diagnose(context, session, row) };
  });
  const begun = row?.progress && !row.progress.unasked;
  const archive = begun ? 'What is not back yet is in the archive' : 'The archive is as it was';
  const sqlstate = sqlstateOf(error);
  const table = found?.reasons[0]?.split(': ')[0] ?? placeOf(error);
  const why = found?.reasons.length
    ? found.reasons.join('; ')
    : error instanceof EngineError
      ? error.message
      : [sqlstate && `${spoken(error, sqlstate)} (${sqlstate})`, table && `on ${table}`]
          .filter(Boolean)
          .join(' ');
  return new EngineError(
    'restore_conflict',
    `${why.replace(/\.$/, '')}. ${archive}; make room for the rows, and ask again.`,
    { ...(table !== undefined && { table }), ...(sqlstate !== undefined && { sqlstate }) },
  );
}

function placeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  if (error instanceof EngineError) return error.facts.table;
  const { schema, table } = error as { schema?: unknown; table?: unknown };
  return typeof schema === 'string' && typeof table === 'string'
    ? `${shown(schema)}.${shown(table)}`
    : undefined;
}
