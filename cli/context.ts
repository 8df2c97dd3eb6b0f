/** What every command is given. */
import type { ApiClient } from './api-client.js';
import type { Output } from './output.js';

export interface CommandContext {
  readonly api: ApiClient;
  readonly out: Output;
  /** One line of the person at the terminal; absent where nobody is there. */
  readonly ask?: (prompt: string) => Promise<string>;
}

/** A command's work; gives the exit status. */
export type Command<Options, Arguments extends unknown[] = []> = (
  context: CommandContext,
  options: Options,
  ...values: Arguments
) => Promise<number>;
