/** The part of PostgreSQL's catalog that a plan is made from: plain data, serialisable, no connection. */

export interface Catalog {
  /** As `server_version_num`, e.g. 180004. */
  readonly serverVersion: number;
  readonly databaseOid: number;
  /** `pg_control_system().system_identifier`, or null where the role may not read it. */
  readonly systemIdentifier: string | null;
  /** The connected role. */
  readonly role: string;
  /**
   * Tables of the declared schemas, and those elsewhere that a foreign key ties to them. Partitions are no tables of
   * their own: they are leaves of their root.
   */
  readonly tables: readonly CatalogTable[];
  /** Keys between these tables. A clone of a partitioned table's key on its partitions is not repeated. */
  readonly foreignKeys: readonly ForeignKey[];
  /** `max_locks_per_transaction * (max_connections + max_prepared_transactions)`. */
  readonly lockTableSize: number;
  /** Publications `FOR ALL TABLES` or for Lethe's schema: they would copy the archive out. */
  readonly publicationsCoveringArchives: readonly string[];
  /** Materialized views that read tables of the catalog: a copy of rows that only a refresh removes. */
  readonly materializedViews: readonly MaterializedView[];
  /** Whether the connected role may set `session_replication_role`, by which triggers are turned off. */
  readonly maySilenceTriggers: boolean;
  /** What the connected role may do in Lethe's own schema; false also where it does not exist. */
  readonly letheSchema: { readonly exists: boolean; readonly usage: boolean; readonly create: boolean };
  /** The place of retained rows; read only where rows are declared to be retained. */
  readonly retainedRows?: { readonly exists: boolean; readonly insert: boolean };
}

export interface MaterializedView {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** Roots of the tables that it reads. */
  readonly tableOids: readonly number[];
}

export interface CatalogTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'table' | 'partitioned' | 'foreign';
  /** Whether its schema is one of the declared. */
  readonly declared: boolean;
  /** Always false: partitions are leaves of their root. */
  readonly isPartition: boolean;
  /** Parents of an inheritance child. Each table of an inheritance tree counts as a table of its own. */
  readonly parentOids: readonly number[];
  /** Relations with storage of their own: the leaves of a partition tree, or the table itself. By name. */
  readonly leaves: readonly Relation[];
  /** Whether our fence's triggers are on the table itself and enabled. On partitioned tables, see the leaves too. */
  readonly fenced: boolean;
  /** In the order of their numbers. */
  readonly columns: readonly Column[];
  /** Column names, in the order of the key; null where there is none. */
  readonly primaryKey: readonly string[] | null;
  readonly indexes: readonly {
    readonly columns: readonly string[];
    readonly unique: boolean;
    readonly partial: boolean;
  }[];
  /** Those of the table and, marked, those that only a partition has. */
  readonly triggers: readonly Trigger[];
  /** Rewrite rules on writes; a statement that moves rows cannot run through one. */
  readonly rules: readonly string[];
  /** Of the table and its leaves together. `bypassed`: through the table, the connected role sees every row all the same. */
  readonly rowSecurity: { readonly enabled: boolean; readonly forced: boolean; readonly bypassed: boolean };
  /** Published with deletes, and nothing identifies a row: PostgreSQL refuses the DELETE. */
  readonly replicaIdentityMissing: boolean;
  /** From `pg_class.reltuples`, summed over leaves; -1 where never analysed. */
  readonly estimatedRows: number;
  /** What the connected role may do here. Leaves have their own, for statements that name them. */
  readonly privileges: Privileges;
  /** Whether a trigger of PostgreSQL's checks what has to be unique, since that may wait for the end. */
  readonly deferrableUnique?: boolean;
  /** Belongs to an extension; such tables are ignored. */
  readonly extensionOwned: boolean;
}

export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'table' | 'foreign';
  /** Whether our fence's triggers, one for INSERT and one for UPDATE, are on this relation and enabled. */
  readonly fenced: boolean;
  readonly privileges: Privileges;
  /** Locks that a statement on this relation takes: itself and its indexes. */
  readonly locks: number;
}

export interface Column {
  readonly attnum: number;
  readonly name: string;
  /** As `format_type` gives it, schema-qualified unless PostgreSQL's own. */
  readonly type: string;
  readonly notNull: boolean;
  readonly generated: boolean;
  readonly identity: 'always' | 'default' | null;
  /** Whether the type is PostgreSQL's own and no domain, enum or composite; others are archived as text. */
  readonly builtIn: boolean;
  /** The type below a domain, without modifiers: `uuid`, `text`, `character varying`, … */
  readonly baseType: string;
  /** The schema of a type that is not built in, and whether the connected role may use it. */
  readonly typeSchema?: { readonly name: string; readonly usage: boolean } | null;
  /** Whether there is a default of its own. */
  readonly hasDefault?: boolean;
}

export type KeyAction = 'no_action' | 'restrict' | 'cascade' | 'set_null' | 'set_default';

export interface ForeignKey {
  readonly oid: number;
  readonly name: string;
  /** The referencing table; the root where the key stands on a partition. */
  readonly childOid: number;
  readonly childColumns: readonly string[];
  /** The referenced table; the root where the key points to a partition. */
  readonly parentOid: number;
  readonly parentColumns: readonly string[];
  /** The partition that the key stands on, where it does not stand on the whole table. */
  readonly childPartition: { readonly schema: string; readonly name: string } | null;
  /** The partition that the key points to, where it does not point to the whole table. */
  readonly parentPartition: { readonly schema: string; readonly name: string } | null;
  /** Fully qualified equality operators as in `conpfeqop`, e.g. `OPERATOR(pg_catalog.=)`: parent's value on the left. */
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
  /** No key of the catalog: a person has declared that these columns refer. */
  readonly soft?: {
    /** The columns are of different types: compared as text. */
    readonly asText: boolean;
    /** A foreign key says the opposite: what it refers to belongs to the row that refers. */
    readonly reverse: boolean;
    /** Only rows of the child in which this column, as text, has this value. */
    readonly when?: { readonly column: string; readonly equals: string };
  };
}

export interface Trigger {
  readonly name: string;
  readonly events: readonly ('insert' | 'update' | 'delete' | 'truncate')[];
  readonly timing: 'before' | 'after' | 'instead';
  readonly level: 'row' | 'statement';
  readonly enabled: 'origin' | 'replica' | 'always' | 'disabled';
  readonly ours: boolean;
  /** Only a partition has it: no part of the plan's hash. */
  readonly onPartition: boolean;
}

export interface Privileges {
  readonly select: boolean;
  readonly insert: boolean;
  readonly update: boolean;
  readonly delete: boolean;
  readonly schemaUsage: boolean;
}
