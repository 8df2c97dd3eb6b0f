/** Whose rows a table holds: by its tenant column, else along foreign keys. */
import type { Catalog, CatalogTable, ForeignKey } from '../catalog/types.js';
import type { Declaration, ReferencePolicy } from '../declaration.js';
import { label, shown } from '../quote.js';
import { cycles, edgesOf } from './graph.js';
import type { OwnedTable, Ownership } from './types.js';

/** A nullable key that could mean ownership or only point somewhere, and what a person will probably decide. */
export interface AmbiguousKey {
  readonly key: ForeignKey;
  readonly suggestion: ReferencePolicy;
  readonly reason: string;
}

export interface OwnershipFound {
  /** In order of name. */
  readonly owned: readonly OwnedTable[];
  readonly ambiguous: readonly AmbiguousKey[];
}

/** How the declaration names a key: `schema.table.column[,column…]`. */
export function keyLabel(child: CatalogTable, key: ForeignKey): string {
  return `${label(child)}.${key.childColumns.map(shown).join(',')}`;
}

/** The columns that a key refers to, with their table. */
export function keyParentLabel(parent: CatalogTable, key: ForeignKey): string {
  return `${label(parent)}.${key.parentColumns.map(shown).join(',')}`;
}

/** What a person has decided about a key. */
export function decisionOn(
  declaration: Declaration,
  child: CatalogTable,
  key: ForeignKey,
): ReferencePolicy | undefined {
  const { references = {} } = declaration;
  const plain = `${child.schema}.${child.name}.${key.childColumns.join(',')}`;
  const name = [keyLabel(child, key), plain].find((one) => Object.hasOwn(references, one));
  return name === undefined ? undefined : references[name];
}

/**
 * Whether every column of the key has to have a value: then each of its rows refers to a parent. Of a reference
 * without a constraint nobody knows.
 */
export function isRequired(child: CatalogTable, key: ForeignKey): boolean {
  if (key.soft !== undefined) return false;
  return key.childColumns.every((name) => child.columns.find((column) => column.name === name)?.notNull);
}

/**
 * The columns that say whose a row is: those declared for the table, else the first of those declared for all that
 * the table has. The table in which a tenant is a row belongs to the tenant by its own key.
 */
export function tenantColumnsOf(table: CatalogTable, { tenant }: Declaration): readonly string[] {
  const has = (name: string) => table.columns.some((column) => column.name === name);
  const names = [label(table), `${table.schema}.${table.name}`];
  if (tenant.root !== undefined && names.includes(tenant.root.table)) {
    return has(tenant.root.key) ? [tenant.root.key] : [];
  }
  const { columnsOf = {} } = tenant;
  const own = names.find((name) => Object.hasOwn(columnsOf, name));
  if (own !== undefined) return (columnsOf[own] ?? []).filter(has);
  return tenant.columns.filter(has).slice(0, 1);
}

type Meaning = 'owns' | 'reference' | 'ambiguous';

export function findOwnership(catalog: Catalog, declaration: Declaration): OwnershipFound {
  return new Search(catalog, declaration).run();
}

class Search {
  private readonly tables: ReadonlyMap<number, CatalogTable>;
  private readonly keys: readonly ForeignKey[];
  private readonly tenantColumns = new Map<number, readonly string[]>();
  /** Keys by which rows are owned, of tables that are owned. */
  private readonly owning = new Set<ForeignKey>();
  private readonly ownedOids = new Set<number>();
  private readonly ambiguous: AmbiguousKey[] = [];

  constructor(
    catalog: Catalog,
    private readonly declaration: Declaration,
  ) {
    const tables = catalog.tables
      .filter((table) => table.declared && !table.extensionOwned)
      .sort((a, b) => compare(label(a), label(b)));
    this.tables = new Map(tables.map((table) => [table.oid, table]));
    this.keys = catalog.foreignKeys
      .filter((key) => key.enforced && this.tables.has(key.childOid) && this.tables.has(key.parentOid))
      .sort((a, b) => compare(this.sortKey(a), this.sortKey(b)));
    for (const table of tables) {
      const columns = tenantColumnsOf(table, declaration);
      if (columns.length === 0) continue;
      this.tenantColumns.set(table.oid, columns);
      this.ownedOids.add(table.oid);
    }
  }

  run(): OwnershipFound {
    this.follow();
    // What is not decided yet is planned as suggested, so that a refused plan shows what is probably meant.
    for (let guesses = this.guess(); guesses.length > 0; guesses = this.guess()) {
      this.ambiguous.push(...guesses);
      for (const { key, suggestion } of guesses) if (suggestion === 'owns') this.own(key);
      this.follow();
    }
    this.settleCycles();
    const owned = [...this.tables.values()]
      .filter((table) => this.ownedOids.has(table.oid))
      .map((table) => this.ownedTable(table));
    return { owned, ambiguous: this.ambiguous };
  }

  /** Rows are owned along every owning key to an owned table, however far away its tenant column is. */
  private follow(): void {
    for (let found = true; found; ) {
      found = false;
      for (const key of this.keys) {
        if (this.owning.has(key) || this.meaning(key) !== 'owns' || !this.ownedOids.has(key.parentOid))
          continue;
        this.own(key);
        found = true;
      }
    }
  }

  private own(key: ForeignKey): void {
    this.owning.add(key);
    this.ownedOids.add(key.childOid);
  }

  private meaning(key: ForeignKey): Meaning {
    if (key.soft !== undefined) return 'owns';
    if (this.keys.some((other) => turnsAround(other, key))) return 'reference';
    const child = this.table(key.childOid);
    const decided = decisionOn(this.declaration, child, key);
    if (decided !== undefined) return decided === 'owns' ? 'owns' : 'reference';
    // Where a tenant column says whose a row is, keys have to agree with it and make nobody else its owner.
    if (this.tenantColumns.has(key.childOid)) return 'reference';
    if (key.onDelete === 'set_null' || key.onDelete === 'set_default') return 'reference';
    return key.onDelete === 'cascade' || isRequired(child, key) ? 'owns' : 'ambiguous';
  }

  private guess(): AmbiguousKey[] {
    const known = new Set(this.ambiguous.map(({ key }) => key));
    return this.keys
      .filter(
        (key) => !known.has(key) && this.meaning(key) === 'ambiguous' && this.ownedOids.has(key.parentOid),
      )
      .map((key) => ({ key, ...this.suggest(key) }));
  }

  private suggest(key: ForeignKey): Pick<AmbiguousKey, 'suggestion' | 'reason'> {
    const passing = key.childColumns.find((name) => PASSING.test(snakeCase(name)));
    if (passing !== undefined) {
      return {
        suggestion: 'reference',
        reason: `${shown(passing)} is named like something that a row pointed to once, and changes`,
      };
    }
    const other = this.keys.find(
      (one) => one !== key && one.childOid === key.childOid && this.owning.has(one),
    );
    if (other !== undefined) {
      return {
        suggestion: 'reference',
        reason: `its rows are owned along ${other.childColumns.map(shown).join(', ')} already`,
      };
    }
    return { suggestion: 'owns', reason: 'nothing else says whose its rows are' };
  }

  /**
   * A table whose every row is owned from outside of a cycle needs no walk through the cycle: there its keys have to
   * agree. So a tree of categories of a shop is as simple as the shop's other tables.
   */
  private settleCycles(): void {
    // A table that needs no walk any more may be what another is owned by from outside.
    while (this.settleSome());
  }

  private settleSome(): boolean {
    const open = new Set(this.ambiguous.map(({ key }) => key));
    const pairs = [...this.owning, ...open].map((key) => [key.childOid, key.parentOid] as const);
    const cycleOf = cycles(edgesOf([...this.ownedOids], pairs));
    const inside = (key: ForeignKey) =>
      cycleOf.has(key.childOid) && cycleOf.get(key.childOid) === cycleOf.get(key.parentOid);
    let some = false;
    for (const [oid] of cycleOf) {
      const child = this.table(oid);
      const own = [...this.owning, ...open].filter((key) => key.childOid === oid);
      const settled = own.some((key) => !inside(key) && this.owning.has(key) && isRequired(child, key));
      if (!settled) continue;
      for (const key of own.filter(inside)) {
        if (key.soft !== undefined || decisionOn(this.declaration, child, key) !== undefined) continue;
        this.owning.delete(key);
        const place = this.ambiguous.findIndex((one) => one.key === key);
        if (place >= 0) this.ambiguous.splice(place, 1);
        some = true;
      }
    }
    return some;
  }

  private ownedTable(table: CatalogTable): OwnedTable {
    const columns = this.tenantColumns.get(table.oid) ?? [];
    const keys = this.keys.filter((key) => key.childOid === table.oid && this.ownedOids.has(key.parentOid));
    const owning = keys.filter((key) => this.owning.has(key));
    const ownership: Ownership[] = [
      ...columns.map((column) => ({ kind: 'tenant_column' as const, column })),
      ...owning.map((key) => ({ kind: 'reference' as const, key })),
    ];
    const open = new Set(this.ambiguous.map(({ key }) => key));
    const agreeing = keys.filter(
      (key) =>
        !this.owning.has(key) &&
        !open.has(key) &&
        key.onDelete !== 'set_null' &&
        key.onDelete !== 'set_default' &&
        decisionOn(this.declaration, table, key) !== 'reference',
    );
    return {
      table,
      label: label(table),
      ownership,
      agreeing,
      ownedBy: ownership.map((one) => this.inWords(one)).join(' or '),
    };
  }

  private inWords(ownership: Ownership): string {
    if (ownership.kind === 'tenant_column') return shown(ownership.column);
    const { key } = ownership;
    if (key.soft?.reverse) return `referred to by ${keyParentLabel(this.table(key.parentOid), key)}`;
    const when =
      key.soft?.when === undefined ? '' : ` where ${shown(key.soft.when.column)} is ${key.soft.when.equals}`;
    return `${key.childColumns.map(shown).join(', ')} → ${label(this.table(key.parentOid))}${when}`;
  }

  private sortKey(key: ForeignKey): string {
    return [
      label(this.table(key.childOid)),
      key.childColumns.join(','),
      label(this.table(key.parentOid)),
      key.name,
      key.soft?.when?.equals ?? '',
    ]
      .join(' ')
      .trimEnd();
  }

  private table(oid: number): CatalogTable {
    const table = this.tables.get(oid);
    if (table === undefined)
      throw new Error(`The catalog has a key of a table with OID ${oid} but not the table.`);
    return table;
  }
}

/** Whether somebody has declared the opposite of a foreign key: that what is referred to belongs to what refers. */
function turnsAround(declared: ForeignKey, key: ForeignKey): boolean {
  return (
    declared.soft?.reverse === true &&
    declared.childOid === key.parentOid &&
    declared.parentOid === key.childOid &&
    declared.parentColumns.join() === key.childColumns.join()
  );
}

/** Names of columns by which a row points to something without belonging to it. */
const PASSING =
  /^(last|latest|current|default|preferred|previous|next|selected|active|recent|favou?rite)_|_(by|viewed|seen)(_id)?$/i;

/** `createdBy` as `created_by`. */
export function snakeCase(name: string): string {
  return name.replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2');
}

/** By code units: the same order on every machine. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
