/** What a table is or has that keeps its rows from being moved away and back exactly. */
import type { CatalogTable } from '../../catalog/types.js';
import { ident, label, qualified, shown } from '../../quote.js';
import { whyNotSuppressed } from '../fast-path.js';
import { firingTriggers, updateTriggers } from '../triggers.js';
import type { PlanFinding, PlannedTable } from '../types.js';
import { deletedTables, type Found, finding, tablesByOid } from './found.js';

export function tableFindings(found: Found): PlanFinding[] {
  const read = new Map(
    [...found.ownedTables.map(({ table }) => table), ...childrenOf(found)].map((table) => [table.oid, table]),
  );
  return [
    ...deletedTables(found).flatMap((one) => [
      ...foreign(one),
      ...triggers(one, found),
      ...rules(one),
      ...replicaIdentity(one),
      ...largeObjects(one),
    ]),
    ...[...read.values()].flatMap((table) => rowSecurity(table, found)),
    ...referenceTriggers(found),
    ...materializedViews(found),
    ...publications(found),
    ...lockTable(found),
  ];
}

/** Tables with a key into those that are deleted from: their rows are looked at. */
function childrenOf(found: Found): CatalogTable[] {
  const tables = tablesByOid(found);
  const deleted = new Set(deletedTables(found).map(({ table }) => table.oid));
  return found.catalog.foreignKeys.flatMap((key) => {
    const child = tables.get(key.childOid);
    return child !== undefined && key.enforced && deleted.has(key.parentOid) ? [child] : [];
  });
}

function foreign({ table, label: name }: PlannedTable): PlanFinding[] {
  const leaves = table.leaves.filter(({ kind }) => kind === 'foreign');
  if (table.kind !== 'foreign' && leaves.length === 0) return [];
  const what = table.kind === 'foreign' ? name : `the partition ${leaves.map(label).join(', ')} of ${name}`;
  return [
    finding('refusal', {
      code: 'foreign_table',
      table: name,
      message: `${what} is a foreign table: its rows lie on another server, outside of this transaction.`,
      remedy: 'Declare it as "keep", and make the server that holds the rows a participant.',
    }),
  ];
}

function triggers(planned: PlannedTable, found: Found): PlanFinding[] {
  const { declaration } = found;
  const { table, label: name } = planned;
  const firing = firingTriggers(table);
  if (firing.length === 0) return [];
  const names = [...new Set(firing.map((trigger) => shown(trigger.name)))].join(', ');
  if (planned.triggers === 'fire') {
    return [
      finding('warning', {
        code: 'trigger_fires',
        table: name,
        message: `${names} of ${name} fires when rows go and come back, as decided: what it does besides is not undone, so a restore is not exact.`,
        remedy: 'Nothing, if the trigger does no harm.',
      }),
    ];
  }
  const obstacle = planned.triggers === 'suppress' ? whyNotSuppressed(planned, found) : null;
  if (planned.triggers === 'suppress' && obstacle === null) {
    return [
      finding('info', {
        code: 'trigger_suppressed',
        table: name,
        message: `${names} of ${name} does not fire when rows go or come back, as decided.`,
        remedy: 'Nothing, if nothing waits for what the trigger does.',
      }),
    ];
  }
  const cannot = obstacle !== null;
  const remedy =
    `If it does no harm: tables: { ${JSON.stringify(name)}: { action: "delete", triggers: "fire" } }` +
    ` in the declaration of ${declaration.name}. Else ${!cannot ? 'keep it from firing, with triggers: "suppress", or ' : ''}disable or change the trigger.`;
  return [
    finding('refusal', {
      code: cannot ? 'trigger_not_suppressible' : 'trigger_undecided',
      table: name,
      message: cannot
        ? `${names} of ${name} is to be suppressed, and cannot be: ${obstacle}.`
        : `${names} of ${name} would fire when rows are deleted or restored: it may write the deleted values elsewhere, change other rows, or keep a row.`,
      remedy,
    }),
  ];
}

function referenceTriggers(found: Found): PlanFinding[] {
  const tables = tablesByOid(found);
  const policies = new Map(found.tables.map((one) => [one.table.oid, one]));
  const oids = new Set(found.references.map(({ key }) => key.childOid));
  return [...oids].flatMap((oid): PlanFinding[] => {
    const table = tables.get(oid);
    if (table === undefined || policies.get(oid)?.triggers === 'fire') return [];
    const names = updateTriggers(table).map(({ name }) => shown(name));
    if (names.length === 0) return [];
    return [
      finding('warning', {
        code: 'trigger_on_reference',
        table: label(table),
        message: `${names.join(', ')} of ${label(table)} fires where rows that stay lose a reference to deleted rows, and when it is set back.`,
        remedy: 'Nothing, if the trigger does no harm.',
      }),
    ];
  });
}

function rules({ table, label: name }: PlannedTable): PlanFinding[] {
  if (table.rules.length === 0) return [];
  return [
    finding('refusal', {
      code: 'rewrite_rule',
      table: name,
      message: `${name} has the rule ${table.rules.map(shown).join(', ')}: it would turn the deletion into something else.`,
      remedy: `DROP RULE ${table.rules.map(ident).join(', ')} ON ${qualified(table)}; a trigger can take its place.`,
    }),
  ];
}

function replicaIdentity({ table, label: name }: PlannedTable): PlanFinding[] {
  if (!table.replicaIdentityMissing) return [];
  return [
    finding('refusal', {
      code: 'replica_identity_missing',
      table: name,
      message: `${name} is published with its deletions and has no replica identity: PostgreSQL refuses to delete from it.`,
      remedy: `Give it a primary key, or ALTER TABLE ${qualified(table)} REPLICA IDENTITY FULL;`,
    }),
  ];
}

function largeObjects({ table, label: name }: PlannedTable): PlanFinding[] {
  return table.columns
    .filter(({ baseType, type }) => baseType === 'oid' || /(^|\.)lo$/.test(type))
    .map((column) =>
      finding('refusal', {
        code: 'large_object',
        table: name,
        message: `${shown(column.name)} of ${name} may point to large objects: these would stay when its row goes.`,
        remedy:
          'Move their content to a bytea column, or declare the table as "keep" and unlink them yourself.',
      }),
    );
}

function rowSecurity(table: CatalogTable, { catalog }: Found): PlanFinding[] {
  if (table.rowSecurity.bypassed) return [];
  return [
    finding('refusal', {
      code: 'row_security',
      table: label(table),
      message: `Row security hides rows of ${label(table)} from the role ${shown(catalog.role)}: what it cannot see it would call deleted.`,
      remedy: `As a superuser: ALTER ROLE ${ident(catalog.role)} BYPASSRLS;`,
    }),
  ];
}

function materializedViews(found: Found): PlanFinding[] {
  const deleted = new Map(deletedTables(found).map((one) => [one.table.oid, one.label]));
  return found.catalog.materializedViews.flatMap((view): PlanFinding[] => {
    const read = view.tableOids.flatMap((oid) => deleted.get(oid) ?? []);
    if (read.length === 0) return [];
    return [
      finding('warning', {
        code: 'materialized_view',
        table: label(view),
        message: `The materialized view ${label(view)} keeps a copy of rows of ${read.join(', ')} until it is refreshed.`,
        remedy: `REFRESH MATERIALIZED VIEW ${qualified(view)}; after the deletion, unless something does it regularly.`,
      }),
    ];
  });
}

function publications({ catalog, declaration }: Found): PlanFinding[] {
  return catalog.publicationsCoveringArchives.map((name) =>
    finding('refusal', {
      code: 'publication_covers_archive',
      message: `The publication ${shown(name)} would copy archives in ${shown(declaration.letheSchema)} to its subscribers, where nothing removes them.`,
      remedy: `Publish tables or schemas by name instead of all of them, without ${shown(declaration.letheSchema)}.`,
    }),
  );
}

/** Shares of the lock table, which all sessions of the cluster fill together. */
const LOCKS = { many: 0.25, tooMany: 0.75 };

function lockTable(found: Found): PlanFinding[] {
  const locks = deletedTables(found)
    .flatMap(({ table }) => table.leaves)
    .reduce((sum, leaf) => sum + leaf.locks, 0);
  const share = locks / found.catalog.lockTableSize;
  if (!(share > LOCKS.many)) return [];
  return [
    finding(share > LOCKS.tooMany ? 'refusal' : 'warning', {
      code: 'lock_table',
      message: `A deletion takes about ${locks} locks, and all sessions of this cluster together have room for ${found.catalog.lockTableSize}: statements, also of others, could fail with "out of shared memory".`,
      remedy: 'Raise max_locks_per_transaction and restart PostgreSQL, or have fewer partitions and indexes.',
    }),
  ];
}
