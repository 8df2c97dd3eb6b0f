/** What findings are drawn from. */
import type { CatalogTable } from '../../catalog/types.js';
import type { Declaration, SoftReference } from '../../declaration.js';
import type { AmbiguousKey } from '../ownership.js';
import { leaves } from '../policy.js';
import type { Plan, PlanFinding, PlannedTable } from '../types.js';

export interface Found extends Omit<Plan, 'hash' | 'findings'> {
  readonly declaration: Declaration;
  readonly ambiguous: readonly AmbiguousKey[];
  /** Declared references to or from what does not exist. */
  readonly unknownReferences: readonly SoftReference[];
}

type Facts = Pick<PlanFinding, 'code' | 'message' | 'remedy'> & Partial<PlanFinding>;

export function finding(severity: PlanFinding['severity'], facts: Facts): PlanFinding {
  return { severity, table: null, privilege: null, ...facts };
}

/** Tables that rows leave. */
export function deletedTables({ tables }: Pick<Found, 'tables'>): PlannedTable[] {
  return tables.filter(leaves);
}

export function tablesByOid({ catalog }: Found): ReadonlyMap<number, CatalogTable> {
  return new Map(catalog.tables.map((table) => [table.oid, table]));
}
