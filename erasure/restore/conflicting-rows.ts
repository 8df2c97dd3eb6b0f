/** Archived rows that cannot come back, one by one: shown to whoever asks for them, or put aside so that the others can. */
import type { EngineContext, Slice } from '../context.js';
import { EngineError, type RestoreConflict } from '../engine-types.js';
import type { Archive, LedgerRow, SkippedRows } from '../ledger/record.js';
import { rehomed } from '../ledger/rehome.js';
import { label, qualified, shown } from '../quote.js';
import type { Session } from '../session/session.js';
import { type ArchiveView, archiveView, asTable, PLACE, whyNone } from './archive-view.js';
import { keyChecks, keysOf, uniqueChecks } from './constraint-checks.js';
import { liveTables } from './live-tables.js';
import { orphanChecks } from './orphans.js';

/** Where rows of one archive are that cannot come back, and why. */
interface Conflicting {
  readonly archive: Archive;
  readonly table: string;
  readonly why: string;
  /** A query for the `ctid` of each. */
  readonly places: string;
  /** The columns that a row is known by, as people write them, and the values as text, of a row `a`. */
  readonly key: readonly { readonly name: string; readonly value: string }[];
}

const MOST_ROWS_SHOWN = 100;

/** Every conflict with the keys of its rows, and no other value. Changes nothing. */
export async function listConflicts(
  context: EngineContext,
  session: Session,
  { tenantId, jobId }: Pick<Slice, 'tenantId' | 'jobId'>,
): Promise<RestoreConflict[]> {
  const found = await context.ledger.find(session, tenantId, jobId, false);
  if (found === null || !['staging', 'staged', 'restoring'].includes(found.state)) {
    throw new EngineError(
      'state_conflict',
      `There is nothing to restore: the job is ${found?.state ?? 'absent'} here.`,
      { state: found?.state ?? 'absent', jobId },
    );
  }
  const row = await rehomed(session, found);
  const conflicts: RestoreConflict[] = [];
  for (const one of await conflictingRows(context, session, row)) {
    const source = `${nameOf(context, one.archive.archive)} AS a WHERE a.ctid IN (${one.places})`;
    const { rows: counted } = await session.query<{ rows: number }>(
      `SELECT count(*)::float8 AS rows FROM ${source}`,
      [],
      { table: one.table },
    );
    const rows = counted[0]?.rows ?? 0;
    if (rows === 0) continue;
    const columns = one.key.map(({ value }, place) => `(${value})::pg_catalog.text AS k${place}`);
    const { rows: keys } =
      columns.length === 0
        ? { rows: [] }
        : await session.query<Record<string, string>>(
            `SELECT ${columns.join(', ')} FROM ${source} ORDER BY ${columns.map((_, place) => place + 1).join(', ')} LIMIT ${MOST_ROWS_SHOWN}`,
            [],
            { table: one.table },
          );
    conflicts.push({
      table: one.table,
      why: one.why,
      rows,
      keys: keys.map((values) =>
        Object.fromEntries(one.key.map(({ name }, place) => [name, values[`k${place}`] ?? ''])),
      ),
    });
  }
  return conflicts;
}

/** What the ledger has to be told once rows were put aside. */
export interface PutAside {
  readonly archives: readonly Archive[];
  readonly skipped: readonly SkippedRows[];
}

/**
 * Takes rows that cannot come back out of their archives, and with them those that refer to them, into tables of their
 * own in Lethe's schema. Null: there are none. In the transaction that has locked the ledger's row.
 */
export async function putConflictsAside(
  context: EngineContext,
  session: Session,
  given: LedgerRow,
): Promise<PutAside | null> {
  let row = given;
  const skipped: SkippedRows[] = [];
  // What refers to a row that was put aside refers to nothing now: found by the next round.
  for (let found = true; found; ) {
    found = false;
    for (const one of await conflictingRows(context, session, row)) {
      const name = `s${row.id}_${row.skipped.length + skipped.length + 1}`;
      const rows = await putAside(context, session, one, name);
      if (rows === 0) continue;
      found = true;
      skipped.push({
        archive: name,
        table: one.archive.table,
        rows,
        why: one.why,
        columns: one.archive.columns,
      });
      row = {
        ...row,
        archives: row.archives.map((archive) =>
          archive.archive === one.archive.archive ? { ...archive, rows: archive.rows - rows } : archive,
        ),
      };
    }
  }
  if (skipped.length === 0) return null;
  const values = await copyValues(context, session, row, skipped);
  return { archives: row.archives, skipped: [...given.skipped, ...skipped, ...values] };
}

/** Values that were nulled and may refer to rows that were put aside: these stay null. */
async function copyValues(
  context: EngineContext,
  session: Session,
  row: LedgerRow,
  aside: readonly SkippedRows[],
): Promise<SkippedRows[]> {
  const copies: SkippedRows[] = [];
  for (const saved of row.savedReferences.filter(({ rows, constants }) => rows > 0 && !constants)) {
    const keys = await keysOf(session, [{ table: { ...saved.table, partitioned: false, columns: [] } }]);
    const key = keys.find(({ name }) => name === saved.constraint);
    if (!aside.some(({ table }) => table.oid === key?.parent)) continue;
    const name = `s${row.id}_${row.skipped.length + aside.length + copies.length + 1}`;
    await session.query(
      `CREATE TABLE ${nameOf(context, name)} AS TABLE ${nameOf(context, saved.archive)}`,
      [],
      { table: label(saved.table), privilege: 'CREATE' },
    );
    copies.push({
      archive: name,
      table: saved.table,
      rows: saved.rows,
      why: `values of ${shown(saved.constraint)}, some of which refer to rows that were put aside`,
      columns: [...saved.key, ...saved.columns],
    });
  }
  return copies;
}

async function putAside(
  context: EngineContext,
  session: Session,
  { archive, places, table }: Conflicting,
  name: string,
): Promise<number> {
  const [from, to] = [nameOf(context, archive.archive), nameOf(context, name)];
  const about = { table, privilege: 'CREATE' };
  await session.query(`CREATE TABLE ${to} (LIKE ${from})`, [], about);
  const { rowCount } = await session.query(
    `WITH d AS (DELETE FROM ${from} AS a WHERE a.ctid IN (${places}) RETURNING a.*) INSERT INTO ${to} SELECT * FROM d`,
    [],
    about,
  );
  const rows = rowCount ?? 0;
  if (rows === 0) await session.query(`DROP TABLE ${to}`, [], about);
  return rows;
}

function nameOf({ declaration }: EngineContext, name: string): string {
  return qualified({ schema: declaration.letheSchema, name });
}

const KEYS = `
  SELECT k.conrelid AS "table", k.conkey::int4[] AS attnums FROM pg_constraint k
   WHERE k.contype = 'p' AND k.conrelid = ANY ($1::oid[])`;

const CHECKS = `
  SELECT k.conrelid AS "table", k.conname::text AS name, pg_get_expr(k.conbin, k.conrelid) AS expression
    FROM pg_constraint k WHERE k.contype = 'c' AND k.conrelid = ANY ($1::oid[]) ORDER BY k.conname`;

async function conflictingRows(
  context: EngineContext,
  session: Session,
  row: LedgerRow,
): Promise<Conflicting[]> {
  const filled = row.archives.filter(({ rows }) => rows > 0);
  const live = await liveTables(
    session,
    filled.map(({ table }) => table),
  );
  const whole: Conflicting[] = [];
  const views: ArchiveView[] = [];
  filled.forEach((archive, place) => {
    const table = live[place] ?? null;
    const view = table && archiveView(context, archive, table);
    const why = view ? whyNone(view) : 'the table is gone';
    if (view && why === null) views.push(view);
    else {
      const places = `SELECT a.ctid FROM ${nameOf(context, archive.archive)} AS a`;
      whole.push({ archive, table: label(table ?? archive.table), why: why ?? '', places, key: [] });
    }
  });
  const oids = views.map(({ table }) => table.oid);
  const { rows: primary } = await session.query<{ table: number; attnums: number[] }>(KEYS, [oids]);
  const { rows: rules } = await session.query<{ table: number; name: string; expression: string }>(CHECKS, [
    oids,
  ]);
  const broken = rules.flatMap(({ table, name, expression }) => {
    const view = views.find((one) => one.table.oid === table);
    const places = view && `SELECT v.${PLACE} FROM ${asTable(view)} AS v WHERE (${expression}) IS FALSE`;
    return view && places ? [{ view, places, why: `they break ${shown(name)}` }] : [];
  });
  const checks = [
    ...(await uniqueChecks(session, views)),
    ...(await keyChecks(session, views)),
    ...(await orphanChecks(session, views)),
    ...broken,
  ];
  const ofRows = checks.map(({ view, places, why }): Conflicting => {
    const attnums = primary.find(({ table }) => table === view.table.oid)?.attnums ?? [];
    const key = attnums.flatMap((attnum) => {
      const value = view.columns.get(attnum)?.value;
      const name = view.table.columns.find((column) => column.attnum === attnum)?.name;
      return value === undefined || name === undefined ? [] : [{ name: shown(name), value }];
    });
    return { archive: view.archive, table: label(view.table), why, places, key };
  });
  return [...whole, ...ofRows];
}
