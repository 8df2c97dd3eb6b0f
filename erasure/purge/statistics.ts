/** Of the tables that rows have left: those whose statistics may still hold a value that only these rows had. */
import type { CatalogTable } from '../catalog/types.js';
import type { EngineContext } from '../context.js';
import { repetitionOf, sqlstateOf } from '../errors.js';
import type { Archive, LedgerRow } from '../ledger/record.js';
import type { Plan, PlannedTable } from '../plan/types.js';
import { changedTables } from '../plan-source.js';
import type { Session } from '../session/session.js';
import { asOutput, type Compared, holdsTheirs } from './held-values.js';

/** What a purge knows of the rows that have gone. */
export type Gone = Pick<LedgerRow, 'counts' | 'outcome' | 'archives' | 'savedReferences' | 'skipped'>;

/** A table whose statistics are made from rows of `sources`: itself, and those that inherit from it. */
export interface Touched {
  readonly table: CatalogTable;
  readonly sources: readonly PlannedTable[];
}

/** Tables that lost rows or values, now or in an earlier job, and those that such a table inherits from. */
export function touchedTables(
  plan: Plan,
  { counts, outcome, skipped }: Pick<Gone, 'counts' | 'outcome' | 'skipped'>,
): Touched[] {
  const changed = changedTables(plan);
  return changed
    .map(({ table }) => {
      const heirs = heirsOf(plan, table.oid);
      return { table, sources: changed.filter((one) => heirs.has(one.table.oid)) };
    })
    .filter(({ sources }) =>
      sources.some(
        ({ label, table }) =>
          (counts[label] ?? 0) > 0 ||
          (outcome[label]?.anonymized ?? 0) > 0 ||
          skipped.some((one) => one.table.oid === table.oid),
      ),
    );
}

/** With the table itself. */
function heirsOf(plan: Plan, oid: number): Set<number> {
  const heirs = new Set([oid]);
  for (let before = 0; before < heirs.size; ) {
    before = heirs.size;
    for (const table of plan.catalog.tables)
      if (table.parentOids.some((parent) => heirs.has(parent))) heirs.add(table.oid);
  }
  return heirs;
}

/** With more rows than that statistics hold some of their values nearly for sure. */
const MOST_ARCHIVED_ROWS = 1_000;

/** ANALYZE takes 30,000 rows for a sample: of fewer than this it is done as soon as one has looked. */
const FEWEST_ROWS = 10_000;

/** Some 5,000 rows. A value that is a common one is found among them. */
const SAMPLED_PAGES = 64;

/** OIDs of those that have to be analyzed. Asked while the archives are there; what cannot be told for sure is one of them. */
export async function staleStatistics(
  context: EngineContext,
  session: Session,
  plan: Plan,
  touched: readonly Touched[],
  gone: Gone,
): Promise<number[]> {
  const stale = new Set(touched.map(({ table }) => table.oid));
  await session.query('SAVEPOINT statistics');
  try {
    const known = await assess(
      session,
      touched.filter((one) => isCompared(one, gone)),
    );
    const held = await columnsHeld(session, known);
    for (const one of known) {
      const columns = held.filter(({ root }) => root === one.table.oid);
      if (!(await isStale(context, session, plan, one, columns, gone))) stale.delete(one.table.oid);
    }
    await session.query('RELEASE SAVEPOINT statistics');
  } catch (error) {
    if (repetitionOf(error) !== 'never') throw error;
    await session.query('ROLLBACK TO SAVEPOINT statistics');
    for (const { table } of touched) stale.add(table.oid);
    context.logger?.info(
      { sqlstate: sqlstateOf(error) },
      'Statistics could not be compared with archives: all tables that rows have left are analyzed.',
    );
  }
  return [...stale];
}

/** Whether all that went from the table is in archives, and little enough to be looked for. */
function isCompared({ sources }: Touched, gone: Gone): boolean {
  const oids = new Set(sources.map(({ table }) => table.oid));
  const ofThese = ({ table }: { readonly table: { readonly oid: number } }) => oids.has(table.oid);
  const archived = sum(gone.archives.filter(ofThese).map(({ rows }) => rows));
  const went = sum(sources.map(({ label }) => gone.counts[label] ?? 0));
  return (
    archived === went &&
    archived <= MOST_ARCHIVED_ROWS &&
    sources.every(({ label }) => !gone.outcome[label]?.anonymized) &&
    ![...gone.savedReferences, ...gone.skipped].some(ofThese)
  );
}

interface Known extends Touched {
  /** The table and its partitions, which have statistics each. */
  readonly schemas: readonly string[];
  readonly names: readonly string[];
  readonly pages: number;
}

// ANALYZE holds its lock until it has committed. One that read the rows while they were there is seen here, or has
// committed before the next statement begins, which sees what it wrote.
const ASSESS = `
  WITH RECURSIVE below(root, oid, member) AS (
    SELECT r.oid, r.oid, true FROM unnest($1::oid[]) AS r(oid)
     UNION
    SELECT b.root, i.inhrelid, b.member AND c.relispartition
      FROM below b JOIN pg_inherits i ON i.inhparent = b.oid JOIN pg_class c ON c.oid = i.inhrelid
  )
  SELECT b.root,
         array_agg(n.nspname::text ORDER BY c.oid) FILTER (WHERE b.member) AS schemas,
         array_agg(c.relname::text ORDER BY c.oid) FILTER (WHERE b.member) AS names,
         COALESCE(sum(c.relpages) FILTER (WHERE c.relkind = 'r'), 0)::float8 AS pages
    FROM below b JOIN pg_class c ON c.oid = b.oid JOIN pg_namespace n ON n.oid = c.relnamespace
   GROUP BY b.root
  HAVING COALESCE(sum(GREATEST(c.reltuples, 0)) FILTER (WHERE c.relkind = 'r'), 0) >= ${FEWEST_ROWS}
     AND NOT bool_or(b.member AND (
           row_security_active(c.oid) OR NOT has_table_privilege(c.oid, 'SELECT')
           OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indexprs IS NOT NULL)
           OR EXISTS (SELECT FROM pg_statistic_ext e WHERE e.stxrelid = c.oid)
           OR c.oid IN (SELECT l.relation FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                         WHERE d.datname = current_database() AND l.locktype = 'relation' AND l.granted
                           AND l.mode = 'ShareUpdateExclusiveLock' AND l.pid IS DISTINCT FROM pg_backend_pid())))`;

/** Those whose statistics can be seen, all of them, and are not being made anew. */
async function assess(session: Session, touched: readonly Touched[]): Promise<Known[]> {
  if (touched.length === 0) return [];
  const { rows } = await session.query<{ root: number } & Known>(ASSESS, [
    touched.map(({ table }) => table.oid),
  ]);
  return touched.flatMap((one) => {
    const found = rows.find(({ root }) => root === one.table.oid);
    return found === undefined ? [] : [{ ...found, ...one }];
  });
}

/** A column of which statistics hold values. */
interface ColumnHeld {
  readonly root: number;
  readonly name: string;
  /** Not as values that a row has: elements, bounds of ranges. Or in a form that cannot be taken apart. */
  readonly opaque: boolean;
  /** A cast to text may give another text than the one that statistics show. */
  readonly castDiffers: boolean;
}

// Names are given as values: only so PostgreSQL looks them up before it makes all rows of the view.
const COLUMNS_HELD = `
  SELECT m.root, s.attname::text AS name,
         bool_or(t.typanalyze::oid <> 0 OR t.typdelim <> ',' OR b.typtype = 'c') AS opaque,
         bool_or(EXISTS (SELECT FROM pg_cast k WHERE k.castsource IN (t.oid, b.oid)
                            AND k.casttarget = 'text'::regtype AND k.castmethod = 'f')) AS "castDiffers"
    FROM unnest($1::oid[], $2::text[], $3::text[]) AS m(root, schema, name)
    JOIN pg_stats s ON s.schemaname = m.schema AND s.tablename = m.name
    JOIN pg_namespace n ON n.nspname = s.schemaname
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = s.attname
    JOIN pg_type t ON t.oid = a.atttypid
   CROSS JOIN LATERAL (
         WITH RECURSIVE base(oid, typtype, below) AS (
           SELECT t.oid, t.typtype, t.typbasetype
            UNION ALL
           SELECT x.oid, x.typtype, x.typbasetype FROM base JOIN pg_type x ON x.oid = base.below
         ) SELECT base.oid, base.typtype FROM base WHERE base.below = 0) AS b
   WHERE s.schemaname = ANY ($2::name[]) AND s.tablename = ANY ($3::name[])
     AND (s.most_common_vals IS NOT NULL OR s.histogram_bounds IS NOT NULL OR t.typanalyze::oid <> 0)
   GROUP BY 1, 2`;

async function columnsHeld(session: Session, tables: readonly Known[]): Promise<ColumnHeld[]> {
  if (tables.length === 0) return [];
  const { rows } = await session.query<ColumnHeld>(COLUMNS_HELD, [
    tables.flatMap(({ table, names }) => names.map(() => table.oid)),
    tables.flatMap(({ schemas }) => schemas),
    tables.flatMap(({ names }) => names),
  ]);
  return rows;
}

async function isStale(
  { declaration }: EngineContext,
  session: Session,
  plan: Plan,
  { table, sources, schemas, names, pages }: Known,
  held: readonly ColumnHeld[],
  { archives }: Gone,
): Promise<boolean> {
  const compared: Compared[] = [];
  for (const archive of archives) {
    if (archive.rows === 0 || !sources.some((one) => one.table.oid === archive.table.oid)) continue;
    const columns = columnsOf(plan, archive, held);
    if (columns === null) return true;
    compared.push({ archive: archive.archive, columns });
  }
  return holdsTheirs(session, declaration.letheSchema, {
    table,
    schemas,
    names,
    compared,
    percent: Math.min(100, (100 * SAMPLED_PAGES) / Math.max(1, pages)),
  });
}

/** Null where statistics hold values of a column that the archive does not: a generated one, or a new one. */
function columnsOf(
  plan: Plan,
  archive: Archive,
  held: readonly ColumnHeld[],
): readonly Compared['columns'][number][] | null {
  const live = plan.catalog.tables.find(({ oid }) => oid === archive.table.oid);
  const columns: Compared['columns'][number][] = [];
  for (const { name, opaque, castDiffers } of held) {
    const attnum = live?.columns.find((column) => column.name === name)?.attnum;
    const archived = archive.columns.find((column) => column.attnum === attnum);
    if (archived === undefined) return null;
    columns.push({
      name,
      stored: archived.stored,
      text: opaque || (archived.asText && castDiffers) ? null : asOutput(`a.${archived.stored}`),
    });
  }
  return columns;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
