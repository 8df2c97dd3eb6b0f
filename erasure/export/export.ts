/** The tenant's rows as NDJSON, by a cursor: memory stays the same however many there are. */
import type { EngineContext, Slice } from '../context.js';
import { EngineError } from '../engine-types.js';
import { rehomed } from '../ledger/rehome.js';
import { deletedTables } from '../plan-source.js';
import { ident, label, literal, qualified } from '../quote.js';
import { archiveView } from '../restore/archive-view.js';
import { liveTables } from '../restore/live-tables.js';
import { ownedRows, rowsOf } from '../selection.js';
import type { Session } from '../session/session.js';

/** What one table contributes: its name, and a query of its rows. */
interface Source {
  readonly table: string;
  readonly rows: string;
  readonly values: readonly string[];
}

const FIRST_BATCH = 20;
const LARGEST_BATCH = 500;
const BATCH_BYTES = 1_000_000;

/** Live rows, or a job's archive: all as of one moment. */
export function exportRows(
  context: EngineContext,
  slice: Slice | (Omit<Slice, 'jobId'> & { readonly jobId: null }),
): AsyncGenerator<string> {
  return context.sessions.streaming(slice, async function* (session) {
    const { tenantId, jobId } = slice;
    const sources =
      jobId === null
        ? await liveSources(context, session, tenantId)
        : await archiveSources(context, session, tenantId, jobId);
    for (const source of sources) yield* linesOf(session, source);
  });
}

/**
 * Fetched in batches that are small where rows are large. Each fetch is a statement of its own: so a reader who has
 * stopped reading is idle in a transaction to PostgreSQL, which ends it.
 */
async function* linesOf(session: Session, { table, rows, values }: Source): AsyncGenerator<string> {
  // PostgreSQL writes the JSON, under the session's pinned settings.
  const line = `'{"table":' || to_json(${literal(table)}::text)::text || ',"row":' || row_to_json(r)::text || '}'`;
  await session.query(
    `DECLARE lethe_export NO SCROLL CURSOR FOR SELECT ${line} AS line FROM (${rows}) AS r`,
    values,
    { table, privilege: 'SELECT' },
  );
  let batch = FIRST_BATCH;
  for (;;) {
    const fetched = await session.query<{ line: string }>(`FETCH ${batch} FROM lethe_export`, [], { table });
    for (const row of fetched.rows) yield `${row.line}\n`;
    if (fetched.rows.length < batch) break;
    const bytes = fetched.rows.reduce((sum, row) => sum + row.line.length, 0);
    batch = Math.max(1, Math.min(LARGEST_BATCH, Math.floor((BATCH_BYTES * batch) / bytes)));
  }
  await session.query('CLOSE lethe_export');
}

async function liveSources(context: EngineContext, session: Session, tenantId: string): Promise<Source[]> {
  const plan = await context.plans.read(session);
  return deletedTables(plan).map(({ table, label: name }) => ({
    table: name,
    rows: `SELECT ${table.columns.map((column) => `t.${ident(column.name)}`).join(', ')}
             FROM ${rowsOf(table)} AS t WHERE ${ownedRows(plan, table.oid, 't')}`,
    values: [tenantId],
  }));
}

async function archiveSources(
  context: EngineContext,
  session: Session,
  tenantId: string,
  jobId: string,
): Promise<Source[]> {
  const written = await context.ledger.find(session, tenantId, jobId, false);
  const row = written && (await rehomed(session, written));
  if (row === null || row.archives.length === 0) {
    throw new EngineError(
      'state_conflict',
      'This job has no archive here. Export the live rows, or ask while it is staged.',
      {
        state: row?.state ?? 'absent',
        jobId,
      },
    );
  }
  const live = await liveTables(
    session,
    row.archives.map(({ table }) => table),
  );
  return row.archives.map((archive, place) => {
    const table = live[place];
    if (table) {
      const { columns, source } = archiveView(context, archive, table);
      const values = [...columns.values()].map(({ name, value }) => `${value} AS ${name}`);
      return { table: label(table), rows: `SELECT ${values.join(', ')} FROM ${source}`, values: [] };
    }
    const columns = archive.columns.map(({ stored, name }) => `${stored} AS ${ident(name)}`);
    const from = qualified({ schema: context.declaration.letheSchema, name: archive.archive });
    return {
      table: label(archive.table),
      rows: `SELECT ${columns.join(', ')} FROM ${from}`,
      values: [],
    };
  });
}
