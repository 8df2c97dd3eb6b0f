/** A plan that knows what was archived already. */
import type { Archive } from '../ledger/record.js';
import type { ArchivedRows, Plan } from '../plan/types.js';
import { qualified } from '../quote.js';

export function withArchived(plan: Plan, archives: readonly Archive[], schema: string): Plan {
  const archived = new Map<number, ArchivedRows[]>();
  for (const { archive, table, columns } of archives) {
    const live = plan.catalog.tables.find(({ oid }) => oid === table.oid);
    const rows = {
      from: qualified({ schema, name: archive }),
      columns: new Map(
        columns.flatMap(({ attnum, stored, asText }) => {
          const name = live?.columns.find((column) => column.attnum === attnum)?.name;
          // What was archived as text would have to be cast to be compared.
          return name === undefined || asText ? [] : [[name, stored] as const];
        }),
      ),
    };
    archived.set(table.oid, [...(archived.get(table.oid) ?? []), rows]);
  }
  return { ...plan, archived };
}
