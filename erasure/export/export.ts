/** The tenant's rows as NDJSON, by a cursor: memory stays the same however many there are. */
import QueryStream from 'pg-query-stream';
import type { EngineContext, Slice } from '../context.js';
import { EngineError } from '../engine-types.js';
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

const BATCH = 200;

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
    for (const { table, rows, values } of sources) {
      // PostgreSQL writes the JSON, under the session's pinned settings.
      const line = `SELECT '{"table":' || to_json(${literal(table)}::text)::text || ',"row":' || row_to_json(r)::text || '}' AS line FROM (${rows}) AS r`;
      const stream = session.client.query(
        new QueryStream(line, [...values], { batchSize: BATCH, highWaterMark: BATCH }),
      );
      for await (const row of stream as AsyncIterable<{ line: string }>) yield `${row.line}\n`;
    }
  });
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
  const row = await context.ledger.find(session, tenantId, jobId, false);
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
    row.sameDatabase,
  );
  return row.archives.map((archive, place) => {
    const table = live[place];
    if (table) {
      const { columns, source } = archiveView(context, row, archive, table);
      const values = [...columns.values()].map(({ name, value }) => `${value} AS ${name}`);
      return { table: label(table), rows: `SELECT ${values.join(', ')} FROM ${source}`, values: [] };
    }
    const columns = archive.columns.map(({ attnum, name }) => `c${attnum} AS ${ident(name)}`);
    const from = qualified({ schema: context.declaration.letheSchema, name: archive.archive });
    return {
      table: label(archive.table),
      rows: `SELECT ${columns.join(', ')} FROM ${from}`,
      values: [],
    };
  });
}
