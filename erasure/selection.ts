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
    const anyOf = ownership.map((one) => this.says(one, alias)).join(' OR ');
    if (ownership.length === 1) return anyOf;
    if (table.primaryKey === null) return `(${anyOf})`;
    // An OR of sub-selects alone has the whole table read; through the union of keys, indexes serve each of them.
    const key = table.primaryKey;
    const union = ownership.map((one) => {
      const inner = this.alias();
      return `SELECT ${columns(inner, key)} FROM ${rowsOf(table)} AS ${inner} WHERE ${this.says(one, inner)}`;
    });
    return `(${row(alias, key)} ${EQUALS} ANY (${union.join(' UNION ALL ')}) AND (${anyOf}))`;
  }

  refersToOwned(key: ForeignKey, alias: string): string {
    const { table, ownership } = this.ownedTable(key.parentOid);
    const sources = ownership.map((one): Source => {
      const inner = this.alias();
      return {
        from: `${key.parentPartition ? qualified(key.parentPartition) : rowsOf(table)} AS ${inner}`,
        column: (name) => `${inner}.${ident(name)}`,
        condition: this.says(one, inner),
      };
    });
    return refersTo(key, alias, sources);
  }

  private says(ownership: Ownership, alias: string): string {
    if (ownership.kind === 'tenant_column') {
      return `${alias}.${ident(ownership.column)} ${EQUALS} $1::pg_catalog.text::pg_catalog.${TYPES[this.tenantType]}`;
    }
    const { key } = ownership;
    return this.isOfCycle(key) ? this.refersToReached(key, alias) : this.refersToOwned(key, alias);
  }

  private isOfCycle(key: ForeignKey): boolean {
    const cycle = this.cycleOf.get(key.childOid);
    return cycle !== undefined && cycle === this.cycleOf.get(key.parentOid);
  }

  /** Whether a row refers to one that a cycle of ownership reaches from outside, over any number of rounds. */
  private refersToReached(key: ForeignKey, alias: string): string {
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
    return refersTo(
      key,
      alias,
      [
        {
          from: reached,
          column: marksOf(key.parentOid),
          condition: `${reached}.member = ${place.get(key.parentOid)}`,
        },
      ],
      `WITH RECURSIVE ${reached} AS ((${begin.join(' UNION ALL ')}) UNION (${step})) `,
    );
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

/** Whether the child's row refers to one of the sources' rows: by plain equality a semi-join, which can be hashed. */
function refersTo(key: ForeignKey, alias: string, sources: readonly Source[], prefix = ''): string {
  const plain = key.operators.every((operator) => operator === EQUALS);
  const selects = sources.map(({ from, column, condition }) =>
    plain
      ? `SELECT ${key.parentColumns.map(column).join(', ')} FROM ${from} WHERE ${condition}`
      : `SELECT FROM ${from} WHERE ${[...equalities(key, column, alias), condition].join(' AND ')}`,
  );
  const rows = prefix + selects.join(' UNION ALL ');
  const refers = plain ? `${row(alias, key.childColumns)} ${EQUALS} ANY (${rows})` : `EXISTS (${rows})`;
  const conditions = [refers, ...onPartition(key, alias)];
  return conditions.length === 1 ? refers : `(${conditions.join(' AND ')})`;
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
