/** Triggers that would fire while rows are moved away and back. */
import type { CatalogTable, Trigger } from '../catalog/types.js';

/** Users' triggers that fire on the DELETE of a stage or on the INSERT of a restore. */
export function firingTriggers(table: CatalogTable): Trigger[] {
  return table.triggers.filter(
    (trigger) => fires(trigger) && (trigger.events.includes('delete') || trigger.events.includes('insert')),
  );
}

/** Users' triggers that fire on the UPDATE that nulls a reference and sets it back. */
export function updateTriggers(table: CatalogTable): Trigger[] {
  return table.triggers.filter((trigger) => fires(trigger) && trigger.events.includes('update'));
}

function fires({ ours, enabled }: Trigger): boolean {
  return !ours && (enabled === 'origin' || enabled === 'always');
}
