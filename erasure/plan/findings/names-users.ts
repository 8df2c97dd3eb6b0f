/** Columns that name people in rows that stay: nobody empties them when a tenant goes. */
import type { CatalogTable, Column } from '../../catalog/types.js';
import { label, shown } from '../../quote.js';
import { snakeCase } from '../ownership.js';
import type { PlanFinding } from '../types.js';
import { type Found, finding } from './found.js';
import { PERSON } from './policies.js';

const ASSIGNED = /(^|_)(assigned_to|assignee)(_(id|uuid))?$/;
/** `email_verified`, `phone_checked_at`: about a person, and naming nobody. */
const NAMES_NOBODY = /^(boolean|date|interval|time|timestamp|real|double precision|numeric)\b/;
const MOST_NAMED = 10;

/**
 * Of tables that are kept, and of those that nobody owns. Where rows are anonymized each such column has a rule, or the
 * plan is refused.
 */
export function userColumnFindings(found: Found): PlanFinding[] {
  const kept = new Set(found.tables.filter(({ action }) => action === 'keep').map(({ table }) => table.oid));
  const owned = new Set(found.ownedTables.map(({ table }) => table.oid));
  return found.catalog.tables
    .filter(
      ({ oid, declared, extensionOwned }) =>
        declared && !extensionOwned && (kept.has(oid) || !owned.has(oid)),
    )
    .flatMap((table): PlanFinding[] => {
      const columns = columnsOf(table, found);
      if (columns.length === 0) return [];
      const named = columns.slice(0, MOST_NAMED).map(shown).join(', ');
      const more = columns.length > MOST_NAMED ? `, and ${columns.length - MOST_NAMED} more` : '';
      const name = label(table);
      const why = kept.has(table.oid) ? 'is kept' : 'belongs to no tenant';
      return [
        finding('info', {
          code: 'column_names_users',
          table: name,
          message: `${name} ${why}, and ${named}${more} look as if they named users: who was there with a tenant alone may still stand there when the tenant has gone.`,
          remedy: `Look at whom they name. If these people should not stay, declare ${name} to be anonymized or deleted from where its rows are a tenant's, or have its own service forget them.`,
        }),
      ];
    });
}

function columnsOf(table: CatalogTable, { declaration, references }: Found): string[] {
  const { columns: tenantColumns, columnsOf: byTable = {} } = declaration.tenant;
  const ofTenants = [...tenantColumns, ...Object.values(byTable).flat()];
  const nulled = references.filter(({ key }) => key.childOid === table.oid).flatMap(({ columns }) => columns);
  return table.columns
    .filter((column) => namesSomebody(column))
    .map(({ name }) => name)
    .filter((name) => !ofTenants.includes(name) && !nulled.includes(name));
}

function namesSomebody({ name, baseType }: Column): boolean {
  const plain = snakeCase(name).toLowerCase();
  return (PERSON.test(plain) || ASSIGNED.test(plain)) && !NAMES_NOBODY.test(baseType);
}
