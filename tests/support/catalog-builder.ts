/** Catalogs by hand, for tests of plans without a database. */
import type {
  Catalog,
  CatalogTable,
  Column,
  ForeignKey,
  KeyAction,
  Trigger,
} from '../../erasure/catalog/types.js';
import type { Declaration, TablePolicy } from '../../erasure/declaration.js';

export interface TableSpec {
  /** `schema.table`, or a name in the schema `app`. */
  readonly name: string;
  /** `name`, `name?` where it may be null, with a type after a colon where it is not `integer`. */
  readonly columns?: readonly string[];
  readonly keys?: readonly KeySpec[];
  readonly triggers?: readonly Partial<Trigger>[];
  readonly with?: Partial<CatalogTable>;
}

export interface KeySpec {
  /** Column or columns, separated by commas. */
  readonly from: string;
  /** Name of the referenced table. */
  readonly to: string;
  readonly toColumns?: string;
  readonly onDelete?: KeyAction;
  readonly with?: Partial<ForeignKey>;
}

export interface CatalogSpec {
  readonly tables: readonly TableSpec[];
  readonly firstOid?: number;
  /** Schemas that are declared. */
  readonly schemas?: readonly string[];
  readonly with?: Partial<Catalog>;
}

const ALL = { select: true, insert: true, update: true, delete: true, schemaUsage: true };

/** In a database where nothing is wrong, unless the specification says so. */
export function catalogOf(spec: CatalogSpec): Catalog {
  const { schemas = ['app'], firstOid = 1000 } = spec;
  const oids = new Map(spec.tables.map(({ name }, place) => [full(name), firstOid + place]));
  const oidOf = (name: string) => {
    const oid = oids.get(full(name));
    if (oid === undefined) throw new Error(`The specification has no table ${name}.`);
    return oid;
  };
  const foreignKeys = spec.tables.flatMap((table) =>
    (table.keys ?? []).map((key, place): ForeignKey => {
      const childColumns = key.from.split(',');
      return {
        oid: oidOf(table.name) * 100 + place,
        name: `${table.name.split('.').pop()}_${childColumns.join('_')}_fkey`,
        childOid: oidOf(table.name),
        childColumns,
        parentOid: oidOf(key.to),
        parentColumns: (key.toColumns ?? 'id').split(','),
        childPartition: null,
        parentPartition: null,
        operators: childColumns.map(() => 'OPERATOR(pg_catalog.=)'),
        match: 'simple',
        onDelete: key.onDelete ?? 'no_action',
        onUpdate: 'no_action',
        setColumns: [],
        deferrable: false,
        initiallyDeferred: false,
        validated: true,
        enforced: true,
        temporal: false,
        ...key.with,
      };
    }),
  );
  return {
    serverVersion: 180004,
    databaseOid: 5,
    systemIdentifier: '7000000000000000001',
    role: 'lethe_app',
    tables: spec.tables.map((table) => tableOf(table, oidOf(table.name), schemas)),
    foreignKeys,
    lockTableSize: 6400,
    publicationsCoveringArchives: [],
    materializedViews: [],
    maySilenceTriggers: true,
    letheSchema: { exists: true, usage: true, create: true },
    ...spec.with,
  };
}

function full(name: string): string {
  return name.includes('.') ? name : `app.${name}`;
}

function tableOf(spec: TableSpec, oid: number, schemas: readonly string[]): CatalogTable {
  const [schema = '', name = ''] = full(spec.name).split('.');
  const keyColumns = (spec.keys ?? []).map(({ from }) => from.split(','));
  const columns = ['id', ...(spec.columns ?? [])].map(columnOf);
  const known = new Set(columns.map((column) => column.name));
  const implied = [...new Set(keyColumns.flat())].filter((column) => !known.has(column));
  const all = [...columns, ...implied.map((column, place) => columnOf(column, columns.length + place))];
  return {
    oid,
    schema,
    name,
    kind: 'table',
    declared: schemas.includes(schema),
    isPartition: false,
    parentOids: [],
    leaves: [{ oid, schema, name, kind: 'table', fenced: true, privileges: ALL, locks: 2 }],
    fenced: true,
    columns: all,
    primaryKey: ['id'],
    indexes: [['id'], ['tenant_id'], ...keyColumns].map((indexed) => ({
      columns: indexed,
      unique: false,
      partial: false,
    })),
    triggers: (spec.triggers ?? []).map((trigger, place) => ({
      name: `trigger_${place}`,
      events: ['delete'],
      timing: 'before',
      level: 'row',
      enabled: 'origin',
      ours: false,
      onPartition: false,
      ...trigger,
    })),
    rules: [],
    rowSecurity: { enabled: false, forced: false, bypassed: true },
    replicaIdentityMissing: false,
    estimatedRows: 100,
    privileges: ALL,
    extensionOwned: false,
    ...spec.with,
  };
}

function columnOf(text: string, place: number): Column {
  const [named = '', type] = text.split(':');
  const name = named.replace(/\?$/, '');
  const baseType = type ?? (name === 'tenant_id' ? 'uuid' : 'integer');
  return {
    attnum: place + 1,
    name,
    type: baseType,
    notNull: !named.endsWith('?'),
    generated: false,
    identity: null,
    builtIn: true,
    baseType,
  };
}

/** A declaration that accepts these tables, names in the schema `app` or `schema.table`. */
export function declarationOf(
  tables: readonly string[] | Readonly<Record<string, TablePolicy>>,
  more: Partial<Declaration> = {},
): Declaration {
  const entries: [string, TablePolicy][] = Array.isArray(tables)
    ? tables.map((name: string) => [full(name), { action: 'delete' }])
    : Object.entries(tables).map(([name, policy]) => [full(name), policy]);
  return {
    name: 'app',
    schemas: ['app'],
    letheSchema: 'lethe_app',
    tenant: { columns: ['tenant_id'], type: 'uuid' },
    fence: 'trigger',
    tables: Object.fromEntries(entries),
    ...more,
  };
}
