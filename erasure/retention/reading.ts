/** What is retained: listed by counts, exported for an auditor, erased when it is due. */
import type { EngineContext } from '../context.js';
import { EngineError } from '../engine-types.js';
import { ERASE_DUE, inRetained, RETAINED_ROWS, RETAINED_SUMMARY } from '../install/retained-sql.js';
import { literal, qualified } from '../quote.js';
import type { Session } from '../session/session.js';

/** Rows of one job that are retained on one ground. */
export interface RetainedEntry {
  readonly tenantId: string;
  readonly jobId: string;
  readonly table: string;
  readonly why: 'policy' | 'referred_to';
  readonly ground: string;
  readonly period: string;
  readonly rows: number;
  /** Null: never. */
  readonly firstDueAt: Date | null;
  readonly lastDueAt: Date | null;
  readonly retainedAt: Date;
}

export interface RetainedQuery {
  readonly tenantId: string | null;
  /** `nextCursor` of the page before. */
  readonly cursor: string | null;
}

export interface RetainedPage {
  readonly entries: readonly RetainedEntry[];
  readonly nextCursor: string | null;
}

export interface EraseDue {
  /** The same run again goes on, and is told all that it has erased. */
  readonly runId: string;
  readonly before: Date;
  readonly exceptTenants: readonly string[];
  readonly exceptJobs: readonly string[];
}

export interface ErasedDue {
  readonly erased: readonly {
    tenantId: string;
    jobId: string;
    table: string;
    ground: string;
    rows: number;
  }[];
  /** Rows that were due and were left, since they are excepted. */
  readonly held: number;
  /** Whether more may be due. */
  readonly more: boolean;
}

const PAGE = 200;
const ERASED_AT_ONCE = 10_000;

/** Empty where nothing was ever retained here. */
export async function listRetained(
  { declaration }: EngineContext,
  session: Session,
  { tenantId, cursor }: RetainedQuery,
): Promise<RetainedPage> {
  const summary = qualified(inRetained(declaration, RETAINED_SUMMARY));
  if (!(await isThere(session, `${summary}(text,text[],int)`))) return { entries: [], nextCursor: null };
  const { rows } = await session.query<RetainedEntry & { firstDueAt: string; lastDueAt: string }>(
    `SELECT tenant_id AS "tenantId", job_id AS "jobId", table_name AS "table", why, ground, period, rows::float8,
            CASE WHEN isfinite(first_due) THEN first_due END AS "firstDueAt",
            CASE WHEN isfinite(last_due) THEN last_due END AS "lastDueAt", retained_at AS "retainedAt"
       FROM ${summary}($1, $2, $3)`,
    [tenantId, cursor === null ? null : placeOf(cursor), PAGE + 1],
    { table: summary, privilege: 'EXECUTE' },
  );
  const entries = rows.slice(0, PAGE);
  const last = entries.at(-1);
  return { entries, nextCursor: rows.length > PAGE && last !== undefined ? cursorAt(last) : null };
}

function cursorAt({ tenantId, jobId, table, why, ground, period }: RetainedEntry): string {
  const place = JSON.stringify([tenantId, jobId, table, why, ground, period]);
  return Buffer.from(place).toString('base64url');
}

function placeOf(cursor: string): string[] {
  try {
    const place: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(place) && place.length === 6 && place.every((one) => typeof one === 'string'))
      return place;
  } catch {
    // Nobody's cursor.
  }
  return ['', '', '', '', '', ''];
}

/** One batch, oldest first; by PostgreSQL's clock nothing that is not due. */
export async function eraseDue(
  { declaration }: EngineContext,
  session: Session,
  { runId, before, exceptTenants, exceptJobs }: EraseDue,
): Promise<ErasedDue> {
  const erase = qualified(inRetained(declaration, ERASE_DUE));
  if (!(await isThere(session, `${erase}(uuid,timestamptz,text[],uuid[],int)`)))
    return { erased: [], held: 0, more: false };
  const { rows } = await session.query<{
    kind: 'erased' | 'held' | 'batch';
    tenantId: string;
    jobId: string;
    table: string;
    ground: string;
    rows: number;
  }>(
    `SELECT kind, tenant_id AS "tenantId", job_id AS "jobId", table_name AS "table", ground, rows::float8
       FROM ${erase}($1, $2, $3, $4, $5)`,
    [runId, before, exceptTenants, exceptJobs, ERASED_AT_ONCE],
    { table: erase, privilege: 'EXECUTE' },
  );
  const sum = (kind: string) => rows.find((row) => row.kind === kind)?.rows ?? 0;
  return {
    erased: rows.flatMap(({ kind, ...one }) => (kind === 'erased' ? [one] : [])),
    held: sum('held'),
    more: sum('batch') >= ERASED_AT_ONCE,
  };
}

async function isThere(session: Session, function_: string): Promise<boolean> {
  const { rows } = await session.query<{ there: boolean }>(
    `SELECT to_regprocedure(${literal(function_)}) IS NOT NULL AS there`,
  );
  return rows[0]?.there === true;
}

const BATCH = 200;

/** Lines of NDJSON, one a row, with the terms that it is kept on. To be asked as a role that may read them. */
export async function* retainedLines(
  { declaration }: EngineContext,
  session: Session,
  tenantId: string | null,
): AsyncGenerator<string> {
  const rows = qualified(inRetained(declaration, RETAINED_ROWS));
  const { rows: there } = await session.query<{ there: boolean }>(
    `SELECT to_regclass(${literal(rows)}) IS NOT NULL AS there`,
  );
  if (!there[0]?.there) return;
  const only = tenantId === null ? '' : 'WHERE r.tenant_id::text = $1';
  await session.query(
    `DECLARE lethe_retained NO SCROLL CURSOR FOR
     SELECT json_build_object('tenant_id', r.tenant_id::text, 'job_id', r.job_id, 'table', r.table_name, 'why', r.why,
              'ground', r.ground, 'period', r.period,
              'retain_until', CASE WHEN isfinite(r.retain_until) THEN
                 to_char(r.retain_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END,
              'row', r.content, 'types', r.types)::text AS line
       FROM ${rows} r ${only} ORDER BY r.tenant_id, r.job_id, r.table_name, r.id`,
    tenantId === null ? [] : [tenantId],
    { table: rows, privilege: 'SELECT' },
  );
  for (;;) {
    const fetched = await session.query<{ line: string }>(`FETCH ${BATCH} FROM lethe_retained`);
    for (const { line } of fetched.rows) yield `${line}\n`;
    if (fetched.rows.length < BATCH) return;
  }
}

export function unreadable(): EngineError {
  return new EngineError(
    'privilege_missing',
    "This service has no connection that may read what is retained, and its own role must not. Give it the reader's URL, and ask again.",
    { privilege: 'SELECT' },
  );
}
