/** How things are printed: JSON for scripts, tables and marks for people. */
import { stripVTControlCharacters, styleText } from 'node:util';

export type Colour = 'green' | 'red' | 'yellow' | 'cyan';

export interface Output {
  readonly json: boolean;
  /** The terminal that a picture can be drawn on; null in a pipe, and with `--json`. */
  readonly screen: Screen | null;
  /** One JSON document on standard output. */
  document(value: unknown): void;
  /** A line for people; silent with `--json`. */
  line(text?: string): void;
  /** Rows in columns; numbers to the right. Silent with `--json`. */
  table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void;
  strong(text: string): string;
  dim(text: string): string;
  colour(text: string, colour: Colour): string;
}

/** A part of the terminal that is drawn again and again. */
export interface Screen {
  draw(lines: readonly string[]): void;
  /** Takes the picture away. */
  clear(): void;
}

/** Where output goes; a terminal has columns. */
export interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

export function createOutput(options: {
  readonly json: boolean;
  readonly colours: boolean;
  readonly stream: Stream;
}): Output {
  const { json, colours, stream } = options;
  const style = (format: Parameters<typeof styleText>[0], text: string) =>
    colours ? styleText(format, text, { validateStream: false }) : text;
  const print = (text: string) => void stream.write(`${text}\n`);
  const people = json ? () => undefined : print;
  return {
    json,
    screen: !json && stream.isTTY === true ? createScreen(stream) : null,
    document: (value) => {
      if (json) print(JSON.stringify(value, null, 2));
    },
    line: (text = '') => people(text),
    table: (head, rows) => {
      for (const line of columns(head, rows, (text) => style('dim', text))) people(line);
    },
    strong: (text) => style('bold', text),
    dim: (text) => style('dim', text),
    colour: (text, colour) => style(colour, text),
  };
}

function createScreen(stream: Stream): Screen {
  let height = 0;
  const erase = () => (height === 0 ? '' : `\u001b[${height}A\u001b[0J`);
  return {
    draw(lines) {
      // Where nobody knows the size of a terminal, it says 0.
      const most = Math.max(2, (stream.rows || 24) - 1);
      const hidden = lines.length - most;
      const shown = hidden > 0 ? [...lines.slice(0, most - 1), `… and ${hidden + 1} more lines`] : lines;
      // A line that wraps would take more rows than are taken away again.
      const text = shown.map((line) => `${cut(line, (stream.columns || 80) - 1)}\n`).join('');
      stream.write(erase() + text);
      height = shown.length;
    },
    clear() {
      stream.write(erase());
      height = 0;
    },
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
  return stripVTControlCharacters(text).length;
}

function cut(text: string, most: number): string {
  return width(text) <= most ? text : `${stripVTControlCharacters(text).slice(0, most - 1)}…`;
}
