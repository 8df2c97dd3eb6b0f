/** One process at a time, by a lock that PostgreSQL gives back when its holder dies. */
import pg from 'pg';
import { type DatabaseOptions, PATIENCE_MS } from './database.js';
import { failuresAsProblems } from './failures.js';
import { tryAdvisoryLock } from './sql.js';

/** Runs `work` if nobody else holds the lock; null where somebody does. On a connection of its own. */
export async function withAdvisoryLock<T>(
  { databaseUrl, patienceMs = PATIENCE_MS }: DatabaseOptions,
  name: string,
  work: () => Promise<T>,
): Promise<T | null> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'lethe lock',
    connectionTimeoutMillis: patienceMs,
    keepAlive: true,
  });
  // A connection that breaks meanwhile takes the lock with it; what runs here goes on and does no harm twice.
  client.on('error', () => undefined);
  try {
    const locked = await failuresAsProblems(async () => {
      await client.connect();
      return tryAdvisoryLock(client, name);
    }, patienceMs);
    return locked ? await work() : null;
  } finally {
    await client.end().catch(() => undefined);
  }
}
