/** Tables that hold nobody's rows as far as the catalog says, and look as if they did. */
import type { Catalog, CatalogTable, ForeignKey } from '../catalog/types.js';
import type { Declaration } from '../declaration.js';
import { label } from '../quote.js';
import { policyOf } from './policy.js';
import { columnLabel, family } from './soft-references.js';
import type { OwnedTable } from './types.js';

export type Candidate = ColumnCandidate | GenericCandidate | TableCandidate;

/** A column that may hold a tenant's key, or that of a row which is a tenant's. */
export interface ColumnCandidate {
  readonly kind: 'tenant_column' | 'soft_reference';
  readonly table: CatalogTable;
  readonly column: string;
  /** What it would refer to; null where that is the tenant, who is no row anywhere. */
  readonly target: { readonly table: CatalogTable; readonly column: string } | null;
  readonly because: 'name' | 'inherited' | 'key_not_enforced';
}

/** A column that may hold keys of several tables, which another column names. */
export interface GenericCandidate {
  readonly kind: 'generic_reference';
  readonly table: CatalogTable;
  readonly column: string;
  readonly typeColumn: string;
}

/** A table whose rows are referred to by one tenant's row each. */
export interface TableCandidate {
  readonly kind: 'unowned_table';
  readonly table: CatalogTable;
  /** What the columns hold that are referred to, and by which; labels. */
  readonly referredToBy: readonly { readonly from: string; readonly by: string }[];
}

export interface Covered {
  readonly catalog: Catalog;
  readonly declaration: Declaration;
  readonly ownedTables: readonly OwnedTable[];
}

export function candidatesOf(covered: Covered): Candidate[] {
  const ignored = new Set(covered.declaration.ignoredColumns ?? []);
  const isIgnored = (table: CatalogTable, column: string) =>
    ignored.has(columnLabel(table, column)) || ignored.has(`${table.schema}.${table.name}.${column}`);
  const search = new Search(covered);
  return uncovered(covered).flatMap((table): Candidate[] => {
    const columns = search.columnsOf(table).filter(({ column }) => !isIgnored(table, column));
    return columns.length > 0 ? columns : search.asWhole(table);
  });
}

/** Tables of this participant that hold nobody's rows, as far as is known, and that nobody has decided about. */
function uncovered({ catalog, declaration, ownedTables }: Covered): CatalogTable[] {
  const owned = new Set(ownedTables.map(({ table }) => table.oid));
  return catalog.tables.filter(
    (table) =>
      table.declared &&
      !table.extensionOwned &&
      !owned.has(table.oid) &&
      policyOf(table, declaration) === undefined,
  );
}

class Search {
  private readonly owned: ReadonlyMap<number, OwnedTable>;
  private readonly byName: ReadonlyMap<string, CatalogTable>;
  private readonly root: CatalogTable | undefined;
  private readonly tenantNames: readonly string[];
  /** What one tenant is called, as its own table says. */
  private readonly ofRoot: readonly string[];

  constructor(private readonly covered: Covered) {
    const { ownedTables, declaration } = covered;
    const { columns, root } = declaration.tenant;
    this.owned = new Map(ownedTables.map((one) => [one.table.oid, one]));
    this.byName = new Map(
      ownedTables.flatMap(({ table }) => singulars(table.name).map((name) => [name, table] as const)),
    );
    this.root = ownedTables
      .map(({ table }) => table)
      .find((table) => root && [label(table), `${table.schema}.${table.name}`].includes(root.table));
    this.ofRoot = this.root === undefined ? [] : singulars(this.root.name);
    this.tenantNames = [
      ...columns.map(plain),
      ...this.ofRoot.flatMap((name) =>
        ['id', 'uuid', plain(root?.key ?? 'id')].map((key) => `${name}${key}`),
      ),
    ];
  }

  columnsOf(table: CatalogTable): (ColumnCandidate | GenericCandidate)[] {
    const keys = this.covered.catalog.foreignKeys.filter((key) => key.childOid === table.oid);
    const keyed = new Set(keys.filter(({ enforced }) => enforced).flatMap((key) => key.childColumns));
    const unkeyed = table.columns.map(({ name }) => name).filter((name) => !keyed.has(name));
    const found = [
      ...keys.flatMap((key) => this.notEnforced(table, key)),
      ...this.inherited(table),
      ...unkeyed.flatMap((name) => this.byItsName(table, name)),
    ];
    // Each column once: what is known for a better reason comes first.
    return found.filter((one, place) => found.findIndex(({ column }) => column === one.column) === place);
  }

  /** A row that exactly one row refers to is a part of that row, kept in a table of its own. */
  asWhole(table: CatalogTable): TableCandidate[] {
    const keys = this.covered.catalog.foreignKeys.filter(
      (key) => key.enforced && key.parentOid === table.oid && key.childOid !== table.oid,
    );
    const children = keys.map((key) => ({ key, child: this.owned.get(key.childOid)?.table }));
    if (!children.some(({ key, child }) => child !== undefined && isUnique(child, key))) return [];
    const referredToBy = children.flatMap(({ key, child }) => {
      const [by, ...others] = key.childColumns;
      const [from] = key.parentColumns;
      return child === undefined || by === undefined || from === undefined || others.length > 0
        ? []
        : [{ from: columnLabel(table, from), by: columnLabel(child, by) }];
    });
    return referredToBy.length < keys.length ? [] : [{ kind: 'unowned_table', table, referredToBy }];
  }

  private notEnforced(table: CatalogTable, key: ForeignKey): ColumnCandidate[] {
    return key.enforced ? [] : this.alongKey(table, key, 'key_not_enforced');
  }

  /** A table that refers to an owned one by the columns of a key that does not hold there. Keys of one column only. */
  private alongKey(
    table: CatalogTable,
    key: ForeignKey,
    because: ColumnCandidate['because'],
  ): ColumnCandidate[] {
    const parent = this.owned.get(key.parentOid)?.table;
    const [column, ...others] = key.childColumns;
    const [target] = key.parentColumns;
    if (parent === undefined || column === undefined || target === undefined || others.length > 0) return [];
    return [{ kind: 'soft_reference', table, column, target: { table: parent, column: target }, because }];
  }

  /** Keys are not inherited, columns are. */
  private inherited(table: CatalogTable): ColumnCandidate[] {
    const parents = table.parentOids.flatMap((oid) => this.owned.get(oid) ?? []);
    return parents.flatMap(({ ownership }) =>
      ownership.flatMap((one): ColumnCandidate[] => {
        if (one.kind === 'tenant_column') {
          const has = table.columns.some(({ name }) => name === one.column);
          return has
            ? [{ kind: 'tenant_column', table, column: one.column, target: null, because: 'inherited' }]
            : [];
        }
        return this.alongKey(table, one.key, 'inherited');
      }),
    );
  }

  private byItsName(table: CatalogTable, column: string): (ColumnCandidate | GenericCandidate)[] {
    const name = plain(column);
    if (this.tenantNames.includes(name) || name.includes('tenant') || this.isNamedAsTenant(table, column)) {
      const { root } = this.covered.declaration.tenant;
      const target = this.root && root ? { table: this.root, column: root.key } : null;
      return [{ kind: 'tenant_column', table, column, target, because: 'name' }];
    }
    const stem = stemOf(column);
    if (stem === null) return [];
    const typeColumn = typeColumnOf(table, stem);
    // What a table's rows are known by themselves points nowhere.
    const isOwnKey = table.primaryKey?.join() === column;
    if (typeColumn !== null)
      return isOwnKey ? [] : [{ kind: 'generic_reference', table, column, typeColumn }];
    const target = this.byName.get(stem);
    const key = target && keyColumnOf(target);
    return target === undefined || key === undefined
      ? []
      : [{ kind: 'soft_reference', table, column, target: { table: target, column: key }, because: 'name' }];
  }

  /** `project` of a table beside `projects`: the key of one, where it is of the key's type. */
  private isNamedAsTenant(table: CatalogTable, column: string): boolean {
    const { root } = this.covered.declaration.tenant;
    if (!this.ofRoot.includes(plain(column)) || table === this.root) return false;
    const one = table.columns.find(({ name }) => name === column);
    const key = this.root?.columns.find(({ name }) => name === root?.key);
    return one !== undefined && key !== undefined && family(one) === family(key);
  }
}

function keyColumnOf(table: CatalogTable): string | undefined {
  return table.primaryKey?.length === 1
    ? table.primaryKey[0]
    : table.columns.find(({ name }) => name === 'id')?.name;
}

function isUnique(child: CatalogTable, key: ForeignKey): boolean {
  return child.indexes.some(
    ({ columns, unique }) =>
      unique &&
      columns.length === key.childColumns.length &&
      columns.every((column) => key.childColumns.includes(column)),
  );
}

/** What a column is named after: `task_id`, `taskId` and `TaskID` after the task. */
function stemOf(column: string): string | null {
  const stem =
    /^(.+)_(?:id|uuid)$/i.exec(column)?.[1] ?? /^(.*[a-z0-9])(?:Id|ID|Uuid|UUID)$/.exec(column)?.[1];
  return stem === undefined ? null : plain(stem);
}

/** `subject_type` beside `subject_id`; Django's `content_type_id` beside `object_id`. */
function typeColumnOf(table: CatalogTable, stem: string): string | null {
  const names = [`${stem}type`, `${stem}contenttypeid`, `${stem}contenttype`];
  if (stem.endsWith('object')) {
    const before = stem.slice(0, -'object'.length);
    names.push(...['contenttypeid', 'contenttype', 'ctid', 'type'].map((name) => `${before}${name}`));
  }
  return table.columns.find(({ name }) => names.includes(plain(name)))?.name ?? null;
}

/** Without what people write names differently by. */
export function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[_ -]/g, '');
}

/** What one row of a table may be called. */
export function singulars(name: string): string[] {
  const all = [name, name.replace(/s$/i, ''), name.replace(/es$/i, ''), name.replace(/ies$/i, 'y')];
  return [...new Set(all.map(plain))];
}
