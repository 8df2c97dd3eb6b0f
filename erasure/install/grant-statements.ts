/** What a role needs for a plan, as single statements that a person can read. */
import type { Declaration } from '../declaration.js';
import { neededPrivileges, type TablePrivilege, typeSchemas } from '../plan/findings/privileges.js';
import type { Plan } from '../plan/types.js';
import { ident, label, type QualifiedName, qualified } from '../quote.js';
import { fastPathSql } from './fast-path-sql.js';
import { LEDGER, ledgerSql, TOMBSTONES } from './ledger-sql.js';
import { retainedSql, retains } from './retained-sql.js';
import { upkeepSql } from './upkeep-sql.js';

export interface GrantOptions {
  readonly plan: Plan;
  readonly declaration: Declaration;
  readonly role: string;
  readonly roleExists: boolean;
  /** Whether the ledger is there already. */
  readonly installed: boolean;
  /** The login role that reads retained rows for an auditor. */
  readonly reader?: string;
  /** With the right to turn triggers off while rows are moved. */
  readonly fastPath: boolean;
}

/** Lethe's schema where it is not there yet, and the role's rights: to be run by the owner of the tables or a superuser. */
export function grantScript(options: GrantOptions): string {
  const { plan, declaration, role, roleExists, installed, fastPath, reader } = options;
  const parts = [
    `-- For the participant ${declaration.name}, made from the plan ${plan.hash.slice(0, 12)}. To be run in one transaction (psql -1), by a`,
    '-- superuser or the owner of the tables. It touches no row and no table of yours.',
    '',
    ...(roleExists
      ? []
      : [
          `-- The role does not exist yet. Give it a password of its own:\n--   CREATE ROLE ${ident(role)} LOGIN PASSWORD '…';`,
          '',
        ]),
    ...(installed ? [] : [ledgerSql(declaration), '']),
    '-- What the role may do here, and no more. It owns only the archives that it makes.',
    ...grantStatements(plan, declaration, role),
    '',
    upkeepSql(declaration, role),
    ...(retains(declaration) ? ['', retainedSql(declaration, role, reader)] : []),
    ...(fastPath ? ['', fastPathSql(role).trimEnd()] : []),
  ];
  return `${parts.join('\n')}\n`;
}

/** In order of schemas and tables. */
export function grantStatements(plan: Plan, declaration: Declaration, role: string): string[] {
  const to = ident(role);
  const lethe = declaration.letheSchema;
  const inLethe = (name: string) => qualified({ schema: lethe, name });
  const tables = tableGrants(plan);
  const named = new Map(plan.catalog.tables.map((table) => [table.oid, table]));
  const types = typeSchemas([...neededPrivileges(plan).keys()].flatMap((oid) => named.get(oid) ?? []));
  const schemas = [
    ...new Set([...tables.map(({ relation }) => relation.schema), ...types.map(({ name }) => name)]),
  ].sort();
  return [
    `GRANT USAGE, CREATE ON SCHEMA ${ident(lethe)} TO ${to};`,
    `GRANT SELECT, INSERT, UPDATE ON ${inLethe(LEDGER)} TO ${to};`,
    `GRANT SELECT, INSERT, DELETE ON ${inLethe(TOMBSTONES)} TO ${to};`,
    ...schemas.map((schema) => `GRANT USAGE ON SCHEMA ${ident(schema)} TO ${to};`),
    ...tables.map(
      ({ relation, privileges }) => `GRANT ${privileges.join(', ')} ON ${qualified(relation)} TO ${to};`,
    ),
  ];
}

interface TableGrant {
  readonly relation: QualifiedName;
  readonly privileges: readonly TablePrivilege[];
}

const ORDER: readonly TablePrivilege[] = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

function tableGrants(plan: Plan): TableGrant[] {
  const tables = new Map(plan.catalog.tables.map((table) => [table.oid, table]));
  const needed = [...neededPrivileges(plan)].flatMap(([oid, privileges]): TableGrant[] => {
    const relation = tables.get(oid);
    return relation === undefined
      ? []
      : [{ relation, privileges: ORDER.filter((one) => privileges.has(one)) }];
  });
  // A key that refers to a single partition is followed by that partition's name.
  const owned = new Set(plan.ownedTables.map(({ table }) => table.oid));
  const partitions = plan.catalog.foreignKeys.flatMap(({ parentPartition, parentOid }): TableGrant[] =>
    parentPartition !== null && owned.has(parentOid)
      ? [{ relation: parentPartition, privileges: ['SELECT'] }]
      : [],
  );
  return [...needed, ...partitions].sort((a, b) => (label(a.relation) < label(b.relation) ? -1 : 1));
}
