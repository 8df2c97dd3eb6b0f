/** The participant's file as the engine's declaration. */
import type { Declaration, TablePolicy } from '../../erasure/declaration.js';
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

function policyOf({ action, owned_by, reason, triggers }: AcceptedTable): TablePolicy {
  return {
    action,
    ...(owned_by !== undefined && { ownedBy: owned_by }),
    ...(reason !== undefined && { reason }),
    ...(triggers !== undefined && { triggers }),
  };
}

function mapped<From, To>(
  values: Readonly<Record<string, From>>,
  change: (value: From) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
}
