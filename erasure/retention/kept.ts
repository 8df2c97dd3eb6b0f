/** How many rows stay as they are, counted before anything that they may hang on goes. */
import { changes } from '../plan/policy.js';
import type { Plan } from '../plan/types.js';
import { countEach } from '../preview/counts.js';
import { isReadable } from '../preview/readable.js';
import { ownedRows, rowsOf } from '../selection.js';
import type { Session } from '../session/session.js';
import type { Outcomes } from './outcome.js';

export async function keptRows(session: Session, plan: Plan, tenantId: string): Promise<Outcomes> {
  const kept = plan.tables.filter((one) => !changes(one) && isReadable(plan, one.table.oid));
  if (kept.length === 0) return {};
  const sources = kept.map(({ table }) => `${rowsOf(table)} AS t WHERE ${ownedRows(plan, table.oid, 't')}`);
  const counts = await session.run((client) => countEach(client, sources, tenantId));
  return Object.fromEntries(kept.map(({ label }, place) => [label, { kept: counts[place] ?? 0 }]));
}
