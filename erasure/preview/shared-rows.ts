/** Rows that belong to the tenant and to somebody else as well, along different keys. */
import { isRequired, keyLabel } from '../plan/ownership.js';
import type { Ownership, Plan, PlanFinding, PlannedTable } from '../plan/types.js';
import { ident, shown } from '../quote.js';
import { notReferringToOwned, ownedRows, rowsOf } from '../selection.js';
import type { Check } from './conflicts.js';
import { isReadable } from './readable.js';

/** A row goes if any of its owners goes: where another owner stays, somebody ought to know. */
export function sharedRowChecks(plan: Plan): Check[] {
  return plan.tables
    .filter(
      ({ table, action, ownership }) =>
        action === 'delete' && ownership.length > 1 && isReadable(plan, table.oid),
    )
    .flatMap((planned) => planned.ownership.flatMap((one) => checkOf(plan, planned, one)));
}

function checkOf(plan: Plan, planned: PlannedTable, one: Ownership): Check[] {
  if (one.kind === 'tenant_column') return [];
  const { table } = planned;
  const { key } = one;
  const refers = isRequired(table, key)
    ? []
    : key.childColumns.map((column) => `t.${ident(column)} IS NOT NULL`);
  const conditions = [ownedRows(plan, table.oid, 't'), ...refers, notReferringToOwned(plan, key, 't')];
  return [
    {
      source: `${rowsOf(table)} AS t WHERE ${conditions.join(' AND ')}`,
      finding: (rows): PlanFinding => ({
        code: 'row_of_several_owners',
        severity: 'warning',
        table: planned.label,
        privilege: null,
        message:
          `${rows === 1 ? '1 row' : `${rows} rows`} of ${planned.label} would go with this tenant and ` +
          `${rows === 1 ? 'belongs' : 'belong'} along ${key.childColumns.map(shown).join(', ')} to somebody else.`,
        remedy: `If ${rows === 1 ? 'it' : 'they'} should stay, change the rows first; see ${keyLabel(table, key)}.`,
      }),
    },
  ];
}
