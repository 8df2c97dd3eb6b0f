/** Rows for a random schema, and what of them is a tenant's: worked out row by row, without SQL. */
import {
  type Column,
  type Key,
  type Model,
  NOBODY,
  nulledColumns,
  ownedTables,
  owns,
  type Table,
  TENANTS,
} from './model.js';

/** What a key's value in a row refers to: a row of the parent, or nothing, in several ways. */
export type Target = number | 'null' | 'partly null' | 'orphan' | 'other kind';

export interface Rows {
  /** By table and row, the values of its columns as text; undefined: PostgreSQL fills it. */
  readonly values: ReadonlyMap<Table, readonly (readonly (string | null | undefined)[])[]>;
  readonly targets: ReadonlyMap<Key, readonly Target[]>;
  /** By table with a tenant's column, the tenants that a row names. */
  readonly tenants: ReadonlyMap<Table, readonly (readonly number[])[]>;
}

const NOWHERE = 900;

export function rowsOf({ tables, keys, tenantType }: Model): Rows {
  const owned = ownedTables(tables, keys);
  const targets = new Map<Key, Target[]>(keys.map((key) => [key, []]));
  const owners = new Map<Table, number[]>();
  for (const table of tables) {
    const first = keys.find(
      (key) => key.child === table && key.required && owns(key) && key.parent.index < table.index,
    );
    owners.set(
      table,
      range(table.rows).map((row) => {
        if (!owned.has(table)) return NOBODY;
        if (table.isRoot) return row;
        const parents = first && table.tenantColumns.length === 0 ? owners.get(first.parent) : undefined;
        if (parents && parents.length > 0) return parents[(row + table.raw.salt) % parents.length] ?? NOBODY;
        return (row + table.raw.salt) % ((table.parent ?? table).raw.tenantRequired ? 3 : 4);
      }),
    );
  }
  const owner = (table: Table, row: number) => owners.get(table)?.[row] ?? NOBODY;
  for (const key of keys) {
    for (const row of range(key.child.rows)) {
      targets.get(key)?.push(target(key, row, owner(key.child, row), (at) => owner(key.parent, at)));
    }
  }
  const tenants = new Map(
    tables
      .filter(({ isRoot, tenantColumns }) => isRoot || tenantColumns.length > 0)
      .map((table) => [table, range(table.rows).map((row) => tenantsOf(table, row, owner(table, row)))]),
  );
  const keyValue = (table: Table, row: number): string[] => {
    if (table.isRoot || table.parent?.isRoot) return [TENANTS[tenantType][row] ?? nowhere(tenantType)];
    const { weak } = table;
    if (weak === null) return ownKeyValue(table, row);
    const to = targets.get(weak)?.[row];
    return [...keyValue(weak.parent, typeof to === 'number' ? to : NOWHERE), String(row)];
  };
  const values = new Map(
    tables.map((table) => [
      table,
      range(table.rows).map((row) =>
        table.columns.map((column): string | null | undefined => {
          const { is } = column;
          if (is.kind === 'key') return keyValue(table, row)[is.part] ?? null;
          if (is.kind === 'tenant') {
            const tenant = tenants.get(table)?.[row]?.[is.place] ?? NOBODY;
            return TENANTS[tenantType][tenant] ?? null;
          }
          if (is.kind === 'when') return targets.get(is.key)?.[row] === 'other kind' ? 'no' : 'yes';
          if (is.kind === 'extra') return extraValue(table, column, row);
          const to = is.key.child === table ? targets.get(is.key)?.[row] : column.notNull ? 'orphan' : 'null';
          if (to === undefined || to === 'null') return null;
          if (to === 'partly null' && is.part === 0) return null;
          const at = typeof to === 'number' ? to : to === 'other kind' ? 0 : NOWHERE;
          const key = keyValue(is.key.parent, at);
          return key[is.part - (is.key.overTenant ? 1 : 0)] ?? null;
        }),
      ),
    ]),
  );
  return { values, targets, tenants };
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}

/** The same every time, and as good as any. */
function mixed(...numbers: readonly number[]): number {
  let hash = 2166136261;
  for (const number of numbers) hash = Math.imul(hash ^ (number + 0x9e37), 16777619) >>> 0;
  return (hash ^ (hash >>> 13)) >>> 0;
}

function tenantsOf(table: Table, row: number, owner: number): number[] {
  if (table.tenantColumns.length < 2) return [owner];
  // Some rows join two tenants, most name one of them twice or nobody beside it.
  const other = mixed(table.raw.salt, row) % 6;
  return [owner, other === 0 ? (owner + 1) % 3 : other < 3 ? owner : NOBODY];
}

function target(key: Key, row: number, owner: number, ownerOf: (row: number) => number): Target {
  const { raw, parent, required, overTenant } = key;
  const draw = mixed(raw.salt, row, 1);
  if (raw.shape === 'soft when' && draw % 3 === 0) return 'other kind';
  if (!required && draw % 4 === 0) return 'null';
  const canDangle = !overTenant && parent.weak === null;
  if ((!key.enforced || key.notValid) && canDangle && draw % 9 === 0) return 'orphan';
  if (!required && !raw.full && !overTenant && key.childColumns.length > 1 && draw % 7 === 0)
    return 'partly null';
  if (parent.rows === 0) return key.enforced || !canDangle ? 'null' : 'orphan';
  if (overTenant && owner === NOBODY) return 'null';
  const all = range(parent.rows);
  const same = all.filter((at) => ownerOf(at) === owner);
  const candidates = raw.stray && !overTenant ? all : same;
  if (candidates.length === 0)
    return required || (nulledColumns(key).columns.length > 0 && !overTenant)
      ? (all[draw % all.length] ?? 'null')
      : 'null';
  return candidates[mixed(raw.salt, row, 2) % candidates.length] ?? 'null';
}

function nowhere(type: string): string {
  return type === 'uuid' ? '00000000-0000-4000-8000-000000000900' : '900';
}

function ownKeyValue(table: Table, row: number): string[] {
  const n = String(row);
  switch (table.keyKind) {
    case 'uuid':
      return [`${String(row).padStart(8, '0')}-0000-4000-8000-00000000000${table.index}`];
    case 'text':
    case 'domain':
      return [`k'${n} "ü`];
    case 'composite':
      return [String(row % 2), `b\\${n}`];
    case 'enum':
      return [`e${n}`];
    case 'numeric':
      return [`${n}.0`];
    case 'range':
      return [`[${n},${row + 1})`];
    default:
      return [n];
  }
}

function extraValue(table: Table, { is, generated }: Column, row: number): string | null | undefined {
  if (generated || is.kind !== 'extra') return undefined;
  // Without a key, rows are alike.
  const { values } = is.extra;
  return values[(table.keyKind === 'none' ? row % 2 : row + table.raw.salt) % values.length] ?? null;
}

/** Whether triggers are in the way: `maybe` where that depends on which tables go together. */
export function triggersInTheWay({ tables, keys }: Model, mayTurnThemOff: boolean): 'yes' | 'no' | 'maybe' {
  const owned = ownedTables(tables, keys);
  const deleted = tables.filter((table) => owned.has(table) && !table.raw.keep);
  const quiet = deleted.filter(({ raw }) => raw.trigger === 'suppress');
  if (quiet.length === 0) return 'no';
  if (!mayTurnThemOff || quiet.some(hasDeferrable)) return 'yes';
  return deleted.some(({ raw }) => raw.trigger === 'fire') ? 'maybe' : 'no';
}

function hasDeferrable({ raw, partitioned, parent, keyKind }: Table): boolean {
  return raw.constraint === 'deferrable' && partitioned === 'no' && parent === null && keyKind !== 'none';
}

/** Whether orphans could not come back: `maybe` where that depends on what the role may do to what else they refer to. */
export function orphansStuck(
  { tables, keys }: Model,
  { orphans }: Pick<Outcome, 'orphans'>,
  mayTurnTriggersOff: boolean,
): 'yes' | 'no' | 'maybe' {
  if (orphans.size === 0) return 'no';
  if (!mayTurnTriggersOff) return 'yes';
  const children = [...orphans].map(({ child }) => child);
  if (children.some((child) => child.raw.trigger === 'fire' || hasDeferrable(child))) return 'yes';
  const owned = ownedTables(tables, keys);
  const further = keys.filter(({ child, enforced }) => enforced && children.includes(child));
  return further.some(({ parent }) => !owned.has(parent) || parent.raw.keep) ? 'maybe' : 'no';
}

/** What a deletion of one tenant does to the rows, or why it cannot. */
export interface Outcome {
  /** By table, rows that go. */
  readonly gone: ReadonlyMap<Table, ReadonlySet<number>>;
  /** By table and row, names of columns that change in rows that stay, and the values. */
  readonly changed: ReadonlyMap<Table, ReadonlyMap<number, ReadonlyMap<string, string | null>>>;
  /** Codes of what has to be refused. */
  readonly refusals: ReadonlySet<string>;
  /** Keys by which rows that go refer to nothing already. */
  readonly orphans: ReadonlySet<Key>;
  /** Whether what belongs to whom depends on a cycle: then a row that another one of the cycle does not agree about. */
  readonly cyclic: boolean;
}

export function outcomeOf(model: Model, rows: Rows, tenant: number): Outcome {
  const { tables, keys } = model;
  const mine = closure(model, rows, tenant);
  const goes = (table: Table, row: number) => !table.raw.keep && mine.get(table)?.has(row) === true;
  const gone = new Map(
    tables.map((table) => [table, new Set(range(table.rows).filter((row) => goes(table, row)))]),
  );
  const changed = new Map<Table, Map<number, Map<string, string | null>>>();
  const refusals = new Set<string>();
  const orphans = new Set<Key>();
  const owned = ownedTables(tables, keys);
  for (const key of keys) {
    const { child, parent, raw } = key;
    if (!key.enforced) continue;
    const nulled = nulledColumns(key);
    const deletes = owned.has(parent) && !parent.raw.keep;
    const cannot =
      raw.onDelete === 'cascade' ||
      key.childColumns.every((name) => child.columns.find((one) => one.name === name)?.notNull);
    if (deletes && owned.has(child) && child.raw.keep && nulled.columns.length === 0 && cannot)
      refusals.add('kept_rows_refer');
    for (const row of range(child.rows)) {
      const to = rows.targets.get(key)?.[row];
      if (goes(child, row)) {
        if (to === 'orphan') orphans.add(key);
        continue;
      }
      if (typeof to !== 'number' || !goes(parent, to)) continue;
      if (nulled.columns.length === 0 || (nulled.to !== null && goes(parent, nulled.to))) {
        refusals.add('reference_conflict');
        continue;
      }
      if (child.keyKind === 'none' || child.keyKind === 'unique' || child.parent)
        refusals.add('plan_refused');
      const ofTable = changed.get(child) ?? new Map<number, Map<string, string | null>>();
      changed.set(child, ofTable);
      const ofRow = ofTable.get(row) ?? new Map<string, string | null>();
      ofTable.set(row, ofRow);
      for (const name of nulled.columns)
        ofRow.set(
          name,
          nulled.to === null ? null : (keyText(rows, key, nulled.to)[key.childColumns.indexOf(name)] ?? null),
        );
    }
  }
  return { gone, changed, refusals, orphans, cyclic: isCyclic(keys) };
}

/** What a key's columns hold where it refers to this row. */
export function keyText(rows: Rows, key: Key, row: number): (string | null)[] {
  const { parent } = key;
  return key.parentColumns.map((name) => {
    const place = parent.columns.findIndex((column) => column.name === name);
    return rows.values.get(parent)?.[row]?.[place] ?? null;
  });
}

function closure({ tables, keys }: Model, rows: Rows, tenant: number): Map<Table, Set<number>> {
  const mine = new Map(tables.map((table) => [table, new Set<number>()]));
  for (const [table, named] of rows.tenants)
    named.forEach((tenants, row) => {
      if (tenants.includes(tenant)) mine.get(table)?.add(row);
    });
  for (let grew = true; grew; ) {
    grew = false;
    for (const key of keys.filter(owns)) {
      rows.targets.get(key)?.forEach((to, row) => {
        if (typeof to !== 'number') return;
        const [from, at, owner, by] =
          key.raw.shape === 'reverse' ? [key.parent, to, key.child, row] : [key.child, row, key.parent, to];
        const reached = mine.get(from);
        if (!mine.get(owner)?.has(by) || reached === undefined || reached.has(at)) return;
        reached.add(at);
        grew = true;
      });
    }
  }
  return mine;
}

function isCyclic(keys: readonly Key[]): boolean {
  const edges = keys
    .filter(owns)
    .map(({ raw, child, parent }): readonly [Table, Table] =>
      raw.shape === 'reverse' ? [parent, child] : [child, parent],
    );
  return edges.some(([from]) => {
    const seen = new Set<Table>();
    const walk = (table: Table): boolean =>
      edges.some(([child, parent]) => {
        if (child !== table) return false;
        if (parent === from) return true;
        if (seen.has(parent)) return false;
        seen.add(parent);
        return walk(parent);
      });
    return walk(from);
  });
}
