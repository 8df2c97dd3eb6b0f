import { declarationOf } from '../../services/participant-file/declaration.js';
import { readParticipants } from '../../services/participant-file/files.js';
import { UsageError } from '../api-client.js';
import type { ParticipantCommand } from '../participant/context.js';

export interface ServeOptions {
  readonly config: string;
  readonly port: string;
}

/** `lethe serve`: the protocol for each file, on a port of its own, until the process is told to stop. */
export const serveParticipants: ParticipantCommand<ServeOptions> = async ({ out, host }, options) => {
  const first = Number(options.port);
  if (!Number.isInteger(first) || first < 0 || first > 65_535)
    throw new UsageError(`${options.port} is no port.`);
  // A server's libraries take longer to load than most commands take.
  const { declaredParticipant, serve } = await import('../../services/serve.js');
  const participants = await readParticipants(options.config);
  const serving = host.serving();
  const served = await serve(
    participants.map(({ file }, place) => {
      const databaseUrl = host.databaseUrl(file.database_url_env);
      const declaration = declarationOf(file);
      const retainedUrl = file.retained_url_env && host.databaseUrl(file.retained_url_env);
      return {
        name: file.name,
        port: first === 0 ? 0 : first + place,
        participant: (logger) => declaredParticipant(declaration, databaseUrl, serving, logger, retainedUrl),
      };
    }),
    serving,
  );
  // In the form of the registry's file.
  out.document(served.map(({ name, url }) => ({ name, url, role: 'participant' })));
  out.table(
    ['participant', 'address'],
    served.map(({ name, url }) => [name, url]),
  );
  return new Promise<never>(() => undefined);
};
