/** Makes a participant's file from a database, question by question. */
import type { Plan } from '../../erasure/plan/types.js';
import type { Question } from '../../erasure/questions/types.js';
import type { Workbench } from '../../erasure/workbench/workbench.js';
import { acceptedDiff, withAccepted } from '../../services/participant-file/accepted.js';
import { fileQuestion, withAnswers } from '../../services/participant-file/answers.js';
import { declarationOf } from '../../services/participant-file/declaration.js';
import type { ParticipantFile } from '../../services/participant-file/schema.js';

/** The answer, or null: it stays open in the file. */
export type Answerer = (question: Question, number: number) => Promise<string | null>;

export interface Draft {
  readonly file: ParticipantFile;
  readonly plan: Plan;
  /** Questions that were answered on the way. */
  readonly answered: number;
}

/** Answers may raise further questions: until there are none, or all that are left stay open. */
export async function drafted(bench: Workbench, begun: ParticipantFile, answer: Answerer): Promise<Draft> {
  const asked = new Set(begun.questions.map(nameOf));
  let file = begun;
  let answered = 0;
  for (;;) {
    const declaration = declarationOf(file);
    const plan = await bench.plan(declaration);
    // What is left open about a table is enough to ask about it.
    const open = new Set(file.questions.filter(isOfTable).map(tableOf));
    const fresh = (await bench.questions(plan, declaration)).filter(
      (one) => !asked.has(nameOf(one)) && !(isOfTable(one) && open.has(tableOf(one))),
    );
    if (fresh.length === 0) break;
    for (const question of fresh.filter(isFirstOfTable)) {
      asked.add(nameOf(question));
      const said = await answer(question, asked.size);
      if (said !== null) answered += 1;
      file = withAnswers({ ...file, questions: [...file.questions, fileQuestion(question, said)] });
    }
  }
  const plan = await bench.plan(declarationOf(file));
  const accepted = withAccepted(file, acceptedDiff(file, plan));
  return { file: accepted, plan: await bench.plan(declarationOf(accepted)), answered };
}

function nameOf({ kind, about }: Pick<Question, 'kind' | 'about'>): string {
  return `${kind} ${about}`;
}

/** Once a column says whose a table's rows are, its others need not be asked about. */
function isFirstOfTable(question: Question, place: number, all: readonly Question[]): boolean {
  if (!isOfTable(question)) return true;
  const table = tableOf(question);
  return all.findIndex((one) => isOfTable(one) && tableOf(one) === table) === place;
}

/** Whether it asks whose the rows of a table are of which nobody knows yet. */
function isOfTable({ kind }: Pick<Question, 'kind'>): boolean {
  return kind !== 'reference' && kind !== 'two_tenants';
}

function tableOf({ kind, about }: Pick<Question, 'kind' | 'about'>): string {
  return kind === 'unowned_table' ? about : about.slice(0, about.lastIndexOf('.'));
}
