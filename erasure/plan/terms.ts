/** What a plan says of a table to people who do not carry it out. */
import type { TableTerms } from '../engine-types.js';
import type { PlannedTable } from './types.js';

export function termsOf({ label, action, ownedBy, retention, retainedWith }: PlannedTable): TableTerms {
  return {
    table: label,
    action,
    ownedBy,
    ...(retention && { retention }),
    ...(retainedWith && { retainedWith }),
  };
}
