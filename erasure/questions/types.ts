/** What the catalog leaves open, as questions that a person answers once. */

interface Asked {
  /** The key, column or table, as a declaration names it. */
  readonly about: string;
  readonly question: string;
  readonly answers: readonly string[];
  /** The answer that is probably right, and why. */
  readonly suggestion: string;
  readonly reason: string;
}

/** A foreign key that may be null: does it own, or only point somewhere? */
export interface ReferenceQuestion extends Asked {
  readonly kind: 'reference';
}

/** A column that looks like a tenant's key. `owns` or `ignore`. */
export interface TenantColumnQuestion extends Asked {
  readonly kind: 'tenant_column';
  readonly table: string;
  readonly column: string;
}

/** A column that looks like a key of another table, without a constraint. `owns` or `ignore`. */
export interface SoftReferenceQuestion extends Asked {
  readonly kind: 'soft_reference';
  readonly to: string;
}

/** A column that holds keys of several tables. `owns`: of all that were found; or `ignore`. */
export interface GenericReferenceQuestion extends Asked {
  readonly kind: 'generic_reference';
  readonly targets: readonly GenericTarget[];
}

/** Rows that are of two tenants: `either`, or the column of the one whom they belong to. */
export interface TwoTenantsQuestion extends Asked {
  readonly kind: 'two_tenants';
  readonly table: string;
  readonly columns: readonly TenantColumnChoice[];
}

/** A table that nobody owns, each of whose rows is referred to by one row. `owns`: that row owns it; or `keep`. */
export interface UnownedTableQuestion extends Asked {
  readonly kind: 'unowned_table';
  readonly references: readonly { readonly from: string; readonly to: string }[];
}

export interface GenericTarget {
  readonly to: string;
  readonly when: { readonly column: string; readonly equals: string };
}

export interface TenantColumnChoice {
  readonly column: string;
  /** Set where it is a foreign key: how a declaration names it, and what it becomes when another is chosen. */
  readonly key?: string;
  readonly otherwise?: 'reference' | 'conflict';
}

export type Question =
  | ReferenceQuestion
  | TenantColumnQuestion
  | SoftReferenceQuestion
  | GenericReferenceQuestion
  | TwoTenantsQuestion
  | UnownedTableQuestion;

/** What rows say about a column: how many of the values looked at are keys of the table in question. */
export interface Sample {
  readonly values: number;
  readonly matching: number;
}

/** What was found in rows. By the column's label. */
export interface Evidence {
  readonly samples: ReadonlyMap<string, Sample>;
  readonly targets: ReadonlyMap<string, readonly GenericTarget[]>;
}
