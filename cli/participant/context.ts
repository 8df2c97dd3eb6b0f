/** What commands about a participant's file are given: they talk to its database, not to the API. */
import type { ServingOptions } from '../../services/serve.js';
import { UsageError } from '../api-client.js';
import type { Output } from '../output.js';

/** What the process lends. */
export interface ParticipantHost {
  /** The database URL in that environment variable; throws where it is missing or none. */
  databaseUrl(variable: string): string;
  /** How participants are served; throws where the configuration has faults. */
  serving(): ServingOptions;
  /** Asks the person at the terminal; null where nobody is there. */
  readonly ask: ((prompt: string) => Promise<string>) | null;
  /** Who runs the program, as the system knows them. */
  readonly user: string;
}

export interface ParticipantContext {
  readonly out: Output;
  readonly host: ParticipantHost;
}

export type ParticipantCommand<Options> = (context: ParticipantContext, options: Options) => Promise<number>;

/** `--database-url-env`: another role's URL than the one that the file names. */
export function databaseUrlFor(
  { host }: ParticipantContext,
  file: { readonly database_url_env: string },
  options: { readonly databaseUrlEnv?: string },
): string {
  return host.databaseUrl(options.databaseUrlEnv ?? file.database_url_env);
}

/** `schema.table.key` in parts; each may be quoted as in SQL. */
export function partsOf(name: string, parts: number): string[] {
  const found = [...name.matchAll(/(?:^|\.)(?:"((?:[^"]|"")+)"|([^".]+))/g)];
  const whole = found.map(([text]) => text).join('');
  if (whole !== name || found.length !== parts) {
    throw new UsageError(
      `${name} is not of the form ${['schema', 'table', 'key'].slice(0, parts).join('.')}, each quoted where it has a dot or a quote in it.`,
    );
  }
  return found.map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? '');
}
