/** Whether the declaration covers what there is, and only that. */
import { ident, label, qualified, shown } from '../../quote.js';
import { candidatesOf } from '../candidates.js';
import { changes, policyOf } from '../policy.js';
import type { OwnedTable, PlanFinding } from '../types.js';
import { type Found, finding } from './found.js';
import { looksOwned } from './looks-owned.js';

export function coverageFindings(found: Found): PlanFinding[] {
  return [
    ...unaccepted(found),
    ...declaredInVain(found),
    ...ownershipChanged(found),
    ...openQuestions(found),
    ...unknownReferences(found),
    ...candidatesOf(found).map(looksOwned),
    ...tenantColumns(found),
    ...unfenced(found),
  ];
}

function unaccepted({ unacceptedTables, ownedTables }: Found): PlanFinding[] {
  return ownedTables
    .filter((one) => unacceptedTables.includes(one.label))
    .map((one) =>
      finding('refusal', {
        code: 'table_not_accepted',
        table: one.label,
        message: `${one.label} holds tenants' rows (${one.ownedBy}), and the declaration does not name it.`,
        remedy: `Add it to the declaration: tables: { ${JSON.stringify(one.label)}: { action: "delete" } }.`,
      }),
    );
}

function declaredInVain({ catalog, declaration, ownedTables }: Found): PlanFinding[] {
  const named = new Map(
    catalog.tables.flatMap((table) => [
      [label(table), table] as const,
      [`${table.schema}.${table.name}`, table] as const,
    ]),
  );
  const owned = new Set(ownedTables.map(({ table }) => table.oid));
  return Object.entries(declaration.tables).flatMap(([name, { action }]): PlanFinding[] => {
    const table = named.get(name);
    if (table === undefined) {
      return [
        finding('refusal', {
          code: 'declared_table_missing',
          table: name,
          message: `${name} is declared and does not exist in this database.`,
          remedy: `Apply the service's migrations, correct the name, or take it out of the declaration.`,
        }),
      ];
    }
    if (action === 'keep' || owned.has(table.oid)) return [];
    return [
      finding('refusal', {
        code: 'table_not_owned',
        table: name,
        message: `${name} is declared to be deleted from, and nothing says whose its rows are: no tenant column, and no foreign key to a table that has one.`,
        remedy: `Give it a tenant column or a foreign key, or declare it as "keep" with the reason.`,
      }),
    ];
  });
}

/** What a person accepted was something else. */
function ownershipChanged({ tables, declaration }: Found): PlanFinding[] {
  return tables.flatMap(({ table, label: name, ownedBy }): PlanFinding[] => {
    const accepted = policyOf(table, declaration)?.ownedBy;
    if (accepted === undefined || accepted === ownedBy) return [];
    return [
      finding('refusal', {
        code: 'ownership_changed',
        table: name,
        message: `${name} was accepted as owned by ${accepted}, and is owned by ${ownedBy} now.`,
        remedy: 'Look at what has changed in the schema, and accept it anew.',
      }),
    ];
  });
}

function openQuestions({ declaration }: Found): PlanFinding[] {
  return (declaration.openQuestions ?? []).map(({ about, question, suggestion }) =>
    finding('refusal', {
      code: 'question_open',
      message: `Nobody has answered yet, about ${about}: ${question}`,
      remedy: `Answer it in the participant's file; suggested is ${JSON.stringify(suggestion)}.`,
    }),
  );
}

function unknownReferences({ unknownReferences }: Found): PlanFinding[] {
  return unknownReferences.map(({ from, to, when }) =>
    finding('refusal', {
      code: 'soft_reference_unknown',
      message: `A reference from ${from} to ${to}${when ? ` by ${when.column}` : ''} is declared, and one of these columns does not exist.`,
      remedy: 'Write columns as schema.table.column, quoted where SQL needs it, or take the reference out.',
    }),
  );
}

const COMPARABLE: Readonly<Record<Found['tenantType'], readonly string[]>> = {
  uuid: ['uuid'],
  text: ['text', 'character varying', 'character', 'bpchar', 'name'],
  integer: ['smallint', 'integer', 'bigint'],
  bigint: ['smallint', 'integer', 'bigint'],
};

function tenantColumns(found: Found): PlanFinding[] {
  return found.ownedTables.flatMap((owned): PlanFinding[] => {
    const taken = owned.ownership.flatMap((one) => (one.kind === 'tenant_column' ? [one.column] : []));
    if (taken.length === 0) return [];
    return [
      ...otherTenantColumns(owned, taken, found),
      ...taken.flatMap((column) => [
        ...typeMismatch(owned, column, found),
        ...tenantColumnUnindexed(owned, column),
      ]),
    ];
  });
}

function otherTenantColumns({ table, label: name }: OwnedTable, taken: readonly string[], found: Found) {
  const { tenant } = found.declaration;
  const decided = Object.keys(tenant.columnsOf ?? {});
  if (decided.includes(name) || decided.includes(`${table.schema}.${table.name}`)) return [];
  return tenant.columns
    .filter((other) => !taken.includes(other) && table.columns.some((one) => one.name === other))
    .map((other) =>
      finding('warning', {
        code: 'tenant_column_ambiguous',
        table: name,
        message: `${name} has several tenant columns; ${taken.map(shown).join(', ')} says whose a row is, ${shown(other)} does not.`,
        remedy:
          'The first of tenant.columns that a table has is taken: change their order, take one out, or declare the columns of this table.',
      }),
    );
}

function typeMismatch({ table, label: name }: OwnedTable, column: string, found: Found): PlanFinding[] {
  const { tenantType, declaration } = found;
  const { columnsOf = {} } = declaration.tenant;
  const type = table.columns.find((one) => one.name === column);
  // Keys that are kept as text are compared as text, where a person has said that they are keys.
  const asText =
    [name, `${table.schema}.${table.name}`].some((one) => Object.hasOwn(columnsOf, one)) &&
    type !== undefined &&
    COMPARABLE.text.includes(type.baseType);
  if (type === undefined || asText || COMPARABLE[tenantType].includes(type.baseType)) return [];
  return [
    finding('refusal', {
      code: 'tenant_type_mismatch',
      table: name,
      message: `${shown(column)} of ${name} is ${type.type}, and the tenant's key is declared to be ${tenantType}.`,
      remedy: 'Declare the type that the tenant columns have; they all have to have the same.',
    }),
  ];
}

function tenantColumnUnindexed({ table, label: name }: OwnedTable, column: string): PlanFinding[] {
  const indexed = table.indexes.some(({ columns, partial }) => !partial && columns[0] === column);
  if (indexed || table.kind === 'foreign') return [];
  return [
    finding('warning', {
      code: 'tenant_column_unindexed',
      table: name,
      message: `No index begins with ${shown(column)} of ${name}: to find a tenant's rows, the whole table is read.`,
      remedy: `CREATE INDEX CONCURRENTLY ON ${qualified(table)} (${ident(column)});`,
    }),
  ];
}

/** Tables without tenant column need no fence of their own: their rows need a parent, and that is fenced. */
function unfenced(found: Found): PlanFinding[] {
  if (found.declaration.fence !== 'trigger') return [];
  return found.tables.filter(changes).flatMap(({ table, ownership, label: name }): PlanFinding[] => {
    if (!ownership.some(({ kind }) => kind === 'tenant_column')) return [];
    const open = [
      ...(table.kind === 'partitioned' && !table.fenced ? [name] : []),
      ...table.leaves.filter(({ fenced }) => !fenced).map(label),
    ];
    if (open.length === 0) return [];
    const fence = qualified({ schema: found.declaration.letheSchema, name: 'fence_table' });
    const some = open.slice(0, 5).join(', ') + (open.length > 5 ? ` and ${open.length - 5} more` : '');
    return [
      finding('warning', {
        code: 'fence_missing',
        table: name,
        message: `New rows of a tenant who is being erased are not kept out of ${some}: the fence's triggers are not there.`,
        remedy: `As the table's owner: CALL ${fence}('${qualified(table).replaceAll("'", "''")}');`,
      }),
    ];
  });
}
