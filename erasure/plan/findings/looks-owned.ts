/** What the declaration leaves alone and perhaps should not. */
import { label, shown } from '../../quote.js';
import type { Candidate } from '../candidates.js';
import type { PlanFinding } from '../types.js';
import { finding } from './found.js';

export function looksOwned(candidate: Candidate): PlanFinding {
  const { table } = candidate;
  const name = label(table);
  const decide = 'or declare the table as "keep" with the reason.';
  if (candidate.kind === 'unowned_table') {
    return finding('warning', {
      code: 'looks_like_a_part',
      table: name,
      message: `Each row of ${name} is referred to by one row, in ${candidate.referredToBy.map(({ by }) => by).join(', ')}, and belongs to nobody: rows of tenants would stay.`,
      remedy: `Declare that it belongs to the row that refers to it, give it a tenant column, ${decide}`,
    });
  }
  const column = shown(candidate.column);
  if (candidate.kind === 'generic_reference') {
    return finding('warning', {
      code: 'generic_reference',
      table: name,
      message: `${column} of ${name} may point to rows of several tables, named by ${shown(candidate.typeColumn)}, without a foreign key: rows of tenants would stay.`,
      remedy: `Declare what it refers to, give the table a tenant column or a foreign key, ${decide}`,
    });
  }
  if (candidate.kind === 'tenant_column') {
    return finding('warning', {
      code: 'looks_tenant_owned',
      table: name,
      message: `${name} has a column ${column} and is not taken to hold tenants' rows.`,
      remedy: `Name ${column} among the tenant columns, ${decide}`,
    });
  }
  const target = candidate.target === null ? 'a tenant' : label(candidate.target.table);
  const why =
    candidate.because === 'inherited'
      ? `is inherited from a table that refers by it to ${target}, and has no foreign key here`
      : candidate.because === 'key_not_enforced'
        ? `refers to ${target} by a key that is not enforced`
        : `is named like a reference to ${target} and has no foreign key`;
  return finding('warning', {
    code: 'soft_reference',
    table: name,
    message: `${column} of ${name} ${why}: rows of tenants would stay.`,
    remedy: `Declare the reference, give the table a tenant column or a foreign key, ${decide}`,
  });
}
