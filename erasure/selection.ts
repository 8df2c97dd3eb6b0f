/** Which rows are a tenant's, as SQL: the one place that says so, for counting, moving and verifying. */
import type { CatalogTable, ForeignKey } from './catalog/types.js';
import { cycles, edgesOf } from './plan/graph.js';
import type { OwnedTable, Ownership, Plan } from './plan/types.js';

import { ident, qualified } from './quote.js';
import { reachedRows } from './selection-cycles.js';
import { EQUALS, isTenants, keysOf, refersTo, rowsOf, type Source, version } from './selection-sql.js';

export { rowsOf };

/**
 * A condition that is true for the tenant's rows of that table, and false or null for all others. The table stands in
 * the statement under `alias` (not quoted); `$1` is the tenant's key as text.
 */
export function ownedRows(plan: Plan, tableOid: number, alias: string, within: Within = () => null): string {
  return new Selection(plan).rowIsOwned(tableOid, ident(alias), within);
}

/** A further condition on the rows of the table, under the alias given; null: none. */
export type Within = (alias: string) => string | null;

/** The opposite, true for every other row: written so that it is an anti-join, which `NOT` or `IS NOT TRUE` is not. */
export function notOwnedRows(plan: Plan, tableOid: number, alias: string): string {
  return new Selection(plan).rowIsNotOwned(tableOid, ident(alias));
}

/** A condition on a row of the key's child, aliased `alias`: whether it refers to a row of the tenant. */
export function refersToOwned(plan: Plan, key: ForeignKey, alias: string): string {
  return new Selection(plan).refersToOwned(key, ident(alias));
}

/** The tenant's rows of that table, each once, as what stands after FROM. */
export function allOwned(plan: Plan, tableOid: number): string {
  return new Selection(plan).allOwned(tableOid);
}

/** A condition as of `ownedRows`, along one of the owners alone. */
export function ownedAlong(plan: Plan, table: CatalogTable, along: Ownership, alias: string): string {
  return new Selection(plan).rowIsOwnedAlong(table, along, ident(alias));
}

/** The opposite of it, for an anti-join as well. */
export function notOwnedAlong(plan: Plan, table: CatalogTable, along: Ownership, alias: string): string {
  return new Selection(plan).rowIsNotOwnedAlong(table, along, ident(alias));
}

class Selection {
  private readonly owned: ReadonlyMap<number, OwnedTable>;
  /** For tables whose ownership leads back to themselves: the number of their cycle. */
  private readonly cycleOf: ReadonlyMap<number, number>;
  private readonly tenantType: Plan['tenantType'];
  private readonly archived: Plan['archived'];
  /** Every key that refers to rows of tenants. */
  private readonly keys: readonly ForeignKey[];
  /** Rows of tables that are named several times in the sub-select that is being written. */
  private shared: Map<number, { name: string; rows: string }> | null = null;
  private aliases = 0;

  constructor(plan: Plan) {
    this.owned = new Map(plan.ownedTables.map((owned) => [owned.table.oid, owned]));
    this.tenantType = plan.tenantType;
    this.archived = plan.archived;
    this.keys = plan.catalog.foreignKeys.filter((key) => this.owned.has(key.parentOid));
    const pairs = plan.ownedTables.flatMap(({ ownership }) =>
      keysOf(ownership).map((key) => [key.childOid, key.parentOid] as const),
    );
    this.cycleOf = cycles(edgesOf([...this.owned.keys()], pairs));
  }

  /**
   * A row of several owners is taken along the first of them. That is no condition on a row, and so only for counting:
   * what waits for a row that somebody changes has to look at it alone once more.
   */
  allOwned(oid: number): string {
    const { table, ownership } = this.ownedTable(oid);
    // Each further owner is looked for along all before it.
    if (ownership.length !== 2) return `${rowsOf(table)} AS t WHERE ${this.rowIsOwned(oid, 't')}`;
    const each = ownership.map((one, place) => {
      const inner = this.alias();
      const before = ownership.slice(0, place).map((other) => this.rowIsNotOwnedAlong(table, other, inner));
      const conditions = [this.rowIsOwnedAlong(table, one, inner), ...before].join(' AND ');
      return `SELECT FROM ${rowsOf(table)} AS ${inner} WHERE ${conditions}`;
    });
    return `(${each.join(' UNION ALL ')}) AS t`;
  }

  rowIsOwned(oid: number, alias: string, within: Within = () => null): string {
    const { table, ownership } = this.ownedTable(oid);
    const [first, ...others] = ownership;
    const along = (one: Ownership, row: string) => {
      const owned = this.rowIsOwnedAlong(table, one, row);
      const condition = within(row);
      if (condition === null) return owned;
      // No index serves it that way: one on the tenant's column would find all of the tenant's rows each time.
      return `${one.kind === 'tenant_column' ? `(${owned}) IS TRUE` : owned} AND ${condition}`;
    };
    if (first !== undefined && others.length === 0) return along(first, alias);
    // An OR of sub-selects has the whole table read, and compares all with all where they do not fit into memory:
    // rows are found by each owner instead, and then by what they are known by.
    const union = ownership.map((one) => {
      const inner = this.alias();
      return `SELECT ${version(table, ownership, inner)} FROM ${rowsOf(table)} AS ${inner} WHERE ${along(one, inner)}`;
    });
    const found = `(${version(table, ownership, alias)}) ${EQUALS} ANY (SELECT * FROM (${union.join(' UNION ALL ')}) AS v OFFSET 0)`;
    const condition = within(alias);
    return condition === null ? found : `${found} AND ${condition}`;
  }

  rowIsNotOwned(oid: number, alias: string): string {
    const { table, ownership } = this.ownedTable(oid);
    return ownership.map((one) => this.rowIsNotOwnedAlong(table, one, alias)).join(' AND ');
  }

  rowIsOwnedAlong(table: CatalogTable, ownership: Ownership, alias: string): string {
    return ownership.kind === 'tenant_column'
      ? isTenants(table, ownership.column, this.tenantType, alias)
      : refersTo(ownership.key, alias, this.sourcesOf(ownership.key));
  }

  rowIsNotOwnedAlong(table: CatalogTable, ownership: Ownership, alias: string): string {
    return ownership.kind === 'tenant_column'
      ? `(${this.rowIsOwnedAlong(table, ownership, alias)}) IS NOT TRUE`
      : this.notReferringToOwned(ownership.key, alias);
  }

  refersToOwned(key: ForeignKey, alias: string): string {
    return refersTo(key, alias, this.ownedParents(key));
  }

  notReferringToOwned(key: ForeignKey, alias: string): string {
    return `NOT ${refersTo(key, alias, this.sourcesOf(key), true)}`;
  }

  /** The rows by which rows of the key's child are owned. */
  private sourcesOf(key: ForeignKey): readonly Source[] {
    const live = this.isOfCycle(key) ? [this.reachedParents(key)] : this.ownedParents(key);
    return key.soft === undefined ? live : [...live, ...this.archivedParents(key)];
  }

  /** No constraint has kept rows from coming after the row that they refer to was archived. */
  private archivedParents(key: ForeignKey): Source[] {
    return (this.archived?.get(key.parentOid) ?? [])
      .filter(({ columns }) => key.parentColumns.every((name) => columns.has(name)))
      .map(({ from, columns }) => {
        const inner = this.alias();
        return {
          from: `${from} AS ${inner}`,
          column: (name) => `${inner}.${columns.get(name)}`,
          conditions: [],
        };
      });
  }

  private ownedParents(key: ForeignKey): readonly Source[] {
    const parent = this.ownedTable(key.parentOid);
    const shared = this.sharedRows(parent, key);
    if (shared !== null) return [shared];
    return parent.ownership.map((one): Source => {
      const inner = this.alias();
      return {
        from: `${key.parentPartition ? qualified(key.parentPartition) : rowsOf(parent.table)} AS ${inner}`,
        column: (name) => `${inner}.${ident(name)}`,
        conditions: [this.rowIsOwnedAlong(parent.table, one, inner)],
      };
    });
  }

  /**
   * Where tables of several owners hang on tables of several owners, ways multiply with every hop. There, the rows of
   * each such table are selected once, in a WITH around the first.
   */
  private sharedRows(parent: OwnedTable, key: ForeignKey): Source | null {
    if (!this.hasManyWays(parent) || key.parentPartition !== null) return null;
    const inner = this.alias();
    const column = (name: string) => `${inner}.${ident(name)}`;
    const outermost = this.shared === null;
    this.shared ??= new Map();
    const name = this.shared.get(parent.table.oid)?.name ?? this.share(parent, this.shared);
    if (!outermost) return { from: `${name} AS ${inner}`, column, conditions: [] };
    const definitions = [...this.shared.values()].map((one) => `${one.name} AS (${one.rows})`).join(', ');
    this.shared = null;
    return { from: `(WITH ${definitions} SELECT * FROM ${name}) AS ${inner}`, column, conditions: [] };
  }

  private share(
    { table, ownership }: OwnedTable,
    shared: Map<number, { name: string; rows: string }>,
  ): string {
    const name = this.alias();
    const referenced = table.columns.filter((column) =>
      this.keys.some((key) => key.parentOid === table.oid && key.parentColumns.includes(column.name)),
    );
    const rows = ownership.map((one) => {
      const inner = this.alias();
      const shown = referenced.map((column) => `${inner}.${ident(column.name)}`).join(', ');
      return `SELECT ${shown} FROM ${rowsOf(table)} AS ${inner} WHERE ${this.rowIsOwnedAlong(table, one, inner)}`;
    });
    shared.set(table.oid, { name, rows: rows.join(' UNION ALL ') });
    return name;
  }

  /** Whether a table and one that its rows hang on have several owners each. */
  private hasManyWays({ table, ownership }: OwnedTable): boolean {
    if (ownership.length < 2) return false;
    const above = new Set([table.oid]);
    for (const oid of above) {
      for (const key of keysOf(this.ownedTable(oid).ownership)) {
        if (!above.has(key.parentOid) && this.ownedTable(key.parentOid).ownership.length > 1) return true;
        above.add(key.parentOid);
      }
    }
    return false;
  }

  private isOfCycle(key: ForeignKey): boolean {
    const cycle = this.cycleOf.get(key.childOid);
    return cycle !== undefined && cycle === this.cycleOf.get(key.parentOid);
  }

  /** Parents that a cycle of ownership reaches from outside, over any number of rounds. */
  private reachedParents(key: ForeignKey): Source {
    const cycle = this.cycleOf.get(key.parentOid);
    return reachedRows(key.parentOid, {
      members: [...this.owned.values()].filter(({ table }) => this.cycleOf.get(table.oid) === cycle),
      isOfCycle: (one) => this.isOfCycle(one),
      rowIsOwnedAlong: (table, one, alias) => this.rowIsOwnedAlong(table, one, alias),
      alias: () => this.alias(),
    });
  }

  private ownedTable(oid: number): OwnedTable {
    const found = this.owned.get(oid);
    if (found === undefined)
      throw new Error(`The table with OID ${oid} holds no tenant's rows by this plan.`);
    return found;
  }

  private alias(): string {
    this.aliases += 1;
    return `lethe_${this.aliases}`;
  }
}
