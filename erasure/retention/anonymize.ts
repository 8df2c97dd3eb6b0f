/** Rows that stay and no longer lead to the tenant: what they were is saved until the purge, and put back by a restore. */
import { type ColumnPlan, referenceColumns } from '../archive/columns.js';
import { archiveName, createArchive } from '../archive/tables.js';
import type { EngineContext } from '../context.js';
import type { ColumnRule } from '../declaration.js';
import { EngineError } from '../engine-types.js';
import { TryAgain } from '../errors.js';
import type { LedgerRow, SavedReference } from '../ledger/record.js';
import type { Plan, PlannedTable } from '../plan/types.js';
import { ident, literal, qualified } from '../quote.js';
import { ownedRows, rowsOf } from '../selection.js';
import type { Session } from '../session/session.js';
import { TransactionCounts } from '../stage/transaction-counts.js';
import { merged, type Outcomes } from './outcome.js';

/** The rules that change something, in order of name. */
export function changingRules(
  rules: Readonly<Record<string, ColumnRule>> = {},
): { readonly column: string; readonly becomes: string | null }[] {
  return Object.entries(rules)
    .flatMap(([column, rule]) =>
      rule.becomes === 'keep' ? [] : [{ column, becomes: rule.becomes === 'null' ? null : rule.value }],
    )
    .sort((one, other) => (one.column < other.column ? -1 : 1));
}

interface Options {
  readonly context: EngineContext;
  readonly session: Session;
  readonly plan: Plan;
  readonly row: LedgerRow;
  /** `discard`: there is no way back any more, so nothing is saved. */
  readonly mode: 'archive' | 'discard';
}

export interface Anonymized {
  /** Rows in this pass. */
  readonly rows: number;
  /** The ledger's row as it has to be written. */
  readonly row: LedgerRow;
}

/**
 * Changes what is the tenant's in such tables, before anything is deleted: what these rows refer to may go then.
 * Committed together with what the ledger says of it.
 */
export async function anonymizeRows(options: Options): Promise<Anonymized> {
  const { session, plan, row } = options;
  const tables = plan.tables.filter(({ action }) => action === 'anonymize');
  const savedReferences = [...row.savedReferences];
  let outcome: Outcomes = row.outcome;
  let rows = 0;
  for (const one of tables) {
    const counts = await TransactionCounts.begin(session, plan);
    const done = await anonymizeTable(options, one, savedReferences);
    if (done === 0) continue;
    await session.query('SET CONSTRAINTS ALL IMMEDIATE');
    await counts.expect(session, new Map(), new Map([[one.table.oid, done]]));
    outcome = merged(outcome, { [one.label]: { anonymized: done } });
    rows += done;
  }
  return { rows, row: { ...row, savedReferences, outcome } };
}

async function anonymizeTable(
  options: Options,
  { table, label, rules }: PlannedTable,
  savedReferences: SavedReference[],
): Promise<number> {
  const { context, session, plan, row, mode } = options;
  const about = { table: label, privilege: 'UPDATE' };
  const theirs = `${rowsOf(table)} AS t WHERE ${ownedRows(plan, table.oid, 't')}`;
  const found = await session.query<{ found: boolean }>(
    `SELECT EXISTS (SELECT FROM ${theirs}) AS found`,
    [row.tenantId],
    about,
  );
  if (found.rows[0]?.found !== true) return 0;
  const changes = changingRules(rules);
  const { key, nulled } = referenceColumns(
    table,
    table.primaryKey ?? [],
    changes.map(({ column }) => column),
  );
  const name = archiveName('references', row.id, savedReferences.length + 1);
  const saved = qualified({ schema: context.declaration.letheSchema, name });
  const all: ColumnPlan[] = [...key, ...nulled];
  // Also where nothing will come back: the rows are found again by it, once they are nobody's.
  await createArchive(session, { schema: context.declaration.letheSchema, name }, all);
  const { rowCount: locked } = await session.query(
    `INSERT INTO ${saved} (${all.map(({ archived }) => archived.stored).join(', ')})
     SELECT ${all.map(({ value }) => value).join(', ')} FROM ${theirs} FOR UPDATE OF t`,
    [row.tenantId],
    about,
  );
  const type = (column: string) => table.columns.find((one) => one.name === column)?.type ?? 'text';
  const assignments = changes.map(
    ({ column, becomes }) =>
      `${ident(column)} = ${becomes === null ? 'NULL' : `CAST(${literal(becomes)} AS ${type(column)})`}`,
  );
  const same = key.map(({ archived, value }) => `${value} = a.${archived.stored}`);
  const { rowCount: changed } = await session.query(
    `UPDATE ${rowsOf(table)} AS t SET ${assignments.join(', ')} FROM ${saved} AS a WHERE ${same.join(' AND ')}`,
    [],
    about,
  );
  if (changed !== locked) throw notExact(label, changed ?? 0, locked ?? 0);
  if (mode === 'discard') {
    await session.query(`DROP TABLE ${saved}`);
    return changed ?? 0;
  }
  savedReferences.push({
    archive: name,
    table: { oid: table.oid, schema: table.schema, name: table.name },
    constraint: 'anonymized',
    rows: changed ?? 0,
    key: key.map(({ archived }) => archived),
    columns: nulled.map(({ archived }) => archived),
    became: 'null',
    constants: changes.map(({ becomes }) => becomes),
  });
  return changed ?? 0;
}

function notExact(label: string, changed: number, saved: number): TryAgain {
  return new TryAgain(
    new EngineError(
      'move_not_exact',
      `${label}: ${changed} rows were anonymized where ${saved} were saved. Everything was rolled back. Look for triggers on UPDATE.`,
      { table: label },
    ),
  );
}
