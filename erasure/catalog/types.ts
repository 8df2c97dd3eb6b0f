/** The part of PostgreSQL's catalog that a plan is made from: plain data, serialisable, no connection. */

export interface Catalog {
  /** As `server_version_num`, e.g. 180004. */
  readonly serverVersion: number;
  readonly databaseOid: number;
  /** `pg_control_system().system_identifier`, or null where the role may not read it. */
  readonly systemIdentifier: string | null;
  readonly tables: readonly CatalogTable[];
  readonly foreignKeys: readonly ForeignKey[];
  /** `max_locks_per_transaction * (max_connections + max_prepared_transactions)`. */
  readonly lockTableSize: number;
  /** Publications `FOR ALL TABLES` or for Lethe's schema: they would copy the archive out. */
  readonly publicationsCoveringArchives: readonly string[];
}

export interface CatalogTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'table' | 'partitioned' | 'foreign';
  readonly isPartition: boolean;
  /** Parent of a partition or an inheritance child. */
  readonly parentOids: readonly number[];
  /** Relations with storage of their own: the leaves of a tree, or the table itself. */
  readonly leaves: readonly Relation[];
  readonly columns: readonly Column[];
  /** Column names; null where there is none. */
  readonly primaryKey: readonly string[] | null;
  readonly indexes: readonly {
    readonly columns: readonly string[];
    readonly unique: boolean;
    readonly partial: boolean;
  }[];
  readonly triggers: readonly Trigger[];
  readonly rowSecurity: { readonly enabled: boolean; readonly forced: boolean; readonly bypassed: boolean };
  readonly replicaIdentityMissing: boolean;
  /** From `pg_class.reltuples`, summed over leaves; -1 where never analysed. */
  readonly estimatedRows: number;
  /** What the connected role may do here. On partitioned tables: on every leaf, too. */
  readonly privileges: Privileges;
  /** Columns of type `oid` that may hold large objects. */
  readonly extensionOwned: boolean;
}

export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** Whether our fence's triggers are on this relation and enabled. */
  readonly fenced: boolean;
}

export interface Column {
  readonly attnum: number;
  readonly name: string;
  /** As `format_type` gives it. */
  readonly type: string;
  readonly notNull: boolean;
  readonly generated: boolean;
  readonly identity: 'always' | 'default' | null;
  /** Whether the type is PostgreSQL's own and no domain, enum or composite; others are archived as text. */
  readonly builtIn: boolean;
}

export type KeyAction = 'no_action' | 'restrict' | 'cascade' | 'set_null' | 'set_default';

export interface ForeignKey {
  readonly oid: number;
  readonly name: string;
  readonly childOid: number;
  readonly childColumns: readonly string[];
  readonly parentOid: number;
  readonly parentColumns: readonly string[];
  /** Fully qualified equality operators as in `conpfeqop`, e.g. `OPERATOR(pg_catalog.=)`. */
  readonly operators: readonly string[];
  readonly match: 'simple' | 'full';
  readonly onDelete: KeyAction;
  readonly onUpdate: KeyAction;
  /** Columns of `SET NULL (…)`; empty: all of the key's. */
  readonly setColumns: readonly string[];
  readonly deferrable: boolean;
  readonly initiallyDeferred: boolean;
  readonly validated: boolean;
  /** `NOT ENFORCED` (18). */
  readonly enforced: boolean;
  /** `PERIOD` (18). */
  readonly temporal: boolean;
}

export interface Trigger {
  readonly name: string;
  readonly events: readonly ('insert' | 'update' | 'delete' | 'truncate')[];
  readonly timing: 'before' | 'after' | 'instead';
  readonly level: 'row' | 'statement';
  readonly enabled: 'origin' | 'replica' | 'always' | 'disabled';
  readonly ours: boolean;
}

export interface Privileges {
  readonly select: boolean;
  readonly insert: boolean;
  readonly update: boolean;
  readonly delete: boolean;
  readonly schemaUsage: boolean;
}
