/** Rows that belong to the tenant and to somebody else as well, along different keys. */
import { isRequired, keyLabel } from '../plan/ownership.js';
import { leaves } from '../plan/policy.js';
import { columnLabel } from '../plan/soft-references.js';
import type { Ownership, Plan, PlanFinding, PlannedTable } from '../plan/types.js';
import { ident, shown } from '../quote.js';
import { notOwnedAlong, ownedAlong, ownedRows, rowsOf } from '../selection.js';
import { inRows } from '../selection-sql.js';
import type { Check } from './conflicts.js';
import { isReadable } from './readable.js';

/** A row goes if any of its owners goes: where another owner stays, somebody ought to know. */
export function sharedRowChecks(plan: Plan): Check[] {
  return plan.tables
    .filter((one) => leaves(one) && one.ownership.length > 1 && isReadable(plan, one.table.oid))
    .flatMap((planned) => planned.ownership.map((one) => checkOf(plan, planned, one)));
}

function checkOf(plan: Plan, planned: PlannedTable, one: Ownership): Check {
  const { table, ownership } = planned;
  const columns = one.kind === 'tenant_column' ? [one.column] : one.key.childColumns;
  const refers =
    one.kind === 'reference' && isRequired(table, one.key)
      ? []
      : columns.map((column) => `t.${ident(column)} IS NOT NULL`);
  const about = one.kind === 'tenant_column' ? columnLabel(table, one.column) : keyLabel(table, one.key);
  const others = ownership.filter((other) => other !== one);
  // Not along this one, so along another: where there is one other, that says it all.
  const owned =
    others.length === 1
      ? others.map((other) => ownedAlong(plan, table, other, 't'))
      : [ownedRows(plan, table.oid, 't')];
  const another = [
    ...(one.kind === 'reference' ? inRows(one.key, 't') : []),
    notOwnedAlong(plan, table, one, 't'),
  ];
  return {
    source: `${rowsOf(table)} AS t WHERE ${[...owned, ...refers, ...another].join(' AND ')}`,
    finding: (rows): PlanFinding => ({
      code: 'row_of_several_owners',
      severity: 'warning',
      table: planned.label,
      privilege: null,
      message:
        `${rows === 1 ? '1 row' : `${rows} rows`} of ${planned.label} would go with this tenant and ` +
        `${rows === 1 ? 'belongs' : 'belong'} along ${columns.map(shown).join(', ')} to somebody else.`,
      remedy: `If ${rows === 1 ? 'it' : 'they'} should stay, change the rows first; see ${about}.`,
    }),
  };
}
