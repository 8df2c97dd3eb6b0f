/** A plan: what the engine will do, table by table. Pure data, made from catalog and declaration. */
import type { Catalog, CatalogTable, ForeignKey } from '../catalog/types.js';
import type { ColumnRule, Declaration, Retention, TableAction } from '../declaration.js';

export interface Plan {
  /** SHA-256 over owned tables, columns, keys, triggers and policies, of partition roots. */
  readonly hash: string;
  /** Accepted tenant tables, in order of name. */
  readonly tables: readonly PlannedTable[];
  /** Order of deletion, children first; restoration goes the other way. */
  readonly units: readonly Unit[];
  /**
   * For each unit null where it is moved with triggers off and checked afterwards, else why its triggers stay on. Not
   * in the hash: what is moved is the same.
   */
  readonly fastPath: readonly (string | null)[];
  /** Keys into tables that are deleted from, whose value is set to null in rows that stay. */
  readonly references: readonly PlannedReference[];
  readonly findings: readonly PlanFinding[];
  /** Tenant tables that the declaration does not name, as `schema.table`. */
  readonly unacceptedTables: readonly string[];
  /** Every table that holds tenants' rows, accepted or not, in order of name: selections go through these. */
  readonly ownedTables: readonly OwnedTable[];
  readonly tenantType: Declaration['tenant']['type'];
  /** What the plan was made from. */
  readonly catalog: Catalog;
  /**
   * Rows of the tenant that were archived already, by table's OID: what refers to them without a constraint is the
   * tenant's, too.
   */
  readonly archived?: ReadonlyMap<number, readonly ArchivedRows[]>;
}

export interface ArchivedRows {
  /** The archive's qualified name. */
  readonly from: string;
  /** Stored columns by the names of those of the table. */
  readonly columns: ReadonlyMap<string, string>;
}

/** A table whose rows, or some of them, belong to tenants. */
export interface OwnedTable {
  readonly table: CatalogTable;
  /** `schema.table`, quoted where needed: how it is shown and how the declaration names it. */
  readonly label: string;
  /** A row is the tenant's if any of these says so. */
  readonly ownership: readonly Ownership[];
  /** Further keys that say the same as `ownership`; a row where they disagree is a conflict. */
  readonly agreeing: readonly ForeignKey[];
  /** The ownership in words, for previews. */
  readonly ownedBy: string;
}

export interface PlannedTable extends OwnedTable {
  readonly action: TableAction;
  readonly triggers: 'none' | 'suppress' | 'fire';
  /** Of `retain`: how long, from when, and why. */
  readonly retention?: Retention;
  /** Of `anonymize`: what becomes of which column. */
  readonly rules?: Readonly<Record<string, ColumnRule>>;
  /** Labels of retained tables whose rows may refer to rows of this one, over any number of hops. */
  readonly retainedWith?: readonly string[];
}

export type Ownership =
  | { readonly kind: 'tenant_column'; readonly column: string }
  | { readonly kind: 'reference'; readonly key: ForeignKey };

/** Tables that are moved in one statement, since acting keys or a cycle tie them. Most hold one table. */
export interface Unit {
  /** Children first, as far as there is such an order. */
  readonly tableOids: readonly number[];
  readonly reason: 'single' | 'acting_keys' | 'cycle';
}

export interface PlannedReference {
  readonly key: ForeignKey;
  /** PostgreSQL does it by the key's `SET NULL` or `SET DEFAULT`, or we do, since the declaration says `reference`. */
  readonly nulledBy: 'key' | 'declaration';
  /** Columns that are nulled. */
  readonly columns: readonly string[];
}

export interface PlanFinding {
  readonly code: string;
  readonly severity: 'info' | 'warning' | 'refusal';
  readonly table: string | null;
  /** The privilege that is missing, where that is what was found, e.g. `DELETE`. */
  readonly privilege: string | null;
  readonly message: string;
  readonly remedy: string;
}
