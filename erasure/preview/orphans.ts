/** The tenant's rows that refer to nothing already, by keys that were never validated. */
import type { Plan, PlanFinding } from '../plan/types.js';
import { label, shown } from '../quote.js';
import {
  orphansBy,
  stuckOrphans,
  type UnvalidatedKey,
  unvalidatedKeys,
  whyNoOrphans,
} from '../stage/orphans.js';
import type { Check } from './conflicts.js';
import { canRead, isReadable } from './readable.js';

export function orphanChecks(plan: Plan): Check[] {
  return unvalidatedKeys(plan)
    .filter(({ key, parent }) => isReadable(plan, key.childOid) && canRead(parent))
    .map((one) => ({ source: orphansBy(plan, one), finding: (rows) => findingOf(plan, one, rows) }));
}

function findingOf(plan: Plan, one: UnvalidatedKey, rows: number): PlanFinding {
  const { key, child, parent } = one;
  const why = whyNoOrphans(plan, one);
  const about = { table: child.label, privilege: null };
  if (why !== null)
    return {
      ...about,
      code: 'orphan_rows_stuck',
      severity: 'refusal',
      ...stuckOrphans(plan, one, rows, why),
    };
  const [of, refer, they] =
    rows === 1
      ? ['1 row of', 'refers', 'it goes and comes']
      : [`${rows} rows of`, 'refer', 'they go and come'];
  return {
    ...about,
    code: 'orphan_rows',
    severity: 'info',
    message:
      `${of} ${child.label} ${refer} by ${shown(key.name)}, which is NOT VALID, to what is not in ${label(parent)}: ` +
      `${they} back without it, and this is noted.`,
    remedy: 'Nothing, if they may stay so.',
  };
}
