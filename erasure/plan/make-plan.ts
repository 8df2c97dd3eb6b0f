/** Makes a plan from what the catalog shows and a person has declared. Pure: no connection, no clock. */
import type { Catalog } from '../catalog/types.js';
import type { Declaration } from '../declaration.js';
import { fastPathOf } from './fast-path.js';
import { findingsOf } from './findings.js';
import { planHash } from './hash.js';
import { findOwnership } from './ownership.js';
import { leaves, policyOf } from './policy.js';
import { referencesInto } from './references.js';
import { withRetainedWith } from './retained-with.js';
import { withSoftReferences } from './soft-references.js';
import { firingTriggers, updateTriggers } from './triggers.js';
import type { OwnedTable, Plan, PlannedTable } from './types.js';
import { unitsOf } from './units.js';

export function makePlan(given: Catalog, declaration: Declaration): Plan {
  const { catalog, unknown } = withSoftReferences(given, declaration);
  const { owned, ambiguous } = findOwnership(catalog, declaration);
  const tables = withRetainedWith(
    owned.flatMap((one) => planned(one, declaration)),
    catalog.foreignKeys,
  );
  const accepted = new Set(tables.map(({ table }) => table.oid));
  const deleted = new Set(tables.filter(leaves).map(({ table }) => table.oid));
  const found = {
    tables,
    ownedTables: owned,
    references: referencesInto(deleted, catalog, declaration),
    unacceptedTables: owned.filter(({ table }) => !accepted.has(table.oid)).map((one) => one.label),
    tenantType: declaration.tenant.type,
    catalog,
  };
  const units = unitsOf(tables, catalog.foreignKeys);
  const ordered = { ...found, units, fastPath: fastPathOf(units, tables, catalog) };
  return {
    ...ordered,
    hash: planHash(catalog, declaration, owned, tables),
    findings: findingsOf({ ...ordered, declaration, ambiguous, unknownReferences: unknown }),
  };
}

function planned(owned: OwnedTable, declaration: Declaration): PlannedTable[] {
  const policy = policyOf(owned.table, declaration);
  if (policy === undefined) return [];
  const firing = policy.action === 'anonymize' ? updateTriggers(owned.table) : firingTriggers(owned.table);
  const fires = policy.action !== 'keep' && firing.length > 0;
  return [
    {
      ...owned,
      action: policy.action,
      triggers: (fires && policy.triggers) || 'none',
      ...(policy.action === 'retain' && { retention: policy.retention }),
      ...(policy.action === 'anonymize' && { rules: policy.columns }),
    },
  ];
}
