/** Where the demo runs: a directory, a database and a Temporal of its own, fresh each time. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { readLocalConfig } from '../../config.js';
import { tryLock } from '../lock.js';
import { stateDirectory } from '../paths.js';
import type { PlatformOptions } from '../platform.js';
import { checkGivenPostgres, ensureDatabase } from '../postgres.js';
import { endLeftovers } from '../process-table.js';

export interface Surroundings {
  readonly directory: string;
  readonly options: Pick<PlatformOptions, 'databaseUrl' | 'temporal'>;
  /** Takes back what was made on servers that are not the demo's own. */
  cleanUp(): Promise<void>;
}

/** Ends and removes what an earlier demo left. Where servers are given, it is a database and a namespace on them. */
export async function prepareSurroundings(): Promise<Surroundings> {
  const { DATABASE_URL: server, TEMPORAL_ADDRESS: address } = readLocalConfig();
  const directory = join(stateDirectory, 'demo');
  const release = tryLock(join(stateDirectory, 'demo.lock'));
  if (!release) {
    throw new Error(
      'The demo runs already from this clone. Wait until it ends, or stop it with Ctrl-C there.',
    );
  }
  process.once('exit', release);
  await endLeftovers(join(directory, 'processes.json'));
  rmSync(directory, { recursive: true, force: true });

  if (server) await checkGivenPostgres(server);
  const name = `lethe_demo_${process.pid}_${Date.now().toString(36)}`;
  return {
    directory,
    options: {
      databaseUrl: server ? await ensureDatabase(server, name) : undefined,
      temporal: address ? { address, namespace: name.replaceAll('_', '-') } : undefined,
    },
    cleanUp: async () => {
      if (server) await dropDatabase(server, name);
    },
  };
}

async function dropDatabase(server: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`);
  } finally {
    await client.end();
  }
}
