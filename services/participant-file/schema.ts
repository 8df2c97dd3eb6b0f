/** The participant's file: all that Lethe has to be told about a database that exists already. */
import { z } from 'zod';
import { isPeriod } from '../../erasure/retention/due.js';
import { serviceName, tableName } from '../../protocol/common.js';

/** As long as a name in PostgreSQL can be, three times over, with quotes. */
const columnName = z.string().min(1).max(410);
const words = z.string().max(2000);
const byTable = <S extends z.ZodType>(value: S) => z.record(tableName, value);

const tenant = z
  .strictObject({
    type: z.enum(['uuid', 'text', 'integer', 'bigint']).describe("Type of the tenant's key"),
    root: z
      .strictObject({ table: tableName, key: z.string().min(1) })
      .optional()
      .describe(
        'The table in which a tenant is a row, and its key; what foreign keys tie to the row goes with it',
      ),
    columns: z
      .array(z.string().min(1))
      .default([])
      .describe("Columns that hold a tenant's key; of several the first that a table has"),
    columns_of: byTable(z.array(z.string().min(1)))
      .default({})
      .describe('Tables with columns of their own; several: rows of several tenants; none: not by a column'),
  })
  .refine(
    ({ root, columns, columns_of }) =>
      root !== undefined || columns.length > 0 || Object.keys(columns_of).length > 0,
    'name a root table or a column: how is a tenant known?',
  );

const retention = z.strictObject({
  period: z
    .string()
    .refine(isPeriod, 'should be a duration as ISO 8601 writes it, e.g. P10Y')
    .describe('How long, as ISO 8601 writes durations, e.g. P10Y'),
  from: z
    .union([
      z.literal('deletion'),
      z.strictObject({ column: z.string().min(1), end_of: z.literal('calendar_year').optional() }),
    ])
    .describe(
      "What it is counted from: a date or time of the row, the end of that date's year, or the deletion",
    ),
  ground: words.min(1).describe('The law or contract that demands it'),
});

const columnRule = z.discriminatedUnion('becomes', [
  z.strictObject({ becomes: z.literal('null') }),
  z.strictObject({ becomes: z.literal('constant'), value: z.string() }),
  z.strictObject({ becomes: z.literal('keep'), reason: words.min(1) }),
]);

const acceptedTable = z
  .strictObject({
    owned_by: words.optional().describe("How its rows were owned when it was accepted, in the plan's words"),
    action: z
      .enum(['delete', 'retain', 'anonymize', 'keep'])
      .describe('What becomes of the rows; "retain" needs retention, "anonymize" columns, "keep" a reason'),
    retention: retention.optional(),
    columns: z
      .record(z.string().min(1), columnRule)
      .optional()
      .describe('Of anonymized rows: what becomes of which column'),
    triggers: z
      .enum(['suppress', 'fire'])
      .optional()
      .describe('What becomes of triggers that fire on DELETE'),
    reason: words.optional().describe('Why, as "lethe plan" shows it; rows that are kept need one'),
    secret_columns: z
      .array(z.string().min(1))
      .optional()
      .describe("Columns that no export of a tenant's data may have, e.g. hashes of passwords"),
  })
  .refine(({ action, reason }) => action !== 'keep' || reason !== undefined, {
    path: ['reason'],
    message: 'has to say why rows are kept',
  })
  .refine(({ action, retention: terms }) => (action === 'retain') === (terms !== undefined), {
    path: ['retention'],
    message: 'goes with the action retain, and has to say how long, from when, and on which ground',
  })
  .refine(({ action, columns }) => (action === 'anonymize') === (columns !== undefined), {
    path: ['columns'],
    message: 'goes with the action anonymize, and has to say what becomes of each column',
  });
export type AcceptedTable = z.output<typeof acceptedTable>;

const when = z.strictObject({ column: z.string().min(1), equals: z.string() });
const because = words.optional();

const reference = z.strictObject({
  means: z
    .enum(['owns', 'reference', 'conflict'])
    .describe(
      '"owns": the row goes with the row it refers to; "reference": it stays and forgets; "conflict": it stays and keeps that row from being deleted',
    ),
  because,
});

const softReference = z.strictObject({
  from: columnName,
  to: columnName,
  when: when.optional().describe('Only rows in which this column has this value'),
  because,
});

const target = z.strictObject({ to: columnName, when });
const choice = z.strictObject({
  column: z.string().min(1),
  key: columnName.optional(),
  otherwise: z.enum(['reference', 'conflict']).optional(),
});

/** A question of `lethe init`. Answered by writing `answer`; until then nothing is deleted. */
const asked = {
  about: columnName,
  question: words,
  answers: z.array(z.string()).min(1),
  suggestion: z.string(),
  reason: words,
  answer: z.string().nullable().describe('One of the answers; null while nobody has answered'),
};
const question = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('reference'), ...asked }),
    z.strictObject({ kind: z.literal('tenant_column'), ...asked, table: tableName, column: z.string() }),
    z.strictObject({ kind: z.literal('soft_reference'), ...asked, to: columnName }),
    z.strictObject({ kind: z.literal('generic_reference'), ...asked, targets: z.array(target) }),
    z.strictObject({ kind: z.literal('two_tenants'), ...asked, table: tableName, columns: z.array(choice) }),
    z.strictObject({
      kind: z.literal('unowned_table'),
      ...asked,
      references: z.array(z.strictObject({ from: columnName, to: columnName })),
    }),
  ])
  .refine(({ answer, answers }) => answer === null || answers.includes(answer), {
    path: ['answer'],
    message: 'is none of the answers',
  });
export type FileQuestion = z.output<typeof question>;

export const participantFile = z.strictObject({
  $schema: z.string().optional(),
  name: serviceName.describe("The participant's name in the registry"),
  database_url_env: z
    .string()
    .regex(/^[A-Z_][A-Z0-9_]*$/, 'should be the name of an environment variable, in capitals')
    .describe('The environment variable that holds the database URL; the URL itself stands nowhere'),
  retained_url_env: z
    .string()
    .regex(/^[A-Z_][A-Z0-9_]*$/, 'should be the name of an environment variable, in capitals')
    .optional()
    .describe(
      'Likewise, of the role that may read what is retained; without it that is listed and not shown',
    ),
  schemas: z.array(z.string().min(1)).min(1).describe('Schemas that hold the tables'),
  lethe_schema: z
    .string()
    .regex(/^[a-z_][a-z0-9_]{0,62}$/, 'should be a plain name in lower case')
    .default('lethe')
    .describe("Lethe's own schema in this database"),
  tenant,
  fence: z
    .enum(['trigger', 'application', 'none'])
    .default('none')
    .describe('What keeps late writes out; "lethe fence install" sets trigger'),
  tables: byTable(acceptedTable).default({}).describe("Tenants' tables that a person has accepted"),
  references: z
    .record(columnName, reference)
    .default({})
    .describe('What foreign keys mean, by schema.table.column of the referencing side'),
  soft_references: z
    .array(softReference)
    .default([])
    .describe(
      'What owns rows without a foreign key of theirs; from and to may also turn a foreign key around',
    ),
  ignored_columns: z
    .record(columnName, words)
    .default({})
    .describe('Columns that look like references and are none, with the reason'),
  questions: z.array(question).default([]).describe('What nobody has decided yet'),
});
export type ParticipantFile = z.output<typeof participantFile>;

/** Published as docs/participant.schema.json. */
export function participantSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(participantFile, { io: 'input', target: 'draft-2020-12' });
  return { $schema, title: 'A participant of Lethe', ...schema };
}
