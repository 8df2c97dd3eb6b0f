/** `lethe` in this process, with streams that a test can read. */
import { runLethe } from '../../cli/program.js';

export interface CliRun {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

export interface CliOptions {
  readonly apiUrl: string;
  readonly token?: string | undefined;
  /** Standard output as a terminal of this size. */
  readonly terminal?: { readonly columns: number; readonly rows: number };
}

export async function lethe(words: readonly string[], options: CliOptions): Promise<CliRun> {
  const printed = { out: '', err: '' };
  const exit = await runLethe(words, {
    apiUrl: options.apiUrl,
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
  });
  return { exit, ...printed };
}
