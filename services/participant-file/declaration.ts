/** The participant's file as the engine's declaration. */
import type { Declaration, RowPolicy, TablePolicy } from '../../erasure/declaration.js';
import { withAnswers } from './answers.js';
import type { AcceptedTable, ParticipantFile } from './schema.js';

export function declarationOf(file: ParticipantFile): Declaration {
  const decided = withAnswers(file);
  const { tenant } = decided;
  return {
    name: decided.name,
    schemas: decided.schemas,
    letheSchema: decided.lethe_schema,
    tenant: {
      type: tenant.type,
      columns: tenant.columns,
      columnsOf: tenant.columns_of,
      ...(tenant.root && { root: tenant.root }),
    },
    fence: decided.fence,
    tables: mapped(decided.tables, policyOf),
    references: mapped(decided.references, ({ means }) => means),
    softReferences: decided.soft_references.map(({ from, to, when }) => ({
      from,
      to,
      ...(when && { when }),
    })),
    ignoredColumns: Object.keys(decided.ignored_columns),
    openQuestions: decided.questions.map(({ about, question, suggestion }) => ({
      about,
      question,
      suggestion,
    })),
  };
}

function policyOf(table: AcceptedTable): TablePolicy {
  const { action, owned_by, reason, triggers, retention, columns, secret_columns } = table;
  return {
    ...rowPolicyOf({ action, retention, columns }),
    ...(owned_by !== undefined && { ownedBy: owned_by }),
    ...(reason !== undefined && { reason }),
    ...(triggers !== undefined && { triggers }),
    ...(secret_columns !== undefined && { secretColumns: secret_columns }),
  };
}

function rowPolicyOf({
  action,
  retention,
  columns = {},
}: Pick<AcceptedTable, 'action' | 'retention' | 'columns'>): RowPolicy {
  if (action === 'anonymize') return { action, columns };
  if (action !== 'retain') return { action };
  // The file's schema has seen to it that there is one.
  const { period = '', from = 'deletion', ground = '' } = retention ?? {};
  const counted =
    from === 'deletion'
      ? from
      : { column: from.column, ...(from.end_of !== undefined && { endOf: from.end_of }) };
  return { action, retention: { period, from: counted, ground } };
}

function mapped<From, To>(
  values: Readonly<Record<string, From>>,
  change: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
}
