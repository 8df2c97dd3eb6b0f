/** What the declaration says of a table. */
import type { Declaration, TableAction, TablePolicy } from '../declaration.js';
import { label, type QualifiedName } from '../quote.js';

export function policyOf(table: QualifiedName, { tables }: Declaration): TablePolicy | undefined {
  const name = [label(table), `${table.schema}.${table.name}`].find((one) => Object.hasOwn(tables, one));
  return name === undefined ? undefined : tables[name];
}

/** Whether rows leave the table. */
export function leaves({ action }: { readonly action: TableAction }): boolean {
  return action === 'delete' || action === 'retain';
}

/** Whether rows leave the table, or are changed there. */
export function changes({ action }: { readonly action: TableAction }): boolean {
  return action !== 'keep';
}
