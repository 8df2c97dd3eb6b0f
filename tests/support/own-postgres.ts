/** A PostgreSQL that a test may set up as it likes, fill up, and end. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../local/ports.js';
import { preparePostgres } from '../../local/postgres.js';
import { type ManagedProcess, Supervisor } from '../../local/processes.js';
import { newDirectory } from './own-directory.js';

export interface OwnPostgres {
  /** Superuser's. */
  readonly url: string;
  readonly process: ManagedProcess;
  /** Ends it, and removes its data. */
  remove(): Promise<void>;
}

/** With these settings instead of what tests usually have, or besides. */
export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<OwnPostgres> {
  const directory = newDirectory();
  const report = (message: string) => void process.stderr.write(`${message}\n`);
  const supervisor = new Supervisor({ directory, keepRunning: false, report });
  const removals = [directory];
  const remove = async () => {
    await supervisor.stop();
    for (const path of removals) rmSync(path, { recursive: true, force: true });
  };
  try {
    const { url, dataDirectory, spec } = await preparePostgres({
      directory: join(directory, 'postgres'),
      port: await freePort(),
      durable: false,
      settings,
      report: () => undefined,
    });
    // Not always within the directory: see reachableDirectory.
    removals.push(dataDirectory);
    return { url, process: await supervisor.start(spec), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
