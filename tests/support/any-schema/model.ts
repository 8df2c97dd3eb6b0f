/** A random schema as it can really be made, and what a person declares about it. */
import type { Declaration, SoftReference } from '../../../erasure/declaration.js';
import { EXTRAS, type Extra, SCHEMAS } from './extras.js';
import type { RawKey, RawSchema, RawTable } from './raw.js';

export type TenantType = RawSchema['tenantType'];

/** Three tenants; a value that is none of theirs is null. */
export const TENANTS: Readonly<Record<TenantType, readonly string[]>> = {
  uuid: [1, 2, 3].map((n) => `0${n}a0b0c0-0000-4000-8000-00000000000${n}`),
  integer: ['7', '-2', '70'],
  bigint: ['7', '-2', '9007199254740993'],
  text: [`it's "one"`, 'ü {2}', ' 3 '],
};

export const NOBODY = 3;
const NUMBERS: Extra = { type: 'int', values: ['1', '2'] };
const TENANT_COLUMNS = ['tenant_id', 'Owner "x"'] as const;

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly more: string;
  readonly notNull: boolean;
  /** Neither written nor nulled by us. */
  readonly generated: boolean;
  readonly is:
    | { readonly kind: 'key'; readonly part: number }
    | { readonly kind: 'tenant'; readonly place: number }
    | { readonly kind: 'refers'; readonly key: Key; readonly part: number }
    | { readonly kind: 'when'; readonly key: Key }
    | { readonly kind: 'extra'; readonly extra: Extra };
}

export interface Table {
  readonly index: number;
  readonly schema: string;
  readonly name: string;
  readonly raw: RawTable;
  readonly tenantColumns: readonly string[];
  readonly isRoot: boolean;
  readonly keyKind: RawTable['key'];
  /** The identifying key of a table whose primary key begins with it. */
  readonly weak: Key | null;
  readonly parent: Table | null;
  readonly partitioned: RawTable['partitioned'];
  readonly rows: number;
  readonly columns: Column[];
}

export interface Key {
  readonly index: number;
  readonly raw: RawKey;
  readonly child: Table;
  readonly parent: Table;
  readonly overTenant: boolean;
  readonly required: boolean;
  readonly decision: RawKey['decision'] | null;
  readonly childColumns: readonly string[];
  readonly parentColumns: readonly string[];
  readonly notValid: boolean;
  readonly enforced: boolean;
  readonly soft: boolean;
  /** Columns that SET NULL or SET DEFAULT is about. */
  readonly setColumns: readonly string[];
  /** Row of the parent that SET DEFAULT refers to; null: null. */
  readonly defaultRow: number | null;
}

export interface Model {
  readonly tenantType: TenantType;
  readonly tables: readonly Table[];
  readonly keys: readonly Key[];
  readonly declaration: Declaration;
}

const NAMES = [
  (n: number) => `t${n}`,
  (n: number) => `T ${n} Mixed`,
  (n: number) => `quo"te'${n}`,
  (n: number) => `${'x'.repeat(62)}${n}`,
  (n: number) => `select${n}`,
  (n: number) => `tä ☂ ${n}`,
  (n: number) => `a.b$${n}`,
];

export function modelOf(raw: RawSchema): Model {
  const tables: Table[] = [];
  const keys: Key[] = [];
  const drawn = raw.keys.map((key, index) => ({
    key,
    index,
    child: key.child % raw.tables.length,
    parent: (key.self ? key.child : key.parent) % raw.tables.length,
  }));
  raw.tables.forEach((one, index) => {
    const isRoot = index === 0 && raw.root;
    const tenancy = index === 0 && one.tenancy === 'none' ? 'first' : one.tenancy;
    const over = one.inherits && index > 0 ? tables[one.salt % index] : undefined;
    const parent =
      over && over.partitioned === 'no' && over.parent === null && over.weak === null ? over : null;
    const first = drawn.find(({ child }) => child === index);
    const target = first && first.parent < index ? tables[first.parent] : undefined;
    const isWeak =
      one.key === 'weak' && !isRoot && parent === null && target !== undefined && referable(target);
    const keyKind = parent
      ? parent.keyKind
      : isRoot
        ? 'int'
        : one.key === 'weak' && !isWeak
          ? 'int'
          : one.key;
    const own =
      tenancy === 'none' || isRoot
        ? []
        : tenancy === 'both'
          ? [...TENANT_COLUMNS]
          : [TENANT_COLUMNS[tenancy === 'first' ? 0 : 1]];
    const table: Table = {
      index,
      schema: SCHEMAS[one.schema] ?? SCHEMAS[0],
      name: (NAMES[one.name] ?? (() => ''))(index),
      raw: one,
      tenantColumns: parent ? parent.tenantColumns : own,
      isRoot,
      keyKind,
      weak: null,
      parent,
      partitioned: parent || isRoot || keyKind === 'none' || keyKind === 'unique' ? 'no' : one.partitioned,
      rows: isRoot ? 3 : one.rows,
      columns: [],
    };
    tables.push(table);
    if (parent) {
      for (const column of parent.columns) table.columns.push(column);
    } else if (isWeak && first && target) {
      const weak = keyOf(first.key, first.index, table, target, true);
      keys.push(weak);
      Object.assign(table, { weak });
      addReferring(table, weak);
      table.columns.push(plain('line', 'int', { kind: 'key', part: weak.childColumns.length }, true));
    } else {
      addOwnColumns(table, raw.tenantType);
    }
    own.forEach((name, place) => {
      if (!parent) table.columns.push(tenantColumn(table, name, place, raw.tenantType));
    });
    addExtras(table);
    if (table.columns.every(({ generated }) => generated))
      table.columns.push(plain('only', 'int', { kind: 'extra', extra: NUMBERS }, false));
  });
  for (const { key, index, child, parent } of drawn) {
    const [from, to] = [tables[child], tables[parent]];
    if (!from || !to || from.parent || to.parent || !referable(to) || from.weak?.index === index) continue;
    const made = keyOf(key, index, from, to, false);
    keys.push(made);
    // A child by inheritance has the columns, and not the keys.
    for (const table of tables) if (table === from || table.parent === from) addReferring(table, made);
  }
  keys.sort((a, b) => a.index - b.index);
  return emptied({ tenantType: raw.tenantType, tables, keys, declaration: declarationOf(raw, tables, keys) });
}

/** A table whose required key has nothing to refer to has no rows either. */
function emptied(model: Model): Model {
  const rows = new Map(model.tables.map((table) => [table, table.rows]));
  for (let some = true; some; ) {
    some = false;
    for (const { required, enforced, child, parent } of model.keys) {
      if (!required || !enforced || rows.get(child) === 0 || rows.get(parent) !== 0) continue;
      rows.set(child, 0);
      some = true;
    }
  }
  for (const [table, left] of rows) Object.assign(table, { rows: left });
  return model;
}

function referable(table: Table): boolean {
  return table.keyKind !== 'none' && table.parent === null;
}

const KEY_TYPES: Readonly<Record<string, readonly (readonly [name: string, type: string])[]>> = {
  int: [['id', 'int']],
  identity: [['id', 'bigint']],
  uuid: [['Id', 'uuid']],
  text: [['the "key"', 'text']],
  composite: [
    ['part a', 'int'],
    ['b', 'text'],
  ],
  domain: [['id', '"any"."Odd Key"']],
  enum: [['id', '"any".label']],
  numeric: [['id', 'numeric']],
  range: [['id', 'int4range']],
  unique: [['id', 'int']],
};

/** Name and type of what other tables refer to. */
export function keyColumns(table: Table): { name: string; type: string }[] {
  const own = table.columns.filter(({ is }) => is.kind === 'key').map(({ name, type }) => ({ name, type }));
  if (table.weak === null) return own;
  const { childColumns, parent } = table.weak;
  const types = keyColumns(parent).map(({ type }) => type);
  return [...childColumns.map((name, place) => ({ name, type: types[place] ?? 'text' })), ...own];
}

function addOwnColumns(table: Table, tenantType: TenantType): void {
  const columns = table.isRoot ? [['id', tenantType] as const] : (KEY_TYPES[table.keyKind] ?? []);
  columns.forEach(([name, type], part) => {
    const more = table.keyKind === 'identity' ? 'GENERATED ALWAYS AS IDENTITY' : '';
    table.columns.push({
      ...plain(name, type, { kind: 'key', part }, table.keyKind !== 'unique'),
      more,
    });
  });
}

function plain(name: string, type: string, is: Column['is'], notNull: boolean): Column {
  return { name, type, more: '', notNull, generated: false, is };
}

function tenantColumn(table: Table, name: string, place: number, type: TenantType): Column {
  return plain(name, type, { kind: 'tenant', place }, place === 0 && table.raw.tenantRequired);
}

function addExtras(table: Table): void {
  table.raw.extras.forEach((number, place) => {
    const extra = EXTRAS[number];
    if (extra === undefined) return;
    const { type, more = '' } = extra;
    const notNull = /NOT NULL/.test(more);
    table.columns.push({
      ...plain(`Extra ${table.index}.${place}`, type, { kind: 'extra', extra }, notNull),
      more,
      generated: extra.values.length === 0,
    });
  });
}

/** By type of a key, another that is compared with it. */
const OTHER_TYPES: Readonly<Record<string, string>> = {
  int: 'bigint',
  text: 'varchar(60)',
  '"any"."Odd Key"': 'text',
};

function addReferring(table: Table, key: Key): void {
  const own = key.childColumns.filter((name) => !table.columns.some((column) => column.name === name));
  const types = keyColumns(key.parent).map(({ type }) => type);
  own.forEach((name) => {
    const part = key.childColumns.indexOf(name);
    const exact = types[part - (key.overTenant ? 1 : 0)] ?? 'text';
    const type =
      key.raw.shape === 'soft as text' ? 'text' : (key.raw.crossType && OTHER_TYPES[exact]) || exact;
    table.columns.push(plain(name, type, { kind: 'refers', key, part }, key.required));
  });
  if (key.raw.shape === 'soft when')
    table.columns.push(plain(`kind ${key.index}`, 'text', { kind: 'when', key }, false));
}

function keyOf(raw: RawKey, index: number, child: Table, parent: Table, weak: boolean): Key {
  const parts = keyColumns(parent);
  const single = parts.length === 1;
  const wanted = weak || (/^soft|reverse/.test(raw.shape) && !single) ? 'foreign' : raw.shape;
  const partitioned = child.partitioned !== 'no';
  const shape = wanted === 'unenforced' && partitioned ? 'foreign' : wanted;
  const overTenant =
    shape === 'foreign' &&
    !weak &&
    raw.overTenant &&
    single &&
    !parent.isRoot &&
    child.tenantColumns.length > 0 &&
    parent.tenantColumns.length > 0;
  const foreign = shape === 'foreign' || shape === 'reverse';
  const required = weak || (foreign && !overTenant && raw.required);
  const names = parts.map((_, part) => (part === 0 ? `f${index}` : `F ${index} "${part}"`));
  const [tenant, parentTenant] = [child.tenantColumns[0] ?? '', parent.tenantColumns[0] ?? ''];
  const childColumns = overTenant ? [tenant, ...names] : names;
  const full = raw.full && childColumns.length > 1 && !overTenant;
  const binds = raw.onDelete === 'cascade' || required;
  const decided =
    shape === 'foreign' &&
    (raw.decided ||
      (child.tenantColumns.length === 0 &&
        !child.isRoot &&
        !binds &&
        ['no_action', 'restrict'].includes(raw.onDelete)));
  const some = raw.setColumns && !full && childColumns.length > 1;
  const defaults =
    raw.onDelete === 'set_default' && !overTenant && (raw.withDefault || required) && parent.rows > 0;
  return {
    index,
    raw: { ...raw, shape, full },
    child,
    parent,
    overTenant,
    required,
    decision: !decided ? null : binds && raw.decision === 'reference' ? 'conflict' : raw.decision,
    childColumns,
    parentColumns: [...(overTenant ? [parentTenant] : []), ...parts.map(({ name }) => name)],
    notValid: foreign && raw.notValid && !partitioned,
    enforced: foreign,
    soft: /^soft/.test(shape),
    setColumns: some ? childColumns.slice(1) : childColumns,
    defaultRow: defaults ? raw.salt % parent.rows : null,
  };
}

function declarationOf(raw: RawSchema, tables: readonly Table[], keys: readonly Key[]): Declaration {
  const label = ({ schema, name }: Table) => `${schema}.${name}`;
  const owned = ownedTables(tables, keys);
  const root = tables.find(({ isRoot }) => isRoot);
  const softReferences = keys.flatMap((key): SoftReference[] => {
    const from = `${label(key.child)}.${key.childColumns[0]}`;
    const to = `${label(key.parent)}.${key.parentColumns[0]}`;
    if (key.raw.shape === 'reverse') return [{ from: to, to: from }];
    if (!key.soft) return [];
    const when = { column: `kind ${key.index}`, equals: 'yes' };
    return [key.raw.shape === 'soft when' ? { from, to, when } : { from, to }];
  });
  return {
    name: 'any',
    schemas: [...SCHEMAS],
    letheSchema: 'Lethe "any"',
    fence: 'none',
    tenant: {
      type: raw.tenantType,
      columns: [...TENANT_COLUMNS],
      ...(root && { root: { table: label(root), key: 'id' } }),
      columnsOf: Object.fromEntries(
        tables.flatMap((table) =>
          table.tenantColumns.length > 1 ? [[label(table), table.tenantColumns]] : [],
        ),
      ),
    },
    tables: Object.fromEntries(
      [...owned].map((table) => [
        label(table),
        table.raw.keep
          ? { action: 'keep', reason: 'kept' }
          : { action: 'delete', ...(table.raw.trigger !== 'none' && { triggers: table.raw.trigger }) },
      ]),
    ),
    references: Object.fromEntries(
      keys.flatMap((key) =>
        key.decision === null ? [] : [[`${label(key.child)}.${key.childColumns.join(',')}`, key.decision]],
      ),
    ),
    softReferences,
  };
}

/** Tables with a tenant's column or, over any number of keys that own, a parent that has one. */
export function ownedTables(tables: readonly Table[], keys: readonly Key[]): Set<Table> {
  const owned = new Set(tables.filter(({ tenantColumns, isRoot }) => isRoot || tenantColumns.length > 0));
  for (let size = -1; size !== owned.size; ) {
    size = owned.size;
    for (const key of keys) {
      const [from, to] = key.raw.shape === 'reverse' ? [key.parent, key.child] : [key.child, key.parent];
      if (owns(key) && owned.has(to)) owned.add(from);
    }
  }
  return owned;
}

/** Whether a row goes with what it refers to; of a reverse reference, what is referred to with the row that refers. */
export function owns({ raw, child, decision, required, enforced, soft }: Key): boolean {
  if (soft || raw.shape === 'reverse') return true;
  if (!enforced) return false;
  if (decision !== null) return decision === 'owns';
  if (child.isRoot || child.tenantColumns.length > 0) return false;
  if (raw.onDelete === 'set_null' || raw.onDelete === 'set_default') return false;
  return raw.onDelete === 'cascade' || required;
}

/** Columns that become null, or their default, in rows that stay; none: such a row keeps what it refers to. */
export function nulledColumns({ raw, child, enforced, decision, childColumns, setColumns, ...key }: Key): {
  readonly columns: readonly string[];
  readonly to: number | null;
} {
  const nullable = (names: readonly string[]) =>
    names.filter((name) => child.columns.some((column) => column.name === name && !column.notNull));
  const none = { columns: [], to: null };
  if (!enforced || decision === 'conflict') return none;
  if (raw.onDelete === 'set_default') {
    const identifies = child.weak?.childColumns.some((name) => setColumns.includes(name)) === true;
    const possible =
      !identifies && (key.defaultRow !== null || nullable(setColumns).length === setColumns.length);
    return possible ? { columns: setColumns, to: key.defaultRow } : none;
  }
  if (raw.onDelete === 'set_null')
    return nullable(setColumns).length === setColumns.length ? { columns: setColumns, to: null } : none;
  if (decision !== 'reference' || raw.onDelete === 'cascade') return none;
  return { columns: nullable(childColumns), to: null };
}
