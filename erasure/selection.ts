/** Which rows are a tenant's, as SQL: the one place that says so, for counting, moving and verifying. */
import type { CatalogTable, ForeignKey } from './catalog/types.js';
import { cycles, edgesOf } from './plan/graph.js';
import type { OwnedTable, Ownership, Plan } from './plan/types.js';
import { ident, literal, type QualifiedName, qualified } from './quote.js';

const EQUALS = 'OPERATOR(pg_catalog.=)';

/**
 * A condition that is true for the tenant's rows of that table, and false or null for all others. The table stands in
 * the statement under `alias` (not quoted); `$1` is the tenant's key as text.
 */
export function ownedRows(plan: Plan, tableOid: number, alias: string): string {
  return new Selection(plan).rowIsOwned(tableOid, ident(alias));
}

/** The opposite, true for every other row: written so that it is an anti-join, which `NOT` or `IS NOT TRUE` is not. */
export function notOwnedRows(plan: Plan, tableOid: number, alias: string): string {
  return new Selection(plan).rowIsNotOwned(tableOid, ident(alias));
}

/** A condition on a row of the key's child, aliased `alias`: whether it refers to a row of the tenant. */
export function refersToOwned(plan: Plan, key: ForeignKey, alias: string): string {
  return new Selection(plan).refersToOwned(key, ident(alias));
}

/** What stands after FROM for a table's rows and no others: inheritance children are tables of their own. */
export function rowsOf(table: CatalogTable): string {
  return table.kind === 'partitioned' ? qualified(table) : `ONLY ${qualified(table)}`;
}

/** Rows that a key may refer to, as part of a sub-select. */
interface Source {
  readonly recursion?: string;
  readonly from: string;
  readonly column: (name: string) => string;
  readonly condition: string;
}

class Selection {
  private readonly owned: ReadonlyMap<number, OwnedTable>;
  /** For tables whose ownership leads back to themselves: the number of their cycle. */
  private readonly cycleOf: ReadonlyMap<number, number>;
  private readonly tenantType: Plan['tenantType'];
  private aliases = 0;

  constructor(plan: Plan) {
    this.owned = new Map(plan.ownedTables.map((owned) => [owned.table.oid, owned]));
    this.tenantType = plan.tenantType;
    const pairs = plan.ownedTables.flatMap(({ ownership }) =>
      keysOf(ownership).map((key) => [key.childOid, key.parentOid] as const),
    );
    this.cycleOf = cycles(edgesOf([...this.owned.keys()], pairs));
  }

  rowIsOwned(oid: number, alias: string): string {
    const { table, ownership } = this.ownedTable(oid);
    const [first, ...others] = ownership;
    if (first !== undefined && others.length === 0) return this.says(first, alias);
    // An OR of sub-selects has the whole table read, and compares all with all where they do not fit into memory:
    // rows are found by each owner instead, and then by what they are known by.
    const union = ownership.map((one) => {
      const inner = this.alias();
      return `SELECT ${version(table, ownership, inner)} FROM ${rowsOf(table)} AS ${inner} WHERE ${this.says(one, inner)}`;
    });
    return `(${version(table, ownership, alias)}) ${EQUALS} ANY (SELECT * FROM (${union.join(' UNION ALL ')}) AS v OFFSET 0)`;
  }

  rowIsNotOwned(oid: number, alias: string): string {
    const { ownership } = this.ownedTable(oid);
    return ownership
      .map((one) =>
        one.kind === 'tenant_column'
          ? `(${this.says(one, alias)}) IS NOT TRUE`
          : `NOT ${refersTo(one.key, alias, this.sourcesOf(one.key), true)}`,
      )
      .join(' AND ');
  }

  refersToOwned(key: ForeignKey, alias: string): string {
    return refersTo(key, alias, this.ownedParents(key));
  }

  private says(ownership: Ownership, alias: string): string {
    return ownership.kind === 'tenant_column'
      ? `${alias}.${ident(ownership.column)} ${EQUALS} $1::pg_catalog.text::pg_catalog.${TYPES[this.tenantType]}`
      : refersTo(ownership.key, alias, this.sourcesOf(ownership.key));
  }

  /** The rows by which rows of the key's child are owned. */
  private sourcesOf(key: ForeignKey): readonly Source[] {
    return this.isOfCycle(key) ? [this.reachedParents(key)] : this.ownedParents(key);
  }

  private ownedParents(key: ForeignKey): readonly Source[] {
    const { table, ownership } = this.ownedTable(key.parentOid);
    return ownership.map((one): Source => {
      const inner = this.alias();
      return {
        from: `${key.parentPartition ? qualified(key.parentPartition) : rowsOf(table)} AS ${inner}`,
        column: (name) => `${inner}.${ident(name)}`,
        condition: this.says(one, inner),
      };
    });
  }

  private isOfCycle(key: ForeignKey): boolean {
    const cycle = this.cycleOf.get(key.childOid);
    return cycle !== undefined && cycle === this.cycleOf.get(key.parentOid);
  }

  /** Parents that a cycle of ownership reaches from outside, over any number of rounds. */
  private reachedParents(key: ForeignKey): Source {
    const cycle = this.cycleOf.get(key.parentOid);
    const members = [...this.owned.values()].filter(({ table }) => this.cycleOf.get(table.oid) === cycle);
    const place = new Map(members.map(({ table }, number) => [table.oid, number]));
    const keys = members.flatMap(({ ownership }) => keysOf(ownership).filter((one) => this.isOfCycle(one)));
    // What a row that was reached is known by: the columns that the cycle's keys refer to.
    const marks = members.flatMap(({ table }, number) =>
      table.columns
        .filter(({ name }) =>
          keys.some((one) => one.parentOid === table.oid && one.parentColumns.includes(name)),
        )
        .map(({ name, attnum, type }) => ({ oid: table.oid, name, type, as: `m${number}_${attnum}` })),
    );
    const reached = this.alias();
    const marksOf = (oid: number) => (name: string) =>
      `${reached}.${marks.find((mark) => mark.oid === oid && mark.name === name)?.as ?? ident(name)}`;
    const emit = (oid: number, inner: string) =>
      [
        `${place.get(oid)} AS member`,
        ...marks.map((mark) =>
          mark.oid === oid
            ? `${inner}.${ident(mark.name)} AS ${mark.as}`
            : `CAST(NULL AS ${mark.type}) AS ${mark.as}`,
        ),
      ].join(', ');

    const begin = members.flatMap(({ table, ownership }) =>
      ownership
        .filter((one) => one.kind === 'tenant_column' || !this.isOfCycle(one.key))
        .map((one) => {
          const inner = this.alias();
          return `SELECT ${emit(table.oid, inner)} FROM ${rowsOf(table)} AS ${inner} WHERE ${this.says(one, inner)}`;
        }),
    );
    const steps = keys.map((one) => {
      const inner = this.alias();
      return {
        emitted: emit(one.childOid, inner),
        from: `${rowsOf(this.ownedTable(one.childOid).table)} AS ${inner}`,
        condition: [
          `${reached}.member = ${place.get(one.parentOid)}`,
          ...equalities(one, marksOf(one.parentOid), inner),
          ...onPartition(one, inner),
        ].join(' AND '),
      };
    });
    const [only] = steps;
    const step =
      only !== undefined && steps.length === 1
        ? `SELECT ${only.emitted} FROM ${reached} JOIN ${only.from} ON ${only.condition}`
        : // A recursion may name itself once only.
          `SELECT step.* FROM ${reached} CROSS JOIN LATERAL (${steps
            .map(({ emitted, from, condition }) => `SELECT ${emitted} FROM ${from} WHERE ${condition}`)
            .join(' UNION ALL ')}) AS step`;
    return {
      recursion: `WITH RECURSIVE ${reached} AS ((${begin.join(' UNION ALL ')}) UNION (${step})) `,
      from: reached,
      column: marksOf(key.parentOid),
      condition: `${reached}.member = ${place.get(key.parentOid)}`,
    };
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

function keysOf(ownership: readonly Ownership[]): ForeignKey[] {
  return ownership.flatMap((one) => (one.kind === 'reference' ? [one.key] : []));
}

const TYPES = { uuid: 'uuid', text: 'text', integer: 'int4', bigint: 'int8' } as const;

/**
 * Whether the child's row refers to one of the sources' rows: where the key's operators are plain equality a semi-join
 * by the values, which PostgreSQL can make unique and begin from.
 */
function refersTo(key: ForeignKey, alias: string, sources: readonly Source[], exists = false): string {
  const byValue = !exists && key.operators.every((operator) => operator === EQUALS);
  const rows = sources
    .map(({ recursion = '', from, column, condition }) =>
      byValue
        ? `${recursion}SELECT ${key.parentColumns.map(column).join(', ')} FROM ${from} WHERE ${condition}`
        : `${recursion}SELECT FROM ${from} WHERE ${[...equalities(key, column, alias), condition].join(' AND ')}`,
    )
    .join(' UNION ALL ');
  const refers = byValue ? `${row(alias, key.childColumns)} ${EQUALS} ANY (${rows})` : `EXISTS (${rows})`;
  const conditions = [refers, ...onPartition(key, alias)];
  return conditions.length === 1 ? refers : `(${conditions.join(' AND ')})`;
}

/**
 * What a row is known by, with what says whose it is: a row that somebody gives to another tenant while a statement
 * waits for it is found no more.
 */
function version(table: CatalogTable, ownership: readonly Ownership[], alias: string): string {
  if (table.primaryKey === null) return `${alias}.tableoid, ${alias}.ctid`;
  const owners = ownership.flatMap((one) => (one.kind === 'reference' ? one.key.childColumns : [one.column]));
  return `${columns(alias, table.primaryKey)}, CAST(ROW(${columns(alias, [...new Set(owners)])}) AS pg_catalog.text)`;
}

/** Column by column, by the key's own operators. */
function equalities(key: ForeignKey, parentColumn: (name: string) => string, child: string): string[] {
  return key.parentColumns.map(
    (name, place) =>
      `${parentColumn(name)} ${key.operators[place]} ${child}.${ident(key.childColumns[place] ?? name)}`,
  );
}

/** A key of a single partition says nothing about the rows of the others. */
function onPartition(key: ForeignKey, alias: string): string[] {
  return key.childPartition === null ? [] : [`${alias}.tableoid IN (${leavesOf(key.childPartition)})`];
}

function leavesOf(partition: QualifiedName): string {
  return `SELECT relid FROM pg_catalog.pg_partition_tree(${literal(qualified(partition))}::pg_catalog.regclass)`;
}

function columns(alias: string, names: readonly string[]): string {
  return names.map((name) => `${alias}.${ident(name)}`).join(', ');
}

function row(alias: string, names: readonly string[]): string {
  return names.length === 1 ? columns(alias, names) : `(${columns(alias, names)})`;
}
