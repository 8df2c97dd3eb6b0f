/** What processes print, line by line: into a file each, and to the terminal with their name. */
import { createWriteStream, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { prettyFactory } from 'pino-pretty';

// Enough to see what went wrong; the file has all of it.
const LAST_LINES = 12;
const LONGEST_LINE = 400;

/** Gets each line that a process prints, and the process's name. */
export type Echo = (name: string, line: string) => void;

/** The last lines of a process, for when it fails. */
export class LogLines {
  readonly #last: string[] = [];
  readonly #file;

  constructor(
    readonly name: string,
    file: string,
    readonly echo: Echo,
  ) {
    mkdirSync(dirname(file), { recursive: true });
    this.#file = createWriteStream(file, { flags: 'a' });
  }

  read(stream: Readable): void {
    createInterface({ input: stream }).on('line', (line) => {
      this.#file.write(`${line}\n`);
      this.#last.push(line);
      if (this.#last.length > LAST_LINES) this.#last.shift();
      this.echo(this.name, line);
    });
  }

  get last(): string {
    return this.#last
      .map((line) => (line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)}…` : line))
      .join('\n');
  }

  close(): void {
    this.#file.end();
  }
}

/** Writes lines to the terminal, structured ones in a form that people read. */
export function echoToTerminal(output: NodeJS.WriteStream = process.stdout): Echo {
  const pretty = prettyFactory({
    colorize: output.isTTY === true,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'pid,hostname,name',
  });
  return (name, line) => {
    output.write(`${name.padEnd(8)} │ ${line.startsWith('{') ? (pretty(line) ?? line).trimEnd() : line}\n`);
  };
}
