/**
 * What a person declares about a participant's database. Everything else the engine learns from the catalog.
 */
export interface Declaration {
  /** The service's name, as in the registry. */
  readonly name: string;
  /** PostgreSQL schemas that hold the service's tables. */
  readonly schemas: readonly string[];
  /** Lethe's own schema in this database: ledger, tombstones, archives. */
  readonly letheSchema: string;
  readonly tenant: {
    /** Names of the column that holds the tenant's key; a table that has one is owned by it. */
    readonly columns: readonly string[];
    /**
     * Tables where that differs, as `schema.table`. Several columns: a row belongs to every tenant that one of them
     * names. None: the table has no such column, whatever its columns are called.
     */
    readonly columnsOf?: Readonly<Record<string, readonly string[]>>;
    /** The table in which a tenant is a row, as `schema.table`, and the column of its key. */
    readonly root?: { readonly table: string; readonly key: string };
    readonly type: 'uuid' | 'text' | 'integer' | 'bigint';
  };
  /** How late writes are kept out: triggers of ours, the application itself, or not at all. */
  readonly fence: 'trigger' | 'application' | 'none';
  /** The tenant tables that a person has accepted, as `schema.table`. One that is missing here is reported. */
  readonly tables: Readonly<Record<string, TablePolicy>>;
  /** Decisions where the catalog is ambiguous, by `schema.table.column[,column…]` of the referencing side. */
  readonly references?: Readonly<Record<string, ReferencePolicy>>;
  /** References that own rows and have no constraint. */
  readonly softReferences?: readonly SoftReference[];
  /** Columns that look like a reference or a tenant's key and are none, as `schema.table.column`. */
  readonly ignoredColumns?: readonly string[];
  /** What a person has not answered yet: until then nothing runs. */
  readonly openQuestions?: readonly OpenQuestion[];
}

/** What becomes of a table's rows. */
export type TablePolicy = RowPolicy & {
  /** How its rows were owned when it was accepted, in the plan's words. Where that has changed since, nothing runs. */
  readonly ownedBy?: string;
  /** Why rows are kept; required reading for a privacy officer, shown in previews. */
  readonly reason?: string;
  /** What happens to user triggers on DELETE. Without a decision such a table is refused. */
  readonly triggers?: 'suppress' | 'fire';
  /** Columns that no export of a tenant's data may have: hashes of passwords, keys of other systems. */
  readonly secretColumns?: readonly string[];
};

/**
 * `delete`: rows go. `retain`: they leave for a place of their own until a date, with what they refer to. `anonymize`:
 * they stay and no longer lead to the tenant. `keep`: they stay as they are.
 */
export type RowPolicy =
  | { readonly action: 'delete' | 'keep' }
  | { readonly action: 'retain'; readonly retention: Retention }
  | { readonly action: 'anonymize'; readonly columns: Readonly<Record<string, ColumnRule>> };

export type TableAction = RowPolicy['action'];

/** How long rows are retained, from when, and on which ground. */
export interface Retention {
  /** As ISO 8601 writes durations: `P10Y`, `P6M`, `PT0S`. */
  readonly period: string;
  /**
   * What the period is counted from: a date or time of the row (where it is null, the deletion), the end of the calendar
   * year that it lies in, or the deletion itself.
   */
  readonly from: 'deletion' | { readonly column: string; readonly endOf?: 'calendar_year' };
  /** The law or contract that demands it; stands in previews, certificates and in front of every retained row. */
  readonly ground: string;
}

/**
 * What becomes of a column of an anonymized row. `keep` is for columns that look as if they led to a person and do not,
 * with the reason.
 */
export type ColumnRule =
  | { readonly becomes: 'null' }
  | { readonly becomes: 'constant'; readonly value: string }
  | { readonly becomes: 'keep'; readonly reason: string };

/**
 * `owns`: the referenced row owns the referencing one. `reference`: it merely points there; nulled and set back.
 * `conflict`: it merely points there, and a row that stays and does so keeps what it refers to from being deleted.
 */
export type ReferencePolicy = 'owns' | 'reference' | 'conflict';

/** A column that holds keys of another table, without a foreign key; values of different types are compared as text. */
export interface SoftReference {
  /** `schema.table.column`. */
  readonly from: string;
  readonly to: string;
  /** Only in rows where this column of the referencing table, as text, has this value: a generic reference. */
  readonly when?: { readonly column: string; readonly equals: string };
}

export interface OpenQuestion {
  /** The table, column or key that it is about. */
  readonly about: string;
  readonly question: string;
  /** What would probably be answered. */
  readonly suggestion: string;
}
