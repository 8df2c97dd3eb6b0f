/** Moving with triggers off: what they would have checked is checked set by set, before anything is committed. */
import type { CatalogTable, ForeignKey } from '../catalog/types.js';
import { sqlstateOf } from '../errors.js';
import type { Archive } from '../ledger/record.js';
import type { Plan } from '../plan/types.js';
import { countEach } from '../preview/counts.js';
import { ident, label, qualified, shown } from '../quote.js';
import { rowsOf } from '../selection.js';
import type { Session } from '../session/session.js';

/** The fast path does not lead there: everything is rolled back, and done with triggers on. */
export class NotByFastPath extends Error {
  override readonly name = 'NotByFastPath';
}

/**
 * Whether a unit, by its place, is moved with triggers off: where that is faster, and in any case where a person has
 * said that triggers are not to fire. Only with an archive, against which keys are checked afterwards.
 */
export function withoutTriggers(
  plan: Plan,
  place: number,
  { fast, mode }: { readonly fast?: boolean; readonly mode: 'archive' | 'discard' },
): boolean {
  if (mode !== 'archive' || plan.fastPath[place] !== null) return false;
  const unit = plan.units[place]?.tableOids ?? [];
  return (
    fast === true ||
    plan.tables.some(({ table, triggers }) => triggers === 'suppress' && unit.includes(table.oid))
  );
}

/** Runs a statement that no trigger fires on, neither a foreign key's nor anybody's. For this statement alone. */
export async function withTriggersOff<T>(session: Session, work: () => Promise<T>): Promise<T> {
  const before = await setRole(session, 'replica').catch((error: unknown) => {
    if (sqlstateOf(error) !== '42501') throw error;
    throw new NotByFastPath('The role may not set session_replication_role', { cause: error });
  });
  // After a failure the transaction is over, and the setting with it.
  const result = await work();
  await setRole(session, before);
  return result;
}

async function setRole(session: Session, role: string): Promise<string> {
  const { rows } = await session.query<{ before: string }>(
    `SELECT current_setting('session_replication_role') AS before,
            set_config('session_replication_role', $1, true)`,
    [role],
  );
  return rows[0]?.before ?? 'origin';
}

/**
 * Throws `NotByFastPath` where a row refers to one that was moved. Asked in a statement that begins after the last
 * move: whoever inserted such a row either had committed by then, and it is seen, or waits for our lock on the row it
 * refers to, and fails once we have committed. `from`: blocks of archives, by table's OID, before which nothing is new.
 */
export async function assertNothingRefers(
  session: Session,
  plan: Plan,
  moved: ReadonlySet<number>,
  archives: readonly Archive[],
  letheSchema: string,
  from: ReadonlyMap<number, number> = new Map(),
): Promise<void> {
  const tables = new Map(plan.catalog.tables.map((table) => [table.oid, table]));
  const checks = plan.catalog.foreignKeys.flatMap((key) => {
    const child = tables.get(key.childOid);
    const parent = tables.get(key.parentOid);
    const archive = archives.find(({ table }) => table.oid === key.parentOid);
    const binding = key.enforced && key.soft === undefined;
    if (!binding || !moved.has(key.parentOid) || !child || !parent || !archive) return [];
    const source = referring(key, child, parent, archive, letheSchema, from.get(key.parentOid) ?? 0);
    return [{ key, child, source }];
  });
  const counts = await session.run((client) =>
    countEach(
      client,
      checks.map(({ source }) => source),
      '',
    ),
  );
  const found = checks.find((_, place) => (counts[place] ?? 0) > 0);
  if (found === undefined) return;
  throw new NotByFastPath(
    `Rows of ${label(found.child)} refer by ${shown(found.key.name)} to rows that were moved`,
  );
}

function referring(
  key: ForeignKey,
  child: CatalogTable,
  parent: CatalogTable,
  archive: Archive,
  schema: string,
  fromBlock: number,
): string {
  const same = key.parentColumns.map((name, place) => {
    const stored = archive.columns.find((column) => column.name === name);
    const type = parent.columns.find((column) => column.name === name)?.type;
    const childColumn = key.childColumns[place];
    if (stored === undefined || type === undefined || childColumn === undefined)
      throw new NotByFastPath(`${shown(name)} of ${label(parent)} is not in its archive`);
    const value = stored.asText ? `CAST(a.${stored.stored} AS ${type})` : `a.${stored.stored}`;
    return `${value} ${key.operators[place]} t.${ident(childColumn)}`;
  });
  const tail = fromBlock > 0 ? [`a.ctid >= '(${fromBlock},0)'::tid`] : [];
  return `${rowsOf(child)} AS t WHERE $1::pg_catalog.text IS NOT NULL
    AND EXISTS (SELECT FROM ${qualified({ schema, name: archive.archive })} AS a WHERE ${[...same, ...tail].join(' AND ')})`;
}
