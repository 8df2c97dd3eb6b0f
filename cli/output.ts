/** How things are printed: JSON for scripts, tables and marks for people. */
import { styleText } from 'node:util';

export interface Output {
  readonly json: boolean;
  /** One JSON document on standard output. */
  document(value: unknown): void;
  /** A line for people; silent with `--json`. */
  line(text?: string): void;
  /** Rows in columns; numbers to the right. Silent with `--json`. */
  table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void;
  /** Goes to standard error, in both forms. */
  error(text: string): void;
  strong(text: string): string;
  dim(text: string): string;
  colour(text: string, colour: 'green' | 'red' | 'yellow' | 'cyan'): string;
}

export function createOutput(options: { readonly json: boolean; readonly colours: boolean }): Output {
  const style = (format: Parameters<typeof styleText>[0], text: string) =>
    options.colours ? styleText(format, text) : text;
  const print = (text: string) => process.stdout.write(`${text}\n`);
  const people = options.json ? () => undefined : print;
  return {
    json: options.json,
    document: (value) => {
      if (options.json) print(JSON.stringify(value, null, 2));
    },
    line: (text = '') => people(text),
    table: (head, rows) => {
      for (const line of columns(head, rows, (text) => style('dim', text))) people(line);
    },
    error: (text) => process.stderr.write(`${text}\n`),
    strong: (text) => style('bold', text),
    dim: (text) => style('dim', text),
    colour: (text, colour) => style(colour, text),
  };
}

const NUMBER = new Intl.NumberFormat('en-US');
export function count(value: number): string {
  return NUMBER.format(value);
}

function columns(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  headStyle: (text: string) => string,
): string[] {
  const texts = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? count(cell) : cell)));
  const widths = head.map((title, index) =>
    Math.max(title.length, ...texts.map((row) => width(row[index] ?? ''))),
  );
  const right = head.map(
    (_, index) => rows.length > 0 && rows.every((row) => typeof row[index] === 'number'),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => {
        const space = ' '.repeat(Math.max(0, (widths[index] ?? 0) - width(cell)));
        return right[index] ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd();
  return [headStyle(line(head)), ...texts.map(line)];
}

// Colours are escape sequences that take no room on the screen.
function width(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins every colour
  return text.replace(/\u001b\[[0-9;]*m/g, '').length;
}
