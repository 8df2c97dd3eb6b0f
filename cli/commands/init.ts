import { existsSync } from 'node:fs';
import type { Column } from '../../erasure/catalog/types.js';
import type { Declaration } from '../../erasure/declaration.js';
import { family } from '../../erasure/plan/soft-references.js';
import type { Plan } from '../../erasure/plan/types.js';
import { label } from '../../erasure/quote.js';
import { type Workbench, withWorkbench } from '../../erasure/workbench/workbench.js';
import { declarationOf } from '../../services/participant-file/declaration.js';
import { nameFrom, writeParticipant } from '../../services/participant-file/files.js';
import { type ParticipantFile, participantFile } from '../../services/participant-file/schema.js';
import { UsageError } from '../api-client.js';
import { EXIT } from '../exit-codes.js';
import { count, type Output } from '../output.js';
import { answerTo } from '../participant/ask.js';
import { type ParticipantCommand, partsOf } from '../participant/context.js';
import { drafted } from '../participant/draft.js';

export interface InitOptions {
  readonly databaseUrlEnv: string;
  readonly root?: string;
  readonly column?: readonly string[];
  readonly schema?: readonly string[];
  readonly name?: string;
  readonly letheSchema: string;
  readonly out: string;
  readonly yes?: boolean;
  readonly force?: boolean;
}

/** `lethe init`: writes a participant's file from what the catalog says, and asks about what it does not. */
export const init: ParticipantCommand<InitOptions> = async ({ out, host }, options) => {
  if ((options.root === undefined) === (options.column === undefined)) {
    throw new UsageError(
      'Say how a tenant is known: --root SCHEMA.TABLE.KEY, or --column NAME (one or several).',
    );
  }
  if (existsSync(options.out) && !options.force) {
    throw new UsageError(
      `${options.out} is there already. --force writes it anew; "lethe plan --accept" takes changes into it.`,
    );
  }
  const databaseUrl = host.databaseUrl(options.databaseUrlEnv);
  const { ask } = host;
  const { file, plan, answered } = await withWorkbench({ databaseUrl, readOnly: true }, async (bench) => {
    const begun = await begin(bench, options);
    return drafted(bench, begun, async (question, number) => {
      if (options.yes) return question.suggestion;
      return ask === null || out.json ? null : answerTo(out, ask, question, String(number));
    });
  });
  await writeParticipant(options.out, file);
  out.document({
    file: options.out,
    tables: Object.keys(file.tables).length,
    answered,
    questions: file.questions,
  });
  printResult(out, options.out, file, plan, answered);
  return EXIT.ok;
};

/** Everything but the tables and the answers. */
async function begin(bench: Workbench, options: InitOptions): Promise<ParticipantFile> {
  const [schema, table, key] = options.root === undefined ? [] : partsOf(options.root, 3);
  const root =
    schema === undefined || table === undefined || key === undefined
      ? undefined
      : { table: label({ schema, name: table }), key };
  const fileWith = (schemas: readonly string[], type: Declaration['tenant']['type']) =>
    checked({
      name: options.name ?? nameFrom(options.out),
      database_url_env: options.databaseUrlEnv,
      schemas,
      lethe_schema: options.letheSchema,
      tenant: { ...(root && { root }), columns: options.column ?? [], type },
    });
  const all = (await bench.schemas()).filter((name) => name !== options.letheSchema);
  const looked = options.schema ?? (schema === undefined ? all : [schema]);
  const columns = tenantColumns(await bench.plan(declarationOf(fileWith(looked, 'text'))));
  if (columns.length === 0) {
    const what = options.root ?? options.column?.join(', ');
    throw new UsageError(
      `There is no ${what} in ${looked.join(', ')}. Names are as in the catalog; --schema says where to look.`,
    );
  }
  const type = keyType(columns);
  if (options.schema !== undefined) return fileWith(options.schema, type);
  if (root === undefined) return fileWith([...new Set(columns.map((one) => one.schema))].sort(), type);
  return fileWith(await tiedSchemas(bench, looked, (schemas) => fileWith(schemas, type)), type);
}

function checked(file: unknown): ParticipantFile {
  const result = participantFile.safeParse(file);
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`);
  throw new UsageError(`These options make no participant: ${faults.join('; ')}.`);
}

/** Columns that hold the tenant's key, with their tables. */
function tenantColumns({ ownedTables }: Plan): { readonly schema: string; readonly column: Column }[] {
  return ownedTables.flatMap(({ table, ownership }) =>
    ownership.flatMap((one) => {
      const column = one.kind === 'tenant_column' && table.columns.find(({ name }) => name === one.column);
      return column ? [{ schema: table.schema, column }] : [];
    }),
  );
}

/** Where the columns differ, the type that most have; the others are refused by the plan. */
function keyType(columns: readonly { readonly column: Column }[]): Declaration['tenant']['type'] {
  const types = columns.map(({ column }) => typeOf(column));
  const known = types.filter((type) => type !== null);
  const [first] = known.sort(
    (a, b) => known.filter((one) => one === b).length - known.filter((one) => one === a).length,
  );
  if (first !== undefined) return first;
  throw new UsageError(
    `The tenant's key is of type ${columns[0]?.column.type ?? 'unknown'}; what can be told apart is uuid, integer, bigint and text.`,
  );
}

function typeOf(column: Column): Declaration['tenant']['type'] | null {
  if (column.baseType === 'uuid' || column.baseType === 'bigint') return column.baseType;
  if (column.baseType === 'integer' || column.baseType === 'smallint') return 'integer';
  return family(column) === 'text' ? 'text' : null;
}

/** The root's schema, and those whose keys lead there. */
async function tiedSchemas(
  bench: Workbench,
  first: readonly string[],
  fileWith: (schemas: readonly string[]) => ParticipantFile,
): Promise<string[]> {
  const schemas = new Set(first);
  for (;;) {
    const { catalog, ownedTables } = await bench.plan(declarationOf(fileWith([...schemas])));
    const owned = new Set(ownedTables.map(({ table }) => table.oid));
    const outside = catalog.foreignKeys.flatMap(({ childOid, parentOid }) => {
      const child = catalog.tables.find(({ oid }) => oid === childOid);
      return owned.has(parentOid) && child && !schemas.has(child.schema) ? [child.schema] : [];
    });
    if (outside.length === 0) return [...schemas].sort();
    for (const schema of outside) schemas.add(schema);
  }
}

function printResult(out: Output, path: string, file: ParticipantFile, plan: Plan, answered: number): void {
  const open = file.questions.length;
  const { root, columns, type } = file.tenant;
  const known = root ? `a row of ${root.table}, known by ${root.key}` : `known by ${columns.join(' or ')}`;
  out.line(`\n${out.strong(path)}: a tenant is ${known} (${type}).`);
  const owned = Object.values(file.tables).filter(({ action }) => action === 'delete').length;
  out.line(
    `${count(owned)} tables of ${count(plan.catalog.tables.length)} hold tenants' rows, in ${file.schemas.join(', ')}.`,
  );
  if (answered > 0)
    out.line(`${count(answered)} ${answered === 1 ? 'question is' : 'questions are'} answered.`);
  if (open > 0) {
    out.line(out.colour(`${count(open)} ${open === 1 ? 'question is' : 'questions are'} open:`, 'yellow'));
    for (const { about, question, suggestion, reason } of file.questions) {
      out.line(`\n  ${out.strong(about)}\n  ${question}`);
      out.line(out.dim(`  Probably ${suggestion}: ${reason}.`));
    }
    out.line('\nWrite an "answer" to each of them in the file. Until then nothing is deleted.');
  }
  out.line(`\nNext: lethe plan --config ${path}`);
}
