/** Puts questions to the person at the terminal. */
import type { Question } from '../../erasure/questions/types.js';
import type { Output } from '../output.js';

/** One of the answers, or null where the person leaves the question open. */
export async function answerTo(
  out: Output,
  ask: (prompt: string) => Promise<string>,
  question: Question,
  place: string,
): Promise<string | null> {
  out.line(`\n${out.strong(`${place}. ${question.about}`)}`);
  out.line(question.question);
  out.line(out.dim(`Probably ${question.suggestion}: ${question.reason}.`));
  const choices = question.answers.map((answer) => (answer === question.suggestion ? `[${answer}]` : answer));
  for (;;) {
    const said = (await ask(`${choices.join(' / ')} / later: `)).trim();
    if (said === '') return question.suggestion;
    if (said === 'later') return null;
    const fitting = question.answers.filter((answer) => answer.startsWith(said));
    const exact = question.answers.find((answer) => answer === said) ?? fitting[0];
    if (exact !== undefined && (fitting.length === 1 || exact === said)) return exact;
    out.line('That is none of the answers.');
  }
}
