/** The tenant's rows that refer to nothing by a key that is NOT VALID: how many, whether they could come back, which they were. */
import { archivedColumns } from '../archive/columns.js';
import { archiveName, createArchive } from '../archive/tables.js';
import type { CatalogTable, ForeignKey } from '../catalog/types.js';
import type { Archive, NotedOrphans } from '../ledger/record.js';
import { whyNotBackSilently } from '../plan/fast-path.js';
import { firingTriggers } from '../plan/triggers.js';
import type { Plan, PlannedTable } from '../plan/types.js';
import { deletedTables } from '../plan-source.js';
import { ident, label, qualified, shown } from '../quote.js';
import { ownedRows, rowsOf } from '../selection.js';
import { equalities, inRows } from '../selection-sql.js';
import type { Session } from '../session/session.js';

/** A key that PostgreSQL has never checked for the rows that were there, of a table that rows leave. */
export interface UnvalidatedKey {
  readonly key: ForeignKey;
  readonly child: PlannedTable;
  readonly parent: CatalogTable;
}

export function unvalidatedKeys(plan: Plan): UnvalidatedKey[] {
  const tables = new Map(plan.catalog.tables.map((table) => [table.oid, table]));
  const deleted = deletedTables(plan);
  return plan.catalog.foreignKeys.flatMap((key) => {
    const child = deleted.find(({ table }) => table.oid === key.childOid);
    const parent = tables.get(key.parentOid);
    if (key.validated || !key.enforced || key.soft !== undefined) return [];
    return child === undefined || parent === undefined ? [] : [{ key, child, parent }];
  });
}

/** The tenant's orphans, as what stands after FROM. */
export function orphansBy(plan: Plan, { key, child, parent }: UnvalidatedKey): string {
  const same = equalities(key, (name) => `p.${ident(name)}`, 't').join(' AND ');
  const conditions = [
    ownedRows(plan, child.table.oid, 't'),
    ...inRows(key, 't'),
    ...key.childColumns.map((column) => `t.${ident(column)} IS NOT NULL`),
    `NOT EXISTS (SELECT FROM ${parentRows(key, parent)} AS p WHERE ${same})`,
  ];
  return `${rowsOf(child.table)} AS t WHERE ${conditions.join(' AND ')}`;
}

function parentRows({ parentPartition }: ForeignKey, parent: CatalogTable): string {
  return parentPartition === null ? rowsOf(parent) : qualified(parentPartition);
}

/**
 * Why the key's orphans could not come back; null: they could. PostgreSQL's own trigger refuses them, so that they are
 * inserted with triggers off, and what else they refer to is looked up and locked instead.
 */
export function whyNoOrphans(plan: Plan, { key, child }: UnvalidatedKey): string | null {
  const { table } = child;
  const firing = firingTriggers(table).find(({ events }) => events.includes('insert'));
  if (child.triggers === 'fire' && firing !== undefined) return `${shown(firing.name)} fires, as decided`;
  const loud = whyNotBackSilently(table, plan.catalog);
  if (loud !== null) return loud;
  const others = plan.catalog.foreignKeys.filter(
    (one) => one.childOid === table.oid && one.enforced && one.soft === undefined,
  );
  const computed = table.columns.find(
    ({ name, generated }) => generated && others.some(({ childColumns }) => childColumns.includes(name)),
  );
  if (computed !== undefined) return `${shown(computed.name)} is computed, and so not archived`;
  for (const other of others) {
    const parent = plan.catalog.tables.find(({ oid }) => oid === other.parentOid);
    const { select, update, schemaUsage } = parent?.privileges ?? {};
    if (other.oid === key.oid || parent === undefined || (select && update && schemaUsage)) continue;
    return `${shown(plan.catalog.role)} lacks UPDATE on ${label(parent)}, to lock what the same rows refer to by ${shown(other.name)}`;
  }
  return null;
}

/** What is told where they could not. */
export function stuckOrphans(
  plan: Plan,
  { key, child, parent }: UnvalidatedKey,
  rows: number,
  why: string,
): { readonly message: string; readonly remedy: string } {
  const [refer, they] = rows === 1 ? ['refers', 'it'] : ['refer', 'they'];
  return {
    message:
      `${rows} of the tenant's rows in ${child.label} ${refer} by ${shown(key.name)}, which is NOT VALID, to what is not in ` +
      `${label(parent)}: once moved ${they} could come back only with triggers off, and that cannot be: ${why}.`,
    remedy: plan.catalog.maySilenceTriggers
      ? 'Remove this obstacle, mend these rows, or drop the key.'
      : `GRANT SET ON PARAMETER session_replication_role TO ${ident(plan.catalog.role)}; (lethe grants --fast-path), mend these rows, or drop the key.`,
  };
}

/** What a transaction has moved so far. */
export interface JustMoved {
  readonly archives: readonly Archive[];
  /** Rows by table's OID. */
  readonly deleted: ReadonlyMap<number, number>;
  /** By table's OID, the archive's block before which nothing is new; none: the first. */
  readonly from: ReadonlyMap<number, number>;
}

/**
 * Notes which of the rows that this transaction has moved refer to nothing: neither to a row that is there, nor to one
 * that went with them. Keys bind whoever writes now, so that a parent which an earlier transaction moved cannot have
 * left such a row behind. Gives the archives with what was noted.
 */
export async function noteOrphans(
  session: Session,
  plan: Plan,
  moved: JustMoved,
  { schema, ledgerId }: { readonly schema: string; readonly ledgerId: string },
): Promise<readonly Archive[]> {
  let { archives } = moved;
  for (const one of unvalidatedKeys(plan)) {
    const { key, child } = one;
    const place = archives.findIndex(({ table }) => table.oid === key.childOid);
    const archive = archives[place];
    const source = archive && newOrphans(one, archive, { ...moved, archives }, schema);
    if (archive === undefined || !source) continue;
    const { rows } = await session.query<{ any: boolean }>(
      `SELECT EXISTS (SELECT FROM ${source}) AS any`,
      [],
      { table: child.label },
    );
    if (rows[0]?.any !== true) continue;
    const stored = storedColumns(archive, key.childColumns).map(({ stored: name }) => name);
    const before = archive.orphans?.find((noted) => noted.key.oid === key.oid);
    const noted = before ?? (await newNote(session, one, stored, { schema, ledgerId }, archives));
    await session.query(
      `INSERT INTO ${qualified({ schema, name: noted.archive })} (${stored.join(', ')})
       SELECT DISTINCT ${stored.map((name) => `a.${name}`).join(', ')} FROM ${source}`,
      [],
      { table: child.label },
    );
    if (before !== undefined) continue;
    const orphans = [...(archive.orphans ?? []), noted];
    archives = archives.map((other, at) => (at === place ? { ...other, orphans } : other));
  }
  return archives;
}

async function newNote(
  session: Session,
  { key, child }: UnvalidatedKey,
  stored: readonly string[],
  { schema, ledgerId }: { readonly schema: string; readonly ledgerId: string },
  archives: readonly Archive[],
): Promise<NotedOrphans> {
  const notes = archives.reduce((sum, { orphans = [] }) => sum + orphans.length, 0);
  const name = archiveName('orphans', ledgerId, notes + 1);
  const columns = archivedColumns(child.table).filter(({ archived }) => stored.includes(archived.stored));
  await createArchive(session, { schema, name }, columns);
  return { archive: name, key: { oid: key.oid, name: key.name }, stored };
}

function storedColumns({ columns }: Archive, names: readonly string[]) {
  return names.flatMap((name) => columns.find((column) => column.name === name) ?? []);
}

/** Null where there can be none, or where they were refused before anything went. */
function newOrphans(
  { key, child, parent }: UnvalidatedKey,
  archive: Archive,
  { archives, deleted, from }: JustMoved,
  schema: string,
): string | null {
  if (!deleted.get(key.childOid) || key.temporal || key.childPartition !== null) return null;
  const own = storedColumns(archive, key.childColumns);
  if (own.length < key.childColumns.length) return null;
  const typed = (table: CatalogTable, alias: string) => (column: Archive['columns'][number]) => {
    const type = table.columns.find(({ name }) => name === column.name)?.type;
    return column.asText ? `CAST(${alias}.${column.stored} AS ${type})` : `${alias}.${column.stored}`;
  };
  const values = own.map(typed(child.table, 'a'));
  const justNow = (alias: string, oid: number) =>
    `${alias}.xmin = pg_current_xact_id()::xid AND ${alias}.ctid >= '(${from.get(oid) ?? 0},0)'::tid`;
  const equal = (parents: readonly string[]) =>
    parents.map((value, place) => `${value} ${key.operators[place]} ${values[place]}`).join(' AND ');
  const live = equal(key.parentColumns.map((name) => `p.${ident(name)}`));
  const conditions = [
    justNow('a', key.childOid),
    ...own.map(({ stored }) => `a.${stored} IS NOT NULL`),
    `NOT EXISTS (SELECT FROM ${parentRows(key, parent)} AS p WHERE ${live})`,
  ];
  const gone = deleted.get(key.parentOid) && archives.find(({ table }) => table.oid === key.parentOid);
  if (gone) {
    const parents = storedColumns(gone, key.parentColumns).map(typed(parent, 'q'));
    const name = qualified({ schema, name: gone.archive });
    conditions.push(
      `NOT EXISTS (SELECT FROM ${name} AS q WHERE ${justNow('q', key.parentOid)} AND ${equal(parents)})`,
    );
  }
  return `${qualified({ schema, name: archive.archive })} AS a WHERE ${conditions.join(' AND ')}`;
}
