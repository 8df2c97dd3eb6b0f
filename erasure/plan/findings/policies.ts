/** Whether what is declared about retaining and anonymizing can be carried out, and is enough. */
import type { CatalogTable, Column, ForeignKey } from '../../catalog/types.js';
import type { Retention } from '../../declaration.js';
import { ident, label, shown } from '../../quote.js';
import { isPeriod } from '../../retention/due.js';
import { keyLabel, snakeCase } from '../ownership.js';
import { changes, leaves } from '../policy.js';
import { updateTriggers } from '../triggers.js';
import type { PlanFinding, PlannedTable } from '../types.js';
import { type Found, finding } from './found.js';

export function policyFindings(found: Found): PlanFinding[] {
  return [
    ...found.tables.flatMap((one) => (one.retention ? invalid(one, one.retention) : [])),
    ...retainedPlace(found),
    ...found.tables
      .filter(({ action }) => action === 'anonymize')
      .flatMap((one) => [
        ...impossible(one, found),
        ...linked(one, found),
        ...linkedFromKept(one, found),
        ...ownsOthers(one, found),
        ...triggers(one),
        ...retainedRefers(one, found),
      ]),
  ];
}

const TIMES = ['date', 'timestamp without time zone', 'timestamp with time zone'];

function invalid({ table, label: name }: PlannedTable, retention: Retention): PlanFinding[] {
  const { period, ground, from } = retention;
  const column = from === 'deletion' ? undefined : table.columns.find((one) => one.name === from.column);
  const faults = [
    ...(isPeriod(period)
      ? []
      : [`${JSON.stringify(period)} is no duration as ISO 8601 writes it, like P10Y`]),
    ...(ground.trim() === '' ? ['it names no legal ground'] : []),
    ...(from === 'deletion' ? [] : startFaults(from.column, column)),
  ];
  return faults.map((fault) =>
    finding('refusal', {
      code: 'retention_invalid',
      table: name,
      message: `${name} is declared to be retained, and nobody could say until when or why: ${fault}.`,
      remedy: 'Correct the retention in the declaration.',
    }),
  );
}

function startFaults(name: string, column: Column | undefined): string[] {
  if (column === undefined) return [`it has no column ${shown(name)} to count from`];
  if (column.generated)
    return [`${shown(name)} is computed by PostgreSQL and is not archived; count from what it is made of`];
  return TIMES.includes(column.baseType) ? [] : [`${shown(name)} is ${column.type} and no date or time`];
}

function retainedPlace({ tables, catalog, declaration }: Found): PlanFinding[] {
  const place = catalog.retainedRows;
  if (place === undefined || !tables.some(({ action }) => action === 'retain')) return [];
  if (!place.exists) {
    return [
      finding('refusal', {
        code: 'retained_place_missing',
        message: `Rows are declared to be retained, and there is no place for them beside ${shown(declaration.letheSchema)}.`,
        remedy: 'Apply the migration that installs Lethe here, or run what "lethe grants" prints.',
      }),
    ];
  }
  if (place.insert) return [];
  return [
    finding('refusal', {
      code: 'privilege_missing',
      privilege: 'INSERT',
      message: `The role ${shown(catalog.role)} lacks INSERT where rows are retained: they could be neither kept nor dropped.`,
      remedy: `Run what "lethe grants" prints for ${ident(catalog.role)}.`,
    }),
  ];
}

function impossible({ table, label: name, rules = {} }: PlannedTable, found: Found): PlanFinding[] {
  const key = table.primaryKey;
  const columns = new Map(table.columns.map((column) => [column.name, column]));
  const referenced = new Set(
    found.catalog.foreignKeys
      .filter((one) => one.enforced && one.parentOid === table.oid)
      .flatMap((one) => one.parentColumns),
  );
  const changed = Object.entries(rules).filter(([, { becomes }]) => becomes !== 'keep');
  const faults = [
    ...(key === null ? ['it has no primary key, by which its rows could be found again for a restore'] : []),
    ...(changed.length === 0 ? ['no rule changes anything'] : []),
    ...(table.kind === 'foreign' ? ['it is a foreign table'] : []),
    ...(table.rules.length > 0 ? [`it has the rule ${table.rules.map(shown).join(', ')}`] : []),
    ...Object.keys(rules).flatMap((column) =>
      columns.has(column) ? [] : [`it has no column ${shown(column)}`],
    ),
    ...changed.flatMap(([column, { becomes }]) => {
      const known = columns.get(column);
      if (known === undefined) return [];
      if (key?.includes(column)) return [`${shown(column)} is part of the primary key, and cannot change`];
      if (known.generated) return [`${shown(column)} is computed by PostgreSQL`];
      if (referenced.has(column)) return [`other rows refer to it by ${shown(column)}`];
      return becomes === 'null' && known.notNull ? [`${shown(column)} may not be null`] : [];
    }),
  ];
  return faults.map((fault) =>
    finding('refusal', {
      code: 'anonymize_impossible',
      table: name,
      message: `${name} cannot be anonymized as declared: ${fault}.`,
      remedy: 'Change the rules or the table; or declare it to be deleted, or to be kept with the reason.',
    }),
  );
}

/** Columns that name somebody, or say how to reach them; names as `snake_case`. */
export const PERSON =
  /(^|_)(user|member|account|owner|author|creator|editor|employee|person)(_(id|uuid))?$|_by(_(id|uuid))?$|(^|_)(e_?mail|phone)(_|$)/;

/** Every way from such a row to the tenant or to one of its people has to be cut. */
function linked({ table, label: name, rules = {}, ownership }: PlannedTable, found: Found): PlanFinding[] {
  const { tenant } = found.declaration;
  const own = new Map(found.tables.map((one) => [one.table.oid, one]));
  const cut = (column: string) => rules[column] !== undefined && rules[column].becomes !== 'keep';
  const tenantColumns = table.columns
    .map((column) => column.name)
    .filter(
      (column) =>
        tenant.columns.includes(column) ||
        ownership.some((one) => one.kind === 'tenant_column' && one.column === column),
    );
  const keys = found.catalog.foreignKeys.filter(({ childOid, parentOid }) => {
    const parent = own.get(parentOid);
    return childOid === table.oid && parent !== undefined && (leaves(parent) || !changes(parent));
  });
  const ways = [
    ...tenantColumns.filter((column) => !cut(column)).map((column) => `${shown(column)} says whose it was`),
    ...keys
      .filter((key) => !key.childColumns.some(cut))
      .map((key) => `${key.childColumns.map(shown).join(', ')} refers to ${own.get(key.parentOid)?.label}`),
    ...table.columns
      .map((column) => column.name)
      .filter((column) => rules[column] === undefined && PERSON.test(snakeCase(column).toLowerCase()))
      .filter((column) => !keys.some((key) => key.childColumns.includes(column)))
      .map((column) => `${shown(column)} looks as if it named a person`),
  ];
  return ways.map((way) => notAnonymous(name, way));
}

function notAnonymous(table: string, way: string): PlanFinding {
  return finding('refusal', {
    code: 'anonymize_linked',
    table,
    message: `Rows of ${table} would still lead to the tenant or its people: ${way}.`,
    remedy:
      'Give the column a rule: null, or a constant; where it leads to nobody, "keep" with the reason. Or delete the rows.',
  });
}

/** Rows that stay the tenant's, and refer to an anonymized one, say whose that was. */
function linkedFromKept({ table, label: name }: PlannedTable, found: Found): PlanFinding[] {
  return keysFrom('keep', table, found).flatMap(([key, child]) => {
    const onlyByIt = child.ownership.every((one) => one.kind === 'reference' && one.key === key);
    return onlyByIt ? [] : [notAnonymous(name, `rows of ${child.label}, which are kept, refer to it`)];
  });
}

function retainedRefers({ table, label: name }: PlannedTable, found: Found): PlanFinding[] {
  return keysFrom('retain', table, found).map(([key, child]) =>
    finding('warning', {
      code: 'retained_refers_to_anonymized',
      table: name,
      message: `Rows of ${child.label} are retained and refer by ${keyLabel(child.table, key)} to rows of ${name}, which are anonymized: what stood there is not retained, and who reads the retained row can tell whose the other was.`,
      remedy: `Retain ${name} as well, or delete from it: then what retained rows refer to is retained with them.`,
    }),
  );
}

function keysFrom(
  action: PlannedTable['action'],
  table: CatalogTable,
  found: Found,
): (readonly [ForeignKey, PlannedTable])[] {
  return found.catalog.foreignKeys.flatMap((key) => {
    const child = found.tables.find((one) => one.table.oid === key.childOid);
    const counts = key.parentOid === table.oid && child?.action === action;
    return child !== undefined && counts ? [[key, child] as const] : [];
  });
}

/** Rows that are the tenant's by an anonymized one would not be found any more. */
function ownsOthers({ table, label: name }: PlannedTable, found: Found): PlanFinding[] {
  return found.tables
    .filter(
      (other) =>
        changes(other) &&
        other.table.oid !== table.oid &&
        other.ownership.some((one) => one.kind === 'reference' && one.key.parentOid === table.oid),
    )
    .map((other) =>
      finding('refusal', {
        code: 'anonymize_owner',
        table: name,
        message: `Rows of ${label(other.table)} are the tenant's by rows of ${name} alone: once these are anonymized, nobody finds them.`,
        remedy: `Give ${label(other.table)} a tenant column, declare it as "keep", or delete from ${name}.`,
      }),
    );
}

function triggers(planned: PlannedTable): PlanFinding[] {
  const names = [...new Set(updateTriggers(planned.table).map(({ name }) => shown(name)))].join(', ');
  if (names === '') return [];
  const decided = planned.triggers === 'fire';
  return [
    finding(decided ? 'warning' : 'refusal', {
      code: 'anonymize_trigger',
      table: planned.label,
      message: `${names} of ${planned.label} fires when rows are anonymized and when they are put back: it may write the old values elsewhere, or change others.`,
      remedy: decided
        ? 'Nothing, if the trigger does no harm.'
        : 'If it does no harm, declare triggers: "fire" for the table. Else disable or change it.',
    }),
  ];
}
