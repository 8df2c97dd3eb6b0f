/** What every command is given. */
import type { ApiClient } from './api-client.js';
import type { Output } from './output.js';

export interface CommandContext {
  readonly api: ApiClient;
  readonly out: Output;
}

/** A command's work; gives the exit status. */
export type Command<Options, Arguments extends unknown[] = []> = (
  context: CommandContext,
  options: Options,
  ...values: Arguments
) => Promise<number>;
