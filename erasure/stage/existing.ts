/** Whether there are rows, asked of many tables at once. */
import type { Plan } from '../plan/types.js';
import { deletedTables } from '../plan-source.js';
import { ownedRows, rowsOf } from '../selection.js';
import type { Session } from '../session/session.js';

/**
 * What a plan should be good at: to find a first row soon, or to see that there is none. The former looks each row up
 * that somebody else has and each that is dead.
 */
export type Expected = 'some' | 'none';

/** OIDs of the tables, of all or of some, in which the tenant has rows that are to be deleted. */
export async function tablesWithRows(
  session: Session,
  plan: Plan,
  tenantId: string,
  among?: readonly number[],
  expected: Expected = 'some',
): Promise<Set<number>> {
  const all = deletedTables(plan).map(({ table }) => table);
  const tables = among === undefined ? all : all.filter(({ oid }) => among.includes(oid));
  const found = await existing(
    session,
    tables.map((table) => `${rowsOf(table)} AS t WHERE ${ownedRows(plan, table.oid, 't')}`),
    tenantId,
    expected,
  );
  return new Set(tables.filter((_, place) => found[place]).map((table) => table.oid));
}

/** PostgreSQL plans a statement as a whole; so wide that this takes long, it is cut. */
const PER_STATEMENT = 100;

/** For each source, which is what comes after `FROM`, whether it has a row. The tenant is `$1`. */
export async function existing(
  session: Session,
  sources: readonly string[],
  tenantId: string,
  expected: Expected = 'some',
): Promise<boolean[]> {
  const answers: boolean[] = [];
  for (let first = 0; first < sources.length; first += PER_STATEMENT) {
    const columns = sources
      .slice(first, first + PER_STATEMENT)
      .map((source, place) => `${asked(source, expected)} AS e${place}`);
    const { rows } = await session.query<Record<string, boolean>>(`SELECT ${columns.join(', ')}`, [tenantId]);
    answers.push(...columns.map((_, place) => rows[0]?.[`e${place}`] === true));
  }
  return answers;
}

function asked(source: string, expected: Expected): string {
  return expected === 'some'
    ? `EXISTS (SELECT FROM ${source})`
    : `(SELECT count(*) FROM ${source}) OPERATOR(pg_catalog.>) 0`;
}
