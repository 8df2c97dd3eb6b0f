/** The tenant's rows as NDJSON, by a cursor: memory stays the same however many there are. */
import type { EngineContext, Slice } from '../context.js';
import { keyFor } from '../digest/lanes.js';
import { EngineError } from '../engine-types.js';
import { deletedTables } from '../plan-source.js';
import { ident, literal } from '../quote.js';
import { ownedRows, rowsOf } from '../selection.js';
import type { Session } from '../session/session.js';
import { type ArchivedRows, archivedRows, jsonLine, secretColumns } from './archived-rows.js';

/** What one table contributes: its name, a query of its rows, and a row of it, aliased `r`, as JSON. */
interface Source {
  readonly table: string;
  readonly json: string;
  readonly rows: string;
  readonly values: readonly string[];
}

const FIRST_BATCH = 20;
const LARGEST_BATCH = 500;
const BATCH_BYTES = 1_000_000;

/**
 * Live rows; or a job's archive, exactly as it was archived: a line that describes it, then its rows. All as of one
 * moment, and without columns that are declared secret.
 */
export function exportRows(
  context: EngineContext,
  slice: Slice | (Omit<Slice, 'jobId'> & { readonly jobId: null }),
): AsyncGenerator<string> {
  return context.sessions.streaming(slice, async function* (session) {
    const { tenantId, jobId } = slice;
    if (jobId === null) {
      for (const source of await liveSources(context, session, tenantId)) yield* linesOf(session, source);
      return;
    }
    const { key, archives } = await archivesOf(context, session, tenantId, jobId);
    yield headOf(key, archives);
    for (const { table, exported, from, json } of archives) {
      yield* linesOf(session, { table, json, rows: `SELECT ${exported} FROM ${from}`, values: [] });
    }
  });
}

/**
 * Fetched in batches that are small where rows are large. Each fetch is a statement of its own: so a reader who has
 * stopped reading is idle in a transaction to PostgreSQL, which ends it.
 */
async function* linesOf(session: Session, { table, json, rows, values }: Source): AsyncGenerator<string> {
  // PostgreSQL writes the JSON, under the session's pinned settings.
  const line = `'{"table":' || to_json(${literal(table)}::text)::text || ',"row":' || ${json} || '}'`;
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
  return deletedTables(plan).map(({ table, label: name }) => {
    const secret = secretColumns(context.declaration, table);
    const columns = table.columns.filter((column) => !secret.includes(column.name));
    return {
      table: name,
      json: jsonLine(columns.map(({ type }) => type)),
      rows: `SELECT ${columns.map((column) => `t.${ident(column.name)}`).join(', ')}
               FROM ${rowsOf(table)} AS t WHERE ${ownedRows(plan, table.oid, 't')}`,
      values: [tenantId],
    };
  });
}

/** Not before it is staged: until then rows still come into the archives. */
async function archivesOf(
  context: EngineContext,
  session: Session,
  tenantId: string,
  jobId: string,
): Promise<{ readonly key: string | null; readonly archives: readonly ArchivedRows[] }> {
  const row = await context.ledger.find(session, tenantId, jobId, false);
  const there = row !== null && (row.state === 'staged' || row.archives.length > 0);
  if (!there || row.state === 'staging') {
    throw new EngineError(
      'state_conflict',
      'This job has no archive here. Export the live rows, or ask while it is staged.',
      {
        state: row?.state ?? 'absent',
        jobId,
      },
    );
  }
  const archives = await archivedRows(session, context.declaration, row.archives, true);
  // One table's rows follow each other, also where it has several archives.
  const sorted = [...archives].sort((one, other) =>
    one.table < other.table ? -1 : one.table > other.table ? 1 : 0,
  );
  return { key: row.digests && keyFor(row.digests.key, 'export').toString('hex'), archives: sorted };
}

/** What the lines that follow are, and with which key their digests can be computed again. */
function headOf(key: string | null, archives: readonly ArchivedRows[]): string {
  const tables = new Map(archives.map((one) => [one.table, one]));
  const described = [...tables.values()].map(({ table, columns, secretColumns: secret }) => ({
    table,
    columns,
    secret_columns: secret,
  }));
  return `${JSON.stringify({ export: { key, tables: described } })}\n`;
}
