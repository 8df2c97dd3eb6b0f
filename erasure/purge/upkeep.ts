/** What keeps copies of values after the rows are gone: statistics, and materialized views. */
import type { EngineContext } from '../context.js';
import { UPKEEP } from '../install/upkeep-sql.js';
import type { Plan } from '../plan/types.js';
import { label, literal, qualified } from '../quote.js';
import type { Session } from '../session/session.js';
import { type Gone, staleStatistics, touchedTables } from './statistics.js';

/** OIDs of the tables whose statistics have to be made anew, and of the views that read what has changed, which come after. */
export async function upkeepNeeded(
  context: EngineContext,
  session: Session,
  plan: Plan,
  gone: Gone,
): Promise<number[]> {
  const touched = touchedTables(plan, gone);
  if (touched.length === 0) return [];
  const oids = new Set(touched.map(({ table }) => table.oid));
  const views = plan.catalog.materializedViews.filter(({ tableOids }) =>
    tableOids.some((oid) => oids.has(oid)),
  );
  const stale = await staleStatistics(context, session, plan, touched, gone);
  return [...stale, ...views.map(({ oid }) => oid)];
}

/** A transaction each would be dearer than most of them are. */
const TOGETHER_MS = 250;

/** Refreshes the first of them: as many as go in a short transaction, or a view alone. */
export async function upkeepOfSome(
  context: EngineContext,
  session: Session,
  oids: readonly number[],
): Promise<{ readonly done: number; readonly notDone: readonly string[] }> {
  const notDone: string[] = [];
  const began = Date.now();
  for (const [done, oid] of oids.entries()) {
    const relation = await relationOf(context, session, oid);
    if (relation?.view && done > 0) return { done, notDone };
    if (relation !== null) notDone.push(...(await upkeepOf(context, session, oid, relation)));
    if (relation?.view || Date.now() - began >= TOGETHER_MS) return { done: done + 1, notDone };
  }
  return { done: oids.length, notDone };
}

interface Relation {
  readonly schema: string;
  readonly name: string;
  readonly view: boolean;
  readonly populated: boolean;
  /** Whether the role may do it itself. */
  readonly maintain: boolean;
  /** Whether the owner lends a function for it. */
  readonly lent: boolean;
}

const RELATION = (function_: string) => `
  SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind = 'm' AS view,
         c.relispopulated AS populated,
         pg_has_role(c.relowner, 'USAGE')
           OR CASE WHEN current_setting('server_version_num')::int >= 170000
                   THEN has_table_privilege(c.oid, 'MAINTAIN') ELSE false END AS maintain,
         COALESCE(has_function_privilege(to_regprocedure(${literal(function_)}), 'EXECUTE'), false) AS lent
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = $1 AND c.relkind IN ('r', 'p', 'm')`;

/** Null where it was dropped since: its statistics are gone with it. */
async function relationOf(context: EngineContext, session: Session, oid: number): Promise<Relation | null> {
  const { rows } = await session.query<Relation>(RELATION(`${lentBy(context)}(regclass)`), [oid]);
  return rows[0] ?? null;
}

function lentBy({ declaration }: EngineContext): string {
  return qualified({ schema: declaration.letheSchema, name: UPKEEP });
}

/** Refreshes one of them. Gives what could not be done, in words. */
async function upkeepOf(
  context: EngineContext,
  session: Session,
  oid: number,
  relation: Relation,
): Promise<string[]> {
  const name = label(relation);
  if (relation.view && !relation.populated) return [];
  const notDone = relation.lent
    ? await refreshByOwner(session, relation, lentBy(context), oid)
    : relation.maintain
      ? await refresh(session, relation)
      : [...verbs(relation)];
  for (const what of notDone)
    context.logger?.warn({ relation: name }, `Not done for want of a right: ${what}`);
  return notDone;
}

async function refreshByOwner(
  session: Session,
  relation: Relation,
  lentFunction: string,
  oid: number,
): Promise<string[]> {
  const name = label(relation);
  const { rows } = await session.query<{ cleared: boolean }>(
    `SELECT ${lentFunction}($1::oid::regclass) AS cleared`,
    [oid],
    { table: name, privilege: 'EXECUTE' },
  );
  return rows[0]?.cleared ? [] : [clearStatistics(name)];
}

/** Where Lethe was not installed by our migration, as far as MAINTAIN goes. */
async function refresh(session: Session, relation: Relation): Promise<string[]> {
  const name = label(relation);
  for (const statement of verbs(relation)) await session.query(statement, [], { table: name });
  const { rows } = await session.query<{ empty: boolean }>(
    `SELECT NOT EXISTS (SELECT FROM ${qualified(relation)}) AS empty`,
    [],
    { table: name, privilege: 'SELECT' },
  );
  // ANALYZE leaves the statistics of an empty table as they were, and only a superuser can clear them.
  return rows[0]?.empty ? [clearStatistics(name)] : [];
}

function verbs(relation: Relation): readonly string[] {
  const analyze = `ANALYZE ${qualified(relation)}`;
  return relation.view ? [`REFRESH MATERIALIZED VIEW ${qualified(relation)}`, analyze] : [analyze];
}

function clearStatistics(name: string): string {
  return `clear the statistics of ${name}`;
}
