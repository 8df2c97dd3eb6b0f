/** What answers to questions decide. */
import type { Question } from '../../erasure/questions/types.js';
import type { FileQuestion, ParticipantFile } from './schema.js';

/** A question as it stands in a file. */
export function fileQuestion(question: Question, answer: string | null): FileQuestion {
  const copy = JSON.parse(JSON.stringify(question)) as Omit<FileQuestion, 'answer'>;
  return { ...copy, answer } as FileQuestion;
}

/** The file with everything decided that is answered; questions that are still open stay. */
export function withAnswers(file: ParticipantFile): ParticipantFile {
  return file.questions.reduce(
    (decided, question) => (question.answer === null ? decided : decide(decided, question, question.answer)),
    { ...file, questions: file.questions.filter(({ answer }) => answer === null) },
  );
}

function decide(file: ParticipantFile, question: FileQuestion, answer: string): ParticipantFile {
  const because = question.answer === question.suggestion ? question.reason : 'decided by a person';
  switch (question.kind) {
    case 'reference':
      return withReference(file, question.about, answer as 'owns', because);
    case 'tenant_column':
      if (answer !== 'owns') return withIgnored(file, question.about, because);
      return withColumns(file, question.table, [
        ...(file.tenant.columns_of[question.table] ?? []),
        question.column,
      ]);
    case 'soft_reference':
      if (answer !== 'owns') return withIgnored(file, question.about, because);
      return withSoft(file, [{ from: question.about, to: question.to, because }]);
    case 'generic_reference':
      if (answer !== 'owns') return withIgnored(file, question.about, because);
      return withSoft(
        file,
        question.targets.map((target) => ({ from: question.about, ...target })),
      );
    case 'two_tenants':
      return twoTenants(file, question, answer, because);
    case 'unowned_table':
      if (answer === 'owns') {
        return withSoft(
          file,
          question.references.map((one) => ({ ...one, because })),
        );
      }
      return {
        ...file,
        tables: { ...file.tables, [question.about]: { action: 'keep', reason: because } },
      };
  }
}

function twoTenants(
  file: ParticipantFile,
  { table, columns }: Extract<FileQuestion, { kind: 'two_tenants' }>,
  answer: string,
  because: string,
): ParticipantFile {
  const goesWith = (column: string) => answer === 'either' || answer === column;
  const byColumn = columns.filter(({ key }) => key === undefined).map(({ column }) => column);
  const withKeys = columns.reduce(
    (decided, { column, key, otherwise = 'conflict' }) =>
      key === undefined
        ? decided
        : withReference(decided, key, goesWith(column) ? 'owns' : otherwise, because),
    file,
  );
  return byColumn.length === 0 ? withKeys : withColumns(withKeys, table, byColumn.filter(goesWith));
}

function withReference(
  file: ParticipantFile,
  key: string,
  means: ParticipantFile['references'][string]['means'],
  because: string,
): ParticipantFile {
  return { ...file, references: { ...file.references, [key]: { means, because } } };
}

function withIgnored(file: ParticipantFile, column: string, because: string): ParticipantFile {
  return { ...file, ignored_columns: { ...file.ignored_columns, [column]: because } };
}

function withSoft(file: ParticipantFile, added: ParticipantFile['soft_references']): ParticipantFile {
  return { ...file, soft_references: [...file.soft_references, ...added] };
}

function withColumns(file: ParticipantFile, table: string, columns: readonly string[]): ParticipantFile {
  const { tenant } = file;
  return {
    ...file,
    tenant: { ...tenant, columns_of: { ...tenant.columns_of, [table]: [...new Set(columns)] } },
  };
}
