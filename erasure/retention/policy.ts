/** What an archive keeps of its table's policy: it holds as it was approved, whatever is declared by the purge. */
import type { Retention } from '../declaration.js';
import type { Plan } from '../plan/types.js';

export function retentionOf(plan: Plan, tableOid: number): { readonly retention?: Retention } {
  const retention = plan.tables.find(({ table }) => table.oid === tableOid)?.retention;
  return retention === undefined ? {} : { retention };
}
