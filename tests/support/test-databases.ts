/** The databases of test runs: their names, the template that most are cloned from, and the removal of both. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { isAlive } from '../../local/lock.js';
import { databaseUrl } from '../../local/postgres.js';
import { createLocalRoles } from '../../local/roles.js';
import { migrate, migrationOwners } from '../../prisma/migrate.js';

const PREFIX = 'lethe_test_';
const TEMPLATE_PREFIX = 'lethe_template_';
const OLD_TEMPLATE_MS = 3_600_000;
const ADVISORY_LOCK = 7_236_118_006;

/** Runs `work` with a superuser's connection. */
export async function withSuperuser<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'lethe tests' });
  // A server that goes away while nobody asks it something is not this connection's news to tell.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** A name that says which run it belongs to. */
export function testDatabaseName(runName: string): string {
  return `${PREFIX}${runName}_${Math.random().toString(36).slice(2, 10)}`;
}

/** Drops every database of this run. */
export async function dropDatabases(url: string, runName: string): Promise<void> {
  await dropWhere(url, (name) => name.startsWith(`${PREFIX}${runName}_`));
}

/** Drops the databases of runs on this machine that are gone, and templates of old migrations. */
export async function sweepDatabases(url: string, runName: string): Promise<void> {
  const machine = runName.slice(0, runName.lastIndexOf('_'));
  const ofDeadRun = new RegExp(`^${PREFIX}${machine}_(\\d+)_`);
  await dropWhere(url, (name) => {
    const pid = ofDeadRun.exec(name)?.[1];
    return pid !== undefined && !isAlive(Number(pid));
  });
  await withSuperuser(url, async (client) => {
    const { rows } = await client.query<{ datname: string; made: string | null }>(
      `SELECT datname, shobj_description(oid, 'pg_database') AS made FROM pg_database WHERE datname LIKE $1`,
      [`${TEMPLATE_PREFIX}%`],
    );
    for (const { datname, made } of rows) {
      if (datname === templateName() || Date.now() - Date.parse(made ?? '') < OLD_TEMPLATE_MS) continue;
      await dropDatabase(client, datname);
    }
  });
}

async function dropWhere(url: string, condition: (name: string) => boolean): Promise<void> {
  await withSuperuser(url, async (client) => {
    const { rows } = await client.query<{ datname: string }>('SELECT datname FROM pg_database');
    for (const { datname } of rows.filter((row) => condition(row.datname)))
      await dropDatabase(client, datname);
  });
}

/** Drops a database, whoever is connected to it. */
export async function dropDatabase(client: pg.Client, name: string): Promise<void> {
  await client.query(`UPDATE pg_database SET datistemplate = false WHERE datname = $1 AND datistemplate`, [
    name,
  ]);
  const { rows } = await client.query<{ gid: string }>(
    'SELECT gid FROM pg_prepared_xacts WHERE database = $1',
    [name],
  );
  if (rows.length > 0)
    await rollBackPrepared(
      client,
      name,
      rows.map((row) => row.gid),
    );
  await client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`);
}

// Not even FORCE drops a database in which a prepared transaction waits; it is ended from within.
async function rollBackPrepared(client: pg.Client, name: string, gids: readonly string[]): Promise<void> {
  const { user, password, host, port } = client;
  const inside = new pg.Client({ user, password: password ?? undefined, host, port, database: name });
  await inside.connect();
  try {
    for (const gid of gids) await inside.query(`ROLLBACK PREPARED ${pg.escapeLiteral(gid)}`);
  } finally {
    await inside.end();
  }
}

function templateName(): string {
  const hash = createHash('sha256');
  for (const owner of migrationOwners()) {
    const directory = join(owner.directory, 'migrations');
    for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()) {
      if (!name.endsWith('.sql')) continue;
      hash
        .update(`${owner.name}/${name}\0`)
        .update(readFileSync(join(directory, name)))
        .update('\0');
    }
  }
  return `${TEMPLATE_PREFIX}${hash.digest('hex').slice(0, 16)}`;
}

/** The database with every migration applied; made once for each state of the migrations. */
export async function ensureTemplate(url: string): Promise<string> {
  const name = templateName();
  await withSuperuser(url, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [ADVISORY_LOCK]);
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (rowCount) return;
    const draft = `${name}_draft`;
    await dropDatabase(client, draft);
    await client.query(`CREATE DATABASE ${pg.escapeIdentifier(draft)}`);
    await createLocalRoles(url);
    await migrate({ databaseUrl: databaseUrl(url, draft) });
    await client.query(
      `COMMENT ON DATABASE ${pg.escapeIdentifier(draft)} IS ${pg.escapeLiteral(new Date().toISOString())}`,
    );
    // A template that somebody is connected to cannot be cloned.
    await client.query(
      `ALTER DATABASE ${pg.escapeIdentifier(draft)} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false`,
    );
    await client.query(`ALTER DATABASE ${pg.escapeIdentifier(draft)} RENAME TO ${pg.escapeIdentifier(name)}`);
  });
  return name;
}
