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
    readonly type: 'uuid' | 'text' | 'integer' | 'bigint';
  };
  /** How late writes are kept out: triggers of ours, the application itself, or not at all. */
  readonly fence: 'trigger' | 'application' | 'none';
  /** The tenant tables that a person has accepted, as `schema.table`. One that is missing here is reported. */
  readonly tables: Readonly<Record<string, TablePolicy>>;
  /** Decisions where the catalog is ambiguous, by `schema.table.column[,column…]` of the referencing side. */
  readonly references?: Readonly<Record<string, ReferencePolicy>>;
}

/** What becomes of a table's rows. Retention and anonymisation come with an issue of their own. */
export interface TablePolicy {
  readonly action: 'delete' | 'keep';
  /** Why rows are kept; required reading for a privacy officer, shown in previews. */
  readonly reason?: string;
  /** What happens to user triggers on DELETE. Without a decision such a table is refused. */
  readonly triggers?: 'suppress' | 'fire';
}

/** `owns`: the referenced row owns the referencing one. `reference`: it merely points there; nulled and set back. */
export type ReferencePolicy = 'owns' | 'reference';
