/** Whether every table that holds tenants' rows has been accepted, with a policy. */
import { EngineError } from '../engine-types.js';
import type { Plan } from './types.js';

const MOST_NAMED = 20;

/** Throws `plan_refused`, naming the tables that nobody has decided about. */
export function assertCovered({ unacceptedTables }: Plan): void {
  const [first] = unacceptedTables;
  if (first === undefined) return;
  const more = unacceptedTables.length - MOST_NAMED;
  const named = unacceptedTables.slice(0, MOST_NAMED).join(', ');
  throw new EngineError(
    'plan_refused',
    `Nobody has decided what becomes of tenants' rows in ${named}${more > 0 ? ` and ${more} more` : ''}. Accept each with a policy; until then no tenant is deleted.`,
    { table: first },
  );
}
