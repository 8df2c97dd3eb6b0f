/** Whether columns that no export may have are there. */
import { shown } from '../../quote.js';
import { policyOf } from '../policy.js';
import type { PlanFinding } from '../types.js';
import { type Found, finding } from './found.js';

export function secretFindings({ tables, declaration }: Found): PlanFinding[] {
  return tables.flatMap(({ table, label: name }) => {
    const columns = table.columns.map((column) => column.name);
    const missing = (policyOf(table, declaration)?.secretColumns ?? []).filter(
      (column) => !columns.includes(column),
    );
    return missing.map((column) =>
      finding('warning', {
        code: 'secret_column_unknown',
        table: name,
        message: `${name} has no column ${shown(column)}, which is declared secret. An export of a tenant's data would fail, rather than let it through under another name.`,
        remedy: 'Correct its name in the declaration, or take it out.',
      }),
    );
  });
}
