/** Foreign keys that have not been decided, cannot be followed, or lead out of what is deleted. */
import type { CatalogTable, ForeignKey } from '../../catalog/types.js';
import { label, qualified, shown } from '../../quote.js';
import { decisionOn, isRequired, keyLabel, tenantColumnsOf } from '../ownership.js';
import type { PlanFinding } from '../types.js';
import { deletedTables, type Found, finding, tablesByOid } from './found.js';

/** A key together with its tables. */
interface Tied {
  readonly key: ForeignKey;
  readonly child: CatalogTable;
  readonly parent: CatalogTable;
}

export function keyFindings(found: Found): PlanFinding[] {
  const tables = tablesByOid(found);
  const tied = found.catalog.foreignKeys.flatMap((key): Tied[] => {
    const child = tables.get(key.childOid);
    const parent = tables.get(key.parentOid);
    return child === undefined || parent === undefined ? [] : [{ key, child, parent }];
  });
  const deleted = new Set(deletedTables(found).map(({ table }) => table.oid));
  const owned = new Set(found.ownedTables.map(({ table }) => table.oid));
  return [
    ...found.ambiguous.flatMap((one) => undecided(one, tied)),
    ...tied.flatMap((one) => betweenParticipants(one, owned, found)),
    ...tied
      .filter(({ parent }) => deleted.has(parent.oid))
      .flatMap((one) => intoDeleted(one, found, deleted)),
    ...decisions(found, tied),
  ];
}

function undecided(
  { key, suggestion, reason }: Found['ambiguous'][number],
  tied: readonly Tied[],
): PlanFinding[] {
  const one = tied.find((other) => other.key === key);
  if (one === undefined) return [];
  const name = keyLabel(one.child, key);
  return [
    finding('refusal', {
      code: 'reference_undecided',
      table: label(one.child),
      message:
        `${name} may be null and refers to ${label(one.parent)}: it may say whose a row is, or only point there. ` +
        `Probably "${suggestion}": ${reason}.`,
      remedy: `Decide in the declaration: references: { ${JSON.stringify(name)}: "${suggestion}" }.`,
    }),
  ];
}

/** Rows of several participants that are tied cannot be deleted in any order by itself. */
function betweenParticipants(
  { key, child, parent }: Tied,
  owned: ReadonlySet<number>,
  found: Found,
): PlanFinding[] {
  const comesIn = !child.declared && owned.has(parent.oid);
  const goesOut = child.declared && !parent.declared && tenantColumnsOf(parent, found.declaration).length > 0;
  if (!key.enforced || (!comesIn && !goesOut)) return [];
  return [
    finding('refusal', {
      code: 'key_between_participants',
      table: label(child),
      message:
        `The key ${shown(key.name)} of ${label(child)} refers to ${label(parent)}, and only one of the two schemas ` +
        'belongs to this participant: neither could be deleted from before the other.',
      remedy: `Declare both schemas as one participant, or drop the key.`,
    }),
  ];
}

function intoDeleted(tied: Tied, found: Found, deleted: ReadonlySet<number>): PlanFinding[] {
  const { key, child } = tied;
  // What a foreign key ties from the other side is kept consistent by it.
  if (key.soft?.reverse) return [];
  if (key.soft !== undefined) return [declared(tied)];
  if (!key.enforced) return [unenforced(tied)];
  return [
    ...(key.validated ? [] : [unvalidated(tied)]),
    ...(hasIndex(child, key) ? [] : [unindexed(tied)]),
    ...(child.declared && !deleted.has(child.oid) ? fromRowsThatStay(tied, found) : []),
  ];
}

/** Of what comes later nobody can say whose it was. */
function declared({ key, child, parent }: Tied): PlanFinding {
  const columns = key.childColumns.map(shown).join(', ');
  return finding('info', {
    code: 'reference_declared',
    table: label(child),
    message:
      `${columns} of ${label(child)} refers to ${label(parent)} as declared, without a constraint: what is written ` +
      'there after the purge, to a row that is gone, is neither kept out nor found.',
    remedy: hasIndex(child, key)
      ? 'Nothing, if no such row is written any more; else add a foreign key.'
      : `An index helps to find the rows: CREATE INDEX CONCURRENTLY ON ${qualified(child)} (${columns});`,
  });
}

function unenforced({ key, child, parent }: Tied): PlanFinding {
  return finding('warning', {
    code: 'key_unenforced',
    table: label(child),
    message:
      `The key ${shown(key.name)} is not enforced, so it does not say whose rows of ${label(child)} are; ` +
      `rows there may come to refer to rows of ${label(parent)} that are gone.`,
    remedy: 'Enforce the key, or make sure that these rows are owned in another way.',
  });
}

function unvalidated({ key, child, parent }: Tied): PlanFinding {
  return finding('warning', {
    code: 'key_unvalidated',
    table: label(child),
    message:
      `The key ${shown(key.name)} was never validated: rows of ${label(child)} may refer to rows of ` +
      `${label(parent)} that do not exist, and belong to nobody.`,
    remedy: `ALTER TABLE ${qualified(child)} VALIDATE CONSTRAINT ${shown(key.name)};`,
  });
}

function unindexed({ key, child, parent }: Tied): PlanFinding {
  const columns = key.childColumns.map(shown).join(', ');
  return finding('warning', {
    code: 'reference_unindexed',
    table: label(child),
    message:
      `No index serves ${columns} of ${label(child)}: for every row of ${label(parent)} that is deleted, PostgreSQL ` +
      'reads the whole table.',
    remedy: `CREATE INDEX CONCURRENTLY ON ${qualified(child)} (${columns});`,
  });
}

/** Whether an index begins with the key's columns, in whatever order. */
function hasIndex(child: CatalogTable, key: ForeignKey): boolean {
  return child.indexes.some(({ columns, partial }) => {
    const first = columns.slice(0, key.childColumns.length);
    return !partial && key.childColumns.every((column) => first.includes(column));
  });
}

/** A key of a table whose rows stay, into one whose rows go. */
function fromRowsThatStay({ key, child, parent }: Tied, found: Found): PlanFinding[] {
  const rules = found.tables.find(({ table }) => table.oid === child.oid)?.rules ?? {};
  // Of rows that are anonymized a rule does it, and says so.
  if (key.childColumns.some((column) => rules[column] && rules[column].becomes !== 'keep')) return [];
  if (found.references.some((one) => one.key === key)) {
    return [
      finding('info', {
        code: 'reference_nulled',
        table: label(child),
        message:
          `Rows of ${label(child)} stay; where ${key.childColumns.map(shown).join(', ')} refers to deleted rows of ` +
          `${label(parent)}, it no longer does.`,
        remedy: 'Nothing: a restore sets it back.',
      }),
    ];
  }
  const kept = found.tables.some(({ table, action }) => table.oid === child.oid && action === 'keep');
  const owned = found.ownedTables.some(({ table }) => table.oid === child.oid);
  if (!kept && !owned) return [];
  // Of a table that nobody has accepted this is said already; of one that is kept, it depends on the key.
  if (!kept) return [];
  if (key.onDelete !== 'cascade' && !isRequired(child, key)) return [];
  const what =
    key.onDelete === 'cascade'
      ? 'PostgreSQL would delete them by CASCADE'
      : 'PostgreSQL would refuse to delete what they refer to';
  return [
    finding('refusal', {
      code: 'kept_rows_refer',
      table: label(child),
      message:
        `${label(child)} is declared to be kept, and its rows refer by ${shown(key.name)} to rows of ` +
        `${label(parent)} that are deleted: ${what}.`,
      remedy: `Keep ${label(parent)} as well, or delete from ${label(child)} too.`,
    }),
  ];
}

/** Decisions of the declaration that cannot be carried out, or are about nothing. */
function decisions(found: Found, tied: readonly Tied[]): PlanFinding[] {
  const { declaration } = found;
  const impossible = tied.flatMap(({ key, child }): PlanFinding[] => {
    if (decisionOn(declaration, child, key) !== 'reference') return [];
    const cascades = key.onDelete === 'cascade';
    if (!cascades && !isRequired(child, key)) return [];
    const why = cascades
      ? 'the key is ON DELETE CASCADE, so PostgreSQL deletes the row'
      : 'the column is NOT NULL, so it cannot be nulled';
    return [
      finding('refusal', {
        code: 'decision_impossible',
        table: label(child),
        message: `${keyLabel(child, key)} is declared to be a mere reference, but ${why}.`,
        remedy: 'Declare it as "owns", leave the decision out, or change the key.',
      }),
    ];
  });
  const known = new Set(
    tied.flatMap(({ key, child }) => [
      keyLabel(child, key),
      `${child.schema}.${child.name}.${key.childColumns.join(',')}`,
    ]),
  );
  const aboutNothing = Object.keys(declaration.references ?? {})
    .filter((name) => !known.has(name))
    .map((name) =>
      finding('warning', {
        code: 'decision_unknown',
        message: `The declaration decides about ${name}, and there is no foreign key of that name.`,
        remedy: 'Correct it, as schema.table.column[,column…] of the referencing side, or take it out.',
      }),
    );
  return [...impossible, ...aboutNothing];
}
