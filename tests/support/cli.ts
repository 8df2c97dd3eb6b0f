/** `lethe` in this process, with streams that a test can read. */

import { runLethe } from '../../cli/program.js';
import { readDatabaseUrl } from '../../config.js';

export interface CliRun {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

export interface CliOptions {
  readonly apiUrl?: string;
  readonly token?: string | undefined;
  /** Standard output as a terminal of this size. */
  readonly terminal?: { readonly columns: number; readonly rows: number };
  /** Database URLs by the variable that holds them. */
  readonly databaseUrls?: Readonly<Record<string, string>>;
  /** What a person at the terminal types, line after line. */
  readonly typed?: readonly string[];
}

export async function lethe(words: readonly string[], options: CliOptions): Promise<CliRun> {
  const typed = [...(options.typed ?? [])];
  const printed = { out: '', err: '' };
  const exit = await runLethe(words, {
    apiUrl: options.apiUrl ?? 'http://127.0.0.1:9',
    token: options.token,
    colours: options.terminal !== undefined,
    version: '0.0.0-test',
    stdout: {
      write: (text: string) => {
        printed.out += text;
      },
      ...(options.terminal && { isTTY: true, ...options.terminal }),
    },
    stderr: {
      write: (text: string) => {
        printed.err += text;
      },
    },
    participant: {
      databaseUrl: (variable) => readDatabaseUrl(variable, options.databaseUrls ?? {}),
      serving: () => {
        throw new Error('A test that serves starts a process.');
      },
      ask:
        options.typed === undefined
          ? null
          : async (prompt) => {
              printed.out += prompt;
              const line = typed.shift();
              if (line === undefined) throw new Error(`The test has nothing to say to: ${prompt}`);
              return line;
            },
      user: 'tester',
    },
  });
  return { exit, ...printed };
}
