/** A plan: what the engine will do, table by table. Pure data, made from catalog and declaration. */
import type { CatalogTable, ForeignKey } from '../catalog/types.js';

export interface Plan {
  /** SHA-256 over owned tables, columns, keys, triggers and policies, of partition roots. */
  readonly hash: string;
  /** Accepted tenant tables, in order of name. */
  readonly tables: readonly PlannedTable[];
  /** Order of deletion, children first; restoration goes the other way. */
  readonly units: readonly Unit[];
  readonly findings: readonly PlanFinding[];
  /** Tenant tables that the declaration does not name, as `schema.table`. */
  readonly unacceptedTables: readonly string[];
}

export interface PlannedTable {
  readonly table: CatalogTable;
  /** `schema.table`, quoted where needed: how it is shown and how the declaration names it. */
  readonly label: string;
  readonly action: 'delete' | 'keep';
  readonly triggers: 'none' | 'suppress' | 'fire';
  /** A row is the tenant's if any of these says so. */
  readonly ownership: readonly Ownership[];
  /** The ownership in words, for previews. */
  readonly ownedBy: string;
}

export type Ownership =
  | { readonly kind: 'tenant_column'; readonly column: string }
  | { readonly kind: 'reference'; readonly key: ForeignKey };

/** Tables that are moved in one statement, since acting keys or a cycle tie them. Most hold one table. */
export interface Unit {
  readonly tableOids: readonly number[];
  readonly reason: 'single' | 'acting_keys' | 'cycle';
}

export interface PlanFinding {
  readonly code: string;
  readonly severity: 'info' | 'warning' | 'refusal';
  readonly table: string | null;
  readonly message: string;
  readonly remedy: string;
}
