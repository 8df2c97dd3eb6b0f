import type { Preview } from '../../erasure/engine-types.js';
import type { Plan } from '../../erasure/plan/types.js';
import type { Estimate } from '../../erasure/workbench/estimate.js';
import { type Workbench, withWorkbench } from '../../erasure/workbench/workbench.js';
import {
  type AcceptedDiff,
  acceptedDiff,
  isSame,
  withAccepted,
} from '../../services/participant-file/accepted.js';
import { fileQuestion, withAnswers } from '../../services/participant-file/answers.js';
import { declarationOf } from '../../services/participant-file/declaration.js';
import { readParticipant, writeParticipant } from '../../services/participant-file/files.js';
import type { ParticipantFile } from '../../services/participant-file/schema.js';
import { EXIT } from '../exit-codes.js';
import { count } from '../output.js';
import { databaseUrlFor, type ParticipantCommand, type ParticipantContext } from '../participant/context.js';
import { pathsOf } from '../participant/paths.js';
import { choicesOf, printDiff, printEstimate, printFindings, printTables } from '../participant/plan-view.js';

export interface PlanOptions {
  readonly config: string;
  readonly tenant?: string;
  readonly accept?: boolean;
  readonly databaseUrlEnv?: string;
}

interface Looked {
  readonly file: ParticipantFile;
  readonly plan: Plan;
  readonly diff: AcceptedDiff;
  readonly ofTenant: { readonly preview: Preview; readonly estimate: Estimate } | null;
}

/** `lethe plan`: what would be done, for review. Writes nothing to the database. */
export const plan: ParticipantCommand<PlanOptions> = async (context, options) => {
  const file = await readParticipant(options.config);
  const databaseUrl = databaseUrlFor(context, file, options);
  const looked = await withWorkbench({ databaseUrl, readOnly: true }, async (bench) => {
    const current = options.accept ? await accepted(bench, file) : file;
    return look(bench, current, options.tenant);
  });
  if (options.accept) await writeParticipant(options.config, looked.file);
  const refused = findingsOf(looked).some(({ severity }) => severity === 'refusal');
  context.out.document(documentOf(looked, refused));
  print(context, looked, options, refused);
  return refused ? EXIT.failed : EXIT.ok;
};

async function look(bench: Workbench, file: ParticipantFile, tenant: string | undefined): Promise<Looked> {
  const made = await bench.plan(declarationOf(file));
  return {
    file,
    plan: made,
    diff: acceptedDiff(file, made),
    ofTenant: tenant === undefined ? null : await bench.preview(made, tenant),
  };
}

/** The list as it is now, answers as decisions, and what is new to decide as questions. */
async function accepted(bench: Workbench, given: ParticipantFile): Promise<ParticipantFile> {
  const file = withAnswers(given);
  const declaration = declarationOf(file);
  const made = await bench.plan(declaration);
  const known = new Set(file.questions.map(({ kind, about }) => `${kind} ${about}`));
  const fresh = (await bench.questions(made, declaration)).filter(
    ({ kind, about }) => !known.has(`${kind} ${about}`),
  );
  const questions = [...file.questions, ...fresh.map((question) => fileQuestion(question, null))];
  return withAccepted({ ...file, questions }, acceptedDiff(file, made));
}

/** Those of the tenant's rows, too. */
function findingsOf({ plan: made, ofTenant }: Looked) {
  return ofTenant?.preview.findings ?? made.findings;
}

function documentOf(looked: Looked, refused: boolean): object {
  const { file, plan: made, diff, ofTenant } = looked;
  const rows = rowsByTable(looked);
  const actions = new Map(made.tables.map(({ label, action }) => [label, action]));
  const reasons = new Map(Object.entries(file.tables).map(([table, { reason }]) => [table, reason]));
  return {
    participant: file.name,
    plan_hash: made.hash,
    runnable: !refused,
    tenant: file.tenant,
    tables: made.ownedTables.map((owned) => ({
      table: owned.label,
      action: actions.get(owned.label) ?? null,
      reason: reasons.get(owned.label) ?? null,
      owned_by: owned.ownedBy,
      paths: pathsOf(made, owned),
      ...(rows && { rows: rows.get(owned.label) ?? 0 }),
    })),
    order: made.units.map(({ tableOids, reason }, place) => ({
      tables: tableOids.map((oid) => made.ownedTables.find(({ table }) => table.oid === oid)?.label),
      reason,
      triggers_off: made.fastPath[place] === null,
      triggers_stay_on_since: made.fastPath[place] ?? null,
    })),
    choices: choicesOf(file),
    questions: file.questions.filter(({ answer }) => answer === null),
    findings: findingsOf(looked),
    diff: {
      added: diff.added.map(({ table, ownedBy }) => ({ table, owned_by: ownedBy })),
      removed: diff.removed,
      changed: diff.changed,
    },
    ...(ofTenant && {
      total_rows: ofTenant.preview.totalRows,
      estimate: {
        archive_bytes: ofTenant.estimate.archiveBytes,
        seconds: ofTenant.estimate.seconds,
        slowed_by: ofTenant.estimate.slowedBy,
      },
    }),
  };
}

function rowsByTable({ ofTenant }: Looked): Map<string, number> | null {
  return ofTenant && new Map(ofTenant.preview.tables.map(({ table, rows }) => [table, rows]));
}

function print({ out }: ParticipantContext, looked: Looked, options: PlanOptions, refused: boolean): void {
  const { file, plan: made, diff, ofTenant } = looked;
  const { root, columns, type } = file.tenant;
  const known = root ? `a row of ${root.table}, known by ${root.key}` : `known by ${columns.join(' or ')}`;
  const { catalog } = made;
  out.line(`${out.strong(`Plan of ${file.name}`)}: a tenant is ${known} (${type}).`);
  out.line(
    out.dim(
      `PostgreSQL ${Math.floor(catalog.serverVersion / 10_000)}, as ${catalog.role}; schemas ${file.schemas.join(', ')}; fence: ${file.fence}`,
    ),
  );
  out.line();
  printTables(out, made, file, rowsByTable(looked));
  const choices = choicesOf(file);
  if (choices.length > 0) out.line(`\n${out.strong('Decided')}`);
  for (const { about, choice } of choices) out.line(`${about}: ${choice}`);
  const findings = findingsOf(looked);
  if (findings.length > 0) out.line(`\n${out.strong('Found')}`);
  printFindings(out, findings);
  if (!isSame(diff)) {
    out.line(`\n${out.strong('Different from what was accepted')}`);
    printDiff(out, diff);
    out.line(`Where that is right: lethe plan --config ${options.config} --accept`);
  } else if (options.accept) {
    out.line(`\n${options.config} lists the ${count(made.tables.length)} tables as they are now.`);
  }
  out.line();
  if (ofTenant) printEstimate(out, ofTenant.preview.totalRows, ofTenant.estimate);
  out.line(`plan hash  ${made.hash}`);
  out.line(
    refused
      ? out.colour('Refused: nothing would be deleted as things stand; see the refusals above.', 'red')
      : out.colour('Ready: nothing stands in the way.', 'green'),
  );
}
