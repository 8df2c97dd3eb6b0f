/** A ledger's row that was written in another database: a dump was loaded, and OIDs and transaction ids mean nothing here. */
import { liveTables } from '../restore/live-tables.js';
import type { Session } from '../session/session.js';
import type { ArchivedColumn, ArchivedTable, LedgerRow, NotedOrphans } from './record.js';

/** No relation and no constraint has it. */
export const GONE = 0;

/** The row with tables and columns found by their names, and without what only the other database knew. */
export async function rehomed(session: Session, row: LedgerRow): Promise<LedgerRow> {
  if (row.sameDatabase) return row;
  return {
    ...row,
    archives: await found(session, row.archives),
    savedReferences: await found(session, row.savedReferences),
    horizon: null,
    horizonPassed: false,
    upkeep: null,
  };
}

interface Entry {
  readonly table: ArchivedTable;
  readonly columns: readonly ArchivedColumn[];
  readonly key?: readonly ArchivedColumn[];
  readonly orphans?: readonly NotedOrphans[];
}

async function found<E extends Entry>(session: Session, entries: readonly E[]): Promise<E[]> {
  const live = await liveTables(
    session,
    entries.map(({ table }) => table),
    'name',
  );
  return entries.map((entry, place) => {
    const table = live[place];
    const numbered = (columns: readonly ArchivedColumn[]) =>
      columns.map((column) => ({
        ...column,
        attnum: table?.columns.find(({ name }) => name === column.name)?.attnum ?? GONE,
      }));
    return {
      ...entry,
      table: { ...entry.table, oid: table?.oid ?? GONE },
      columns: numbered(entry.columns),
      ...(entry.key && { key: numbered(entry.key) }),
      ...(entry.orphans && {
        orphans: entry.orphans.map((one) => ({ ...one, key: { ...one.key, oid: GONE } })),
      }),
    };
  });
}
