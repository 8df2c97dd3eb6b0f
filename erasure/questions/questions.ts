/** Everything about a schema that its catalog does not say for certain. Pure: evidence from rows is given. */
import type { Declaration } from '../declaration.js';
import {
  type Candidate,
  type ColumnCandidate,
  candidatesOf,
  type GenericCandidate,
} from '../plan/candidates.js';
import { type AmbiguousKey, decisionOn, findOwnership, isRequired, keyLabel } from '../plan/ownership.js';
import { policyOf } from '../plan/policy.js';
import { columnLabel, family } from '../plan/soft-references.js';
import type { OwnedTable, Plan } from '../plan/types.js';
import { label, shown } from '../quote.js';
import type { Evidence, Question, Sample, TenantColumnChoice } from './types.js';

export function questionsOf(plan: Plan, declaration: Declaration, evidence: Evidence): Question[] {
  const { catalog, ownedTables } = plan;
  const { ambiguous } = findOwnership(catalog, declaration);
  const candidates = candidatesOf({ catalog, declaration, ownedTables });
  // Where something else may say whose the rows are, that is asked first.
  const open = new Set(candidates.map(({ table }) => table.oid));
  const left = leftBehind(plan, declaration).filter(({ key }) => !open.has(key.childOid));
  return [
    ...[...ambiguous, ...left].map((one) => aboutReference(one, plan)),
    ...ownedTables.flatMap((one) => aboutTwoTenants(one, plan, declaration)),
    ...candidates.flatMap((one) => aboutCandidate(one, plan, evidence)),
  ];
}

function aboutReference({ key, suggestion, reason }: AmbiguousKey, { catalog }: Plan): Question {
  const child = catalog.tables.find(({ oid }) => oid === key.childOid);
  const parent = catalog.tables.find(({ oid }) => oid === key.parentOid);
  if (child === undefined || parent === undefined)
    throw new Error('The catalog has a key without its tables.');
  return {
    kind: 'reference',
    about: keyLabel(child, key),
    question:
      `It may be null, and refers to ${label(parent)}. Does the row there own this one ` +
      '("owns": they go together), does this one only point there ("reference": it stays and forgets), ' +
      'or must nothing that is pointed to be deleted ("conflict")?',
    answers: ['owns', 'reference', 'conflict'],
    suggestion,
    reason,
  };
}

/** Rows that a key lets go when what it refers to is deleted, and that belong to nobody else. */
function leftBehind({ catalog, ownedTables }: Plan, declaration: Declaration): AmbiguousKey[] {
  const owned = new Set(ownedTables.map(({ table }) => table.oid));
  return catalog.foreignKeys.flatMap((key): AmbiguousKey[] => {
    const child = catalog.tables.find(({ oid }) => oid === key.childOid);
    const letsGo = key.onDelete === 'set_null' || key.onDelete === 'set_default';
    if (child === undefined || !letsGo || !key.enforced || !owned.has(key.parentOid)) return [];
    if (!child.declared || owned.has(child.oid) || policyOf(child, declaration) !== undefined) return [];
    if (decisionOn(declaration, child, key) !== undefined) return [];
    const action = key.onDelete === 'set_null' ? 'SET NULL' : 'SET DEFAULT';
    const reason = `the key is ON DELETE ${action}: its rows are meant to stay, whatever else stands in them`;
    return [{ key, suggestion: 'reference', reason }];
  });
}

/** Keys of two tenants in one row. */
function aboutTwoTenants(
  { table, ownership, label: name }: OwnedTable,
  plan: Plan,
  declaration: Declaration,
) {
  const { tenant, references = {} } = declaration;
  const rootOid = plan.ownedTables.find(({ label: one }) => one === tenant.root?.table)?.table.oid;
  const decided = tenant.columnsOf !== undefined && Object.hasOwn(tenant.columnsOf, name);
  const byColumns = tenant.columns.filter((column) => table.columns.some((one) => one.name === column));
  const choices: TenantColumnChoice[] = [
    ...(decided || table.oid === rootOid ? [] : byColumns.map((column) => ({ column }))),
    ...ownership.flatMap((one) => {
      if (one.kind !== 'reference' || one.key.parentOid !== rootOid || one.key.soft !== undefined) return [];
      const key = keyLabel(table, one.key);
      const [column, ...others] = one.key.childColumns;
      if (column === undefined || others.length > 0 || Object.hasOwn(references, key)) return [];
      const otherwise = isRequired(table, one.key) ? ('conflict' as const) : ('reference' as const);
      return [{ column, key, otherwise }];
    }),
  ];
  if (choices.length < 2) return [];
  const columns = choices.map(({ column }) => column);
  const question: Question = {
    kind: 'two_tenants',
    about: name,
    table: name,
    columns: choices,
    question:
      `It names tenants in ${columns.map(shown).join(' and ')}. Does a row go with either of them, or only with ` +
      'the one in that column (and then keeps the other from being deleted, or forgets it)?',
    answers: ['either', ...columns],
    suggestion: 'either',
    reason: 'nothing of a tenant who is erased stays; the preview counts the rows that are of two tenants',
  };
  return [question];
}

function aboutCandidate(candidate: Candidate, plan: Plan, evidence: Evidence): Question[] {
  if (candidate.kind === 'generic_reference') return aboutGeneric(candidate, evidence);
  if (candidate.kind === 'unowned_table') {
    const by = candidate.referredToBy.map((one) => one.by).join(', ');
    return [
      {
        kind: 'unowned_table',
        about: label(candidate.table),
        references: candidate.referredToBy.map(({ from, by: to }) => ({ from, to })),
        question: `Each of its rows is referred to by one row, in ${by}. Does it go with that row ("owns"), or stay ("keep")?`,
        answers: ['owns', 'keep'],
        suggestion: 'owns',
        reason: 'what one row alone refers to is a part of it, and nothing else refers to these',
      },
    ];
  }
  return aboutColumn(candidate, plan, evidence.samples.get(columnLabel(candidate.table, candidate.column)));
}

function aboutColumn(candidate: ColumnCandidate, plan: Plan, sample: Sample | undefined): Question[] {
  const { table, column, target } = candidate;
  const about = columnLabel(table, column);
  const type = table.columns.find(({ name }) => name === column);
  const targetType = target?.table.columns.find(({ name }) => name === target.column);
  const wanted = targetType === undefined ? TENANT_FAMILIES[plan.tenantType] : family(targetType);
  if (type === undefined || (family(type) !== wanted && family(type) !== 'text')) return [];
  const asText = family(type) === wanted ? '' : ', as text';
  const { suggestion, reason } = judged(candidate, sample);
  if (candidate.kind === 'tenant_column') {
    return [
      {
        kind: 'tenant_column',
        about,
        table: label(table),
        column,
        question: `It looks like a tenant's key${asText}, without a constraint. Does it say whose the row is ("owns"), or not ("ignore")?`,
        answers: ['owns', 'ignore'],
        suggestion,
        reason,
      },
    ];
  }
  if (target === null) return [];
  const to = columnLabel(target.table, target.column);
  return [
    {
      kind: 'soft_reference',
      about,
      to,
      question: `It looks like a key of ${label(target.table)}${asText}, without a constraint. Does the row there own this one ("owns"), or not ("ignore")?`,
      answers: ['owns', 'ignore'],
      suggestion,
      reason,
    },
  ];
}

const TENANT_FAMILIES = { uuid: 'uuid', text: 'text', integer: 'number', bigint: 'number' } as const;

/** Of values looked at, the share from which on they are taken for keys. */
const MOST = 0.9;

function judged({ because, target }: ColumnCandidate, sample: Sample | undefined) {
  if (because === 'inherited') {
    return {
      suggestion: 'owns',
      reason: 'the table that it inherits from is owned by it; keys are not inherited',
    };
  }
  if (sample !== undefined && sample.values > 0 && target !== null) {
    const found = `${sample.matching} of ${sample.values} values looked at are keys of ${label(target.table)}`;
    return { suggestion: sample.matching >= sample.values * MOST ? 'owns' : 'ignore', reason: found };
  }
  if (because === 'key_not_enforced')
    return { suggestion: 'owns', reason: 'it has a key, which is not enforced' };
  const unknown =
    target === null ? 'in which table tenants are rows is not known' : 'there are no rows to look at';
  return { suggestion: 'owns', reason: `it is named like one, and ${unknown}` };
}

function aboutGeneric({ table, column, typeColumn }: GenericCandidate, evidence: Evidence): Question[] {
  const about = columnLabel(table, column);
  const targets = evidence.targets.get(about) ?? [];
  const names = [...new Set(targets.map(({ to }) => to))];
  const none = targets.length === 0;
  return [
    {
      kind: 'generic_reference',
      about,
      targets,
      question: none
        ? `It points to rows of tables that ${shown(typeColumn)} names. None of them was found to hold tenants' rows: may its rows stay?`
        : `It points to rows of tables that ${shown(typeColumn)} names: ${names.join(', ')}. Do the rows there own this one ("owns"), or not ("ignore")?`,
      answers: none ? ['ignore'] : ['owns', 'ignore'],
      suggestion: none ? 'ignore' : 'owns',
      reason: none
        ? `no value of ${shown(typeColumn)} is the name of a table that holds tenants' rows; write soft_references by hand where one comes later`
        : `${targets.length} ${targets.length === 1 ? 'value' : 'values'} of ${shown(typeColumn)} name tables that hold tenants' rows`,
    },
  ];
}
