/** Whether the declaration covers what there is, and only that. */
import type { CatalogTable } from '../../catalog/types.js';
import { ident, label, qualified, shown } from '../../quote.js';
import type { PlanFinding } from '../types.js';
import { deletedTables, type Found, finding } from './found.js';

export function coverageFindings(found: Found): PlanFinding[] {
  return [
    ...unaccepted(found),
    ...declaredInVain(found),
    ...looksOwned(found),
    ...tenantColumns(found),
    ...unfenced(found),
    ...softReferences(found),
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

function looksOwned(found: Found): PlanFinding[] {
  const names = found.declaration.tenant.columns.map(plain);
  return uncovered(found).flatMap((table): PlanFinding[] => {
    const column = table.columns.find(
      ({ name }) => names.includes(plain(name)) || plain(name).includes('tenant'),
    );
    if (column === undefined) return [];
    return [
      finding('warning', {
        code: 'looks_tenant_owned',
        table: label(table),
        message: `${label(table)} has a column ${shown(column.name)} and is not taken to hold tenants' rows.`,
        remedy: `Name ${shown(column.name)} among the tenant columns, or declare the table as "keep" with the reason.`,
      }),
    ];
  });
}

/** Tables of this participant that hold nobody's rows, as far as is known, and that nobody has decided about. */
function uncovered({ catalog, declaration, ownedTables }: Found): CatalogTable[] {
  const owned = new Set(ownedTables.map(({ table }) => table.oid));
  const named = new Set(Object.keys(declaration.tables));
  return catalog.tables.filter(
    (table) =>
      table.declared &&
      !table.extensionOwned &&
      !owned.has(table.oid) &&
      !named.has(label(table)) &&
      !named.has(`${table.schema}.${table.name}`),
  );
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll('_', '');
}

const COMPARABLE: Readonly<Record<Found['tenantType'], readonly string[]>> = {
  uuid: ['uuid'],
  text: ['text', 'character varying', 'character', 'bpchar', 'name'],
  integer: ['smallint', 'integer', 'bigint'],
  bigint: ['smallint', 'integer', 'bigint'],
};

function tenantColumns(found: Found): PlanFinding[] {
  const { tenantType, declaration } = found;
  return found.ownedTables.flatMap(({ table, ownership, label: name }): PlanFinding[] => {
    const [first] = ownership;
    if (first?.kind !== 'tenant_column') return [];
    const column = table.columns.find((one) => one.name === first.column);
    const others = declaration.tenant.columns.filter(
      (other) => other !== first.column && table.columns.some((one) => one.name === other),
    );
    const findings: PlanFinding[] = others.map((other) =>
      finding('warning', {
        code: 'tenant_column_ambiguous',
        table: name,
        message: `${name} has several tenant columns; ${shown(first.column)} says whose a row is, ${shown(other)} does not.`,
        remedy: 'The first of tenant.columns that a table has is taken: change their order, or take one out.',
      }),
    );
    if (column !== undefined && !COMPARABLE[tenantType].includes(column.baseType)) {
      findings.push(
        finding('refusal', {
          code: 'tenant_type_mismatch',
          table: name,
          message: `${shown(first.column)} of ${name} is ${column.type}, and the tenant's key is declared to be ${tenantType}.`,
          remedy: 'Declare the type that the tenant columns have; they all have to have the same.',
        }),
      );
    }
    const indexed = table.indexes.some(({ columns, partial }) => !partial && columns[0] === first.column);
    if (!indexed && table.kind !== 'foreign') {
      findings.push(
        finding('warning', {
          code: 'tenant_column_unindexed',
          table: name,
          message: `No index begins with ${shown(first.column)} of ${name}: to find a tenant's rows, the whole table is read.`,
          remedy: `CREATE INDEX CONCURRENTLY ON ${qualified(table)} (${ident(first.column)});`,
        }),
      );
    }
    return findings;
  });
}

/** Tables without tenant column need no fence of their own: their rows need a parent, and that is fenced. */
function unfenced(found: Found): PlanFinding[] {
  if (found.declaration.fence !== 'trigger') return [];
  return deletedTables(found).flatMap(({ table, ownership, label: name }): PlanFinding[] => {
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

const POINTS = /^(.+)_(id|uuid)$/;

/** Columns that are named like a reference and are none: what they point to may go without anybody noticing. */
function softReferences(found: Found): PlanFinding[] {
  const targets = new Map<string, string>();
  for (const one of found.ownedTables) {
    for (const singular of singulars(one.table.name)) targets.set(singular, one.label);
  }
  return uncovered(found).flatMap((table): PlanFinding[] => {
    const keyed = new Set(
      found.catalog.foreignKeys.flatMap((key) => (key.childOid === table.oid ? key.childColumns : [])),
    );
    return table.columns.flatMap(({ name }): PlanFinding[] => {
      const stem = POINTS.exec(name)?.[1];
      if (stem === undefined || keyed.has(name)) return [];
      const target = targets.get(stem);
      const generic = table.columns.some((other) => other.name === `${stem}_type`);
      if (target === undefined && !generic) return [];
      return [
        finding('warning', {
          code: generic ? 'generic_reference' : 'soft_reference',
          table: label(table),
          message: generic
            ? `${shown(name)} of ${label(table)} may point to rows of several tables, without a foreign key: rows of tenants would stay.`
            : `${shown(name)} of ${label(table)} is named like a reference to ${target} and has no foreign key: rows of tenants would stay.`,
          remedy: 'Give the table a tenant column or a foreign key, or declare it as "keep" with the reason.',
        }),
      ];
    });
  });
}

function singulars(name: string): string[] {
  return [name, name.replace(/s$/, ''), name.replace(/es$/, ''), name.replace(/ies$/, 'y')];
}
