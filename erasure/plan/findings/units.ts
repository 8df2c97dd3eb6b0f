/** Tables whose rows cannot always be cut into chunks. */
import { label } from '../../quote.js';
import type { PlanFinding } from '../types.js';
import { unitsOf } from '../units.js';
import { type Found, finding, tablesByOid } from './found.js';

export function unitFindings(found: Found): PlanFinding[] {
  const tables = tablesByOid(found);
  const { foreignKeys } = found.catalog;
  return unitsOf(found.tables, foreignKeys).flatMap(({ tableOids, reason }) => {
    const declared = foreignKeys.some(
      ({ soft, childOid, parentOid }) =>
        soft !== undefined && tableOids.includes(childOid) && tableOids.includes(parentOid),
    );
    if (reason !== 'cycle' && !declared) return [];
    const names = tableOids.flatMap((oid) => tables.get(oid) ?? []).map(label);
    const which = declared ? 'all of them go' : 'what holds itself in a circle goes';
    return [
      finding('info', {
        code: 'moved_together',
        table: names[0] ?? null,
        message: `Rows of ${names.join(', ')} refer to each other: of a large tenant, ${which} in one transaction.`,
        remedy:
          'Nothing has to be done. Where a tenant has millions of such rows, give LONGEST_TRANSACTION the time.',
      }),
    ];
  });
}
