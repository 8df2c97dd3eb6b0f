/** Whether there are rows, asked of many tables at once. */
import type { Plan } from '../plan/types.js';
import { deletedTables } from '../plan-source.js';
import { ownedRows, rowsOf } from '../selection.js';
import type { Session } from '../session/session.js';

/** OIDs of the tables, of all or of some, in which the tenant has rows that are to be deleted. */
export async function tablesWithRows(
  session: Session,
  plan: Plan,
  tenantId: string,
  among?: readonly number[],
): Promise<Set<number>> {
  const all = deletedTables(plan).map(({ table }) => table);
  const tables = among === undefined ? all : all.filter(({ oid }) => among.includes(oid));
  const found = await existing(
    session,
    tables.map((table) => `${rowsOf(table)} AS t WHERE ${ownedRows(plan, table.oid, 't')}`),
    tenantId,
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
): Promise<boolean[]> {
  const answers: boolean[] = [];
  for (let first = 0; first < sources.length; first += PER_STATEMENT) {
    const columns = sources
      .slice(first, first + PER_STATEMENT)
      .map((source, place) => `${exists(source)} AS e${place}`);
    const { rows } = await session.query<Record<string, boolean>>(`SELECT ${columns.join(', ')}`, [tenantId]);
    answers.push(...columns.map((_, place) => rows[0]?.[`e${place}`] === true));
  }
  return answers;
}

/**
 * Of a plain EXISTS PostgreSQL expects to meet a first row soon, wherever it looks, and looks up row after row that
 * somebody else has, or that is dead, until it comes to the tenant's. Below a join, and kept apart by OFFSET, the rows
 * are planned as if all of them were wanted: from the tenant on. It still stops at the first.
 */
function exists(source: string): string {
  return `EXISTS (SELECT FROM (SELECT FROM ${source} OFFSET 0) AS found CROSS JOIN pg_catalog.generate_series(1, 1))`;
}
