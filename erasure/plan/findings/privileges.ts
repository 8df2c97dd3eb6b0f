/** What the connected role may not do and would have to, to the last table before anything is touched. */
import type { CatalogTable, Privileges } from '../../catalog/types.js';
import { ident, label, qualified, shown } from '../../quote.js';
import type { PlanFinding } from '../types.js';
import { deletedTables, type Found, finding, tablesByOid } from './found.js';

export type TablePrivilege = 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE';

/** What privileges follow from: a plan has it, too. */
export type Needs = Pick<Found, 'ownedTables' | 'tables' | 'references' | 'catalog'>;

const HELD = {
  SELECT: (privileges: Privileges) => privileges.select,
  INSERT: (privileges: Privileges) => privileges.insert,
  UPDATE: (privileges: Privileges) => privileges.update,
  DELETE: (privileges: Privileges) => privileges.delete,
} as const;

const PURPOSES = {
  SELECT: 'to find the rows',
  INSERT: 'to restore rows',
  UPDATE: 'to lock rows, and to null what refers to them and set it back',
  DELETE: 'to delete rows',
} as const;

export function privilegeFindings(found: Found): PlanFinding[] {
  const needed = neededPrivileges(found);
  const tables = tablesByOid(found);
  const ofTables = [...needed].flatMap(([oid, privileges]) => {
    const table = tables.get(oid);
    return table === undefined ? [] : missingOn(table, [...privileges], found.catalog.role);
  });
  return [...ofTables, ...missingOnSchemas([...needed.keys()], found), ...missingForArchives(found)];
}

/** By table's OID. */
export function neededPrivileges(found: Needs): Map<number, Set<TablePrivilege>> {
  const needed = new Map<number, Set<TablePrivilege>>();
  const need = (oid: number, ...privileges: TablePrivilege[]) => {
    needed.set(oid, new Set([...(needed.get(oid) ?? []), ...privileges]));
  };
  for (const { table } of found.ownedTables) need(table.oid, 'SELECT');
  const deleted = new Set(deletedTables(found).map(({ table }) => table.oid));
  for (const oid of deleted) need(oid, 'SELECT', 'DELETE', 'INSERT', 'UPDATE');
  for (const { table, action } of found.tables)
    if (action === 'anonymize') need(table.oid, 'SELECT', 'UPDATE');
  // Every row that refers to deleted ones is looked at: it may be another tenant's.
  for (const key of found.catalog.foreignKeys) {
    if (key.enforced && deleted.has(key.parentOid)) need(key.childOid, 'SELECT');
    // A key that was never validated: whether rows would be let in again is looked up before they go.
    if (key.enforced && !key.validated && deleted.has(key.childOid)) need(key.parentOid, 'SELECT');
  }
  // Where no trigger looks a row up when rows that refer to it come back, it is looked up and locked.
  const silent = new Set(
    found.tables.flatMap(({ table, triggers }) => (triggers === 'suppress' ? [table.oid] : [])),
  );
  for (const key of found.catalog.foreignKeys) {
    if (key.enforced && silent.has(key.childOid)) need(key.parentOid, 'SELECT', 'UPDATE');
  }
  for (const { key } of found.references) need(key.childOid, 'UPDATE');
  return needed;
}

function missingOn(table: CatalogTable, privileges: readonly TablePrivilege[], role: string): PlanFinding[] {
  return privileges
    .filter((privilege) => !HELD[privilege](table.privileges))
    .map((privilege) =>
      finding('refusal', {
        code: 'privilege_missing',
        table: label(table),
        privilege,
        message: `The role ${shown(role)} lacks ${privilege} on ${label(table)}, which it needs ${PURPOSES[privilege]}.`,
        remedy: `GRANT ${privilege} ON ${qualified(table)} TO ${ident(role)};`,
      }),
    );
}

/** Schemas of types that are no types of PostgreSQL's own: values are cast to them when they come back. */
export function typeSchemas(tables: readonly CatalogTable[]): { name: string; usage: boolean }[] {
  const all = tables.flatMap(({ columns }) => columns.flatMap(({ typeSchema }) => typeSchema ?? []));
  return [...new Map(all.map((schema) => [schema.name, schema])).values()];
}

function missingOnSchemas(oids: readonly number[], found: Found): PlanFinding[] {
  const tables = tablesByOid(found);
  const { role } = found.catalog;
  const needed = oids.flatMap((oid) => tables.get(oid) ?? []);
  const closed = needed.flatMap(({ schema, privileges }) => (privileges.schemaUsage ? [] : [schema]));
  const ofTypes = typeSchemas(needed).flatMap(({ name, usage }) =>
    usage || closed.includes(name) ? [] : [name],
  );
  return [...new Set([...closed, ...ofTypes])].map((schema) =>
    finding('refusal', {
      code: 'privilege_missing',
      privilege: 'USAGE',
      message: `The role ${shown(role)} lacks USAGE on the schema ${shown(schema)}: it reaches no ${closed.includes(schema) ? 'table' : 'type'} there.`,
      remedy: `GRANT USAGE ON SCHEMA ${ident(schema)} TO ${ident(role)};`,
    }),
  );
}

function missingForArchives({ catalog, declaration }: Found): PlanFinding[] {
  const { exists, usage, create } = catalog.letheSchema;
  const schema = declaration.letheSchema;
  if (!exists) {
    return [
      finding('refusal', {
        code: 'lethe_schema_missing',
        message: `The schema ${shown(schema)} does not exist: ledger, tombstones and archives have no place.`,
        remedy: 'Apply the migration that installs Lethe here, or run what "lethe grants" prints.',
      }),
    ];
  }
  const missing = [...(usage ? [] : ['USAGE']), ...(create ? [] : ['CREATE'])];
  return missing.map((privilege) =>
    finding('refusal', {
      code: 'privilege_missing',
      privilege,
      message: `The role ${shown(catalog.role)} lacks ${privilege} on Lethe's schema ${shown(schema)}, where archives are made.`,
      remedy: `GRANT ${privilege} ON SCHEMA ${ident(schema)} TO ${ident(catalog.role)};`,
    }),
  );
}
