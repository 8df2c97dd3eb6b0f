/** What the demo shows: steps that move on a terminal, plain lines elsewhere. */
import { Listr } from 'listr2';
import { count, createOutput, type Output } from '../../cli/output.js';

export interface Screen {
  readonly out: Output;
  /** A new part of the demo. */
  heading(title: string): void;
  /** A sentence or two for a person. */
  tell(...sentences: string[]): void;
  /** Work that takes a while; `show` says how far it is, and the step ends with the title that `work` gives. */
  step<T>(title: string, work: (show: (progress: string) => void) => Promise<Stepped<T>>): Promise<T>;
  /** Something that was found to be as told, or not. */
  check(holds: boolean, sentence: string, otherwise?: string): boolean;
}

export interface Stepped<T> {
  readonly value: T;
  readonly title: string;
}

/** In a pipe, progress that comes faster than this is left out. */
const LINE_EVERY_MS = 1_000;

export function createScreen(stream: NodeJS.WriteStream, plain: boolean): Screen {
  const animated = stream.isTTY === true && !plain;
  const out = createOutput({ json: false, colours: animated, stream });
  return {
    out,
    heading: (title) => out.line(`\n${out.strong(title)}`),
    tell: (...sentences) => {
      for (const sentence of sentences) out.line(`  ${sentence}`);
    },
    step: animated ? animatedStep : plainStep(out),
    check: (holds, sentence, otherwise) => {
      const mark = holds ? out.colour('✓', 'green') : out.colour('✗', 'red');
      out.line(`  ${mark} ${holds ? sentence : `${out.colour('not so:', 'red')} ${sentence}`}`);
      if (!holds && otherwise) out.line(`    ${otherwise}`);
      return holds;
    },
  };
}

async function animatedStep<T>(
  title: string,
  work: (show: (progress: string) => void) => Promise<Stepped<T>>,
): Promise<T> {
  const done: T[] = [];
  const list = new Listr([
    {
      title,
      task: async (_, task) => {
        const stepped = await work((progress) => {
          task.output = progress;
        });
        done.push(stepped.value);
        task.title = stepped.title;
      },
    },
  ]);
  await list.run();
  return first(done);
}

function plainStep(out: Output): Screen['step'] {
  return async (title, work) => {
    out.line(`  … ${title}`);
    let last = '';
    let lastAt = 0;
    const stepped = await work((progress) => {
      if (progress === last || Date.now() - lastAt < LINE_EVERY_MS) return;
      last = progress;
      lastAt = Date.now();
      out.line(`    ${progress}`);
    });
    out.line(`  ✔ ${stepped.title}`);
    return stepped.value;
  };
}

function first<T>(values: readonly T[]): T {
  if (values.length === 0) throw new Error('The step ended without a result.');
  return values[0] as T;
}

/** `1,234 rows`, `1 row`. */
export function rowsText(rows: number): string {
  return `${count(rows)} ${rows === 1 ? 'row' : 'rows'}`;
}

/** `3.2 s` since then. */
export function secondsSince(begun: number): string {
  return `${((Date.now() - begun) / 1_000).toFixed(1)} s`;
}
