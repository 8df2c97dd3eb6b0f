/** Rows that a cycle of ownership reaches, as SQL. */
import type { CatalogTable, ForeignKey } from './catalog/types.js';
import type { OwnedTable, Ownership } from './plan/types.js';
import { ident } from './quote.js';
import { equalities, inRows, keysOf, rowsOf, type Source } from './selection-sql.js';

export interface OwnershipCycle {
  readonly members: readonly OwnedTable[];
  isOfCycle(key: ForeignKey): boolean;
  rowIsOwnedAlong(table: CatalogTable, ownership: Ownership, alias: string): string;
  alias(): string;
}

/** Those of one member, whose ownership begins outside of the cycle and goes round it any number of times. */
export function reachedRows(oid: number, cycle: OwnershipCycle): Source {
  const { members } = cycle;
  const place = new Map(members.map(({ table }, number) => [table.oid, number]));
  const tables = new Map(members.map(({ table }) => [table.oid, table]));
  // A key of the cycle leads from a member to a member.
  const keys = members
    .flatMap(({ ownership }) => keysOf(ownership))
    .flatMap((key) => {
      const child = tables.get(key.childOid);
      return child !== undefined && cycle.isOfCycle(key) ? [{ key, child }] : [];
    });
  // What a row that was reached is known by: the columns that the cycle's keys refer to.
  const marks = members.flatMap(({ table }, number) =>
    table.columns
      .filter(({ name }) =>
        keys.some(({ key }) => key.parentOid === table.oid && key.parentColumns.includes(name)),
      )
      .map(({ name, attnum, type }) => ({ oid: table.oid, name, type, as: `m${number}_${attnum}` })),
  );
  const reached = cycle.alias();
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
      .filter((one) => one.kind === 'tenant_column' || !cycle.isOfCycle(one.key))
      .map((one) => {
        const inner = cycle.alias();
        return `SELECT ${emit(table.oid, inner)} FROM ${rowsOf(table)} AS ${inner} WHERE ${cycle.rowIsOwnedAlong(table, one, inner)}`;
      }),
  );
  const steps = keys.map(({ key, child }) => {
    const inner = cycle.alias();
    return {
      emitted: emit(key.childOid, inner),
      from: `${rowsOf(child)} AS ${inner}`,
      condition: [
        `${reached}.member = ${place.get(key.parentOid)}`,
        ...equalities(key, marksOf(key.parentOid), inner),
        ...inRows(key, inner),
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
    column: marksOf(oid),
    conditions: [`${reached}.member = ${place.get(oid)}`],
  };
}
