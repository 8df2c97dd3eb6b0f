/** A PostgreSQL of the bench's own, with the twelve services' tables and tenants with sample data. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from '../local/ports.js';
import { ensureDatabase, preparePostgres } from '../local/postgres.js';
import { Supervisor } from '../local/processes.js';
import type { Progress } from '../local/progress.js';
import { createLocalRoles } from '../local/roles.js';
import { migrate } from '../prisma/migrate.js';

export interface Cluster {
  readonly directory: string;
  /** Superuser's URL of the database that is measured. */
  readonly url: string;
  readonly version: string;
  stop(): Promise<void>;
}

/** Durable, as a PostgreSQL in production is; autovacuum is off, since the bench vacuums between its steps. */
export async function startCluster(report: Progress): Promise<Cluster> {
  const directory = mkdtempSync(join(tmpdir(), 'lethe-bench-'));
  const supervisor = new Supervisor({ directory, keepRunning: false, report });
  const removals = [directory];
  const stop = async () => {
    await supervisor.stop();
    for (const path of removals) rmSync(path, { recursive: true, force: true });
  };
  try {
    const { url, dataDirectory, spec } = await preparePostgres({
      directory: join(directory, 'postgres'),
      port: await freePort(),
      durable: true,
      report,
    });
    // Where PostgreSQL's own account has to reach it, it lies elsewhere.
    removals.push(dataDirectory);
    const settings = { autovacuum: 'off', max_wal_size: '8GB', checkpoint_timeout: '30min' };
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    await supervisor.start({ ...spec, args: [...spec.args, ...args] });
    const database = await ensureDatabase(url, 'bench');
    await createLocalRoles(database);
    await migrate({ databaseUrl: database });
    return { directory, url: database, version: await versionOf(database), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function versionOf(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ version: string }>(
      `SELECT current_setting('server_version') AS version`,
    );
    return rows[0]?.version ?? 'unknown';
  } finally {
    await client.end();
  }
}
