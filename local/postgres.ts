/** A PostgreSQL of one's own: its data directory, its settings, and how its process is started. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { findPostgres, reachableDirectory, sharedTemporaryDirectory } from './postgres-binaries.js';
import type { ProcessSpec } from './processes.js';
import type { Progress } from './progress.js';

export interface PostgresOptions {
  /** Where its data goes; made on first use. */
  readonly directory: string;
  readonly port: number;
  /** False for tests: a crash of the machine may lose data, and everything is faster. */
  readonly durable: boolean;
  /** Instead of the usual ones, or besides. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly report: Progress;
}

/** A data directory that is ready, and the process that serves it. */
export interface PreparedPostgres {
  /** Superuser's URL of the database `postgres`. */
  readonly url: string;
  /** Where its data really lies. */
  readonly dataDirectory: string;
  readonly spec: ProcessSpec;
}

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '300',
  shared_buffers: '256MB',
  // A tenant's move locks every table, index and partition of a service at once.
  max_locks_per_transaction: '256',
  max_prepared_transactions: '20',
  // Many short statements on small tables: compiling them costs more than it gives.
  jit: 'off',
  log_min_messages: 'warning',
};
const SETTINGS_OF_TESTS = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

/** Makes the data directory on first use, and says how to start PostgreSQL on it. */
export async function preparePostgres(options: PostgresOptions): Promise<PreparedPostgres> {
  const { initdb, postgres, account } = findPostgres();
  const directory = reachableDirectory(resolve(options.directory), account);
  const passwordFile = `${options.directory}.password`;
  // Without its password a data directory is of no use; it is then one that outlived a deleted .lethe/.
  const usable = existsSync(passwordFile) && existsSync(join(directory, 'PG_VERSION'));
  const password = passwordOf(passwordFile);
  if (!usable) {
    options.report('Making a PostgreSQL data directory');
    await initialise({ initdb, account, directory, password });
  }
  const settings = {
    ...SETTINGS,
    ...(options.durable ? {} : SETTINGS_OF_TESTS),
    ...options.settings,
  };
  const url = `postgres://postgres:${password}@127.0.0.1:${options.port}/postgres`;
  return {
    url,
    dataDirectory: directory,
    spec: {
      name: 'postgres',
      command: postgres,
      args: [
        '-D',
        directory,
        '-p',
        String(options.port),
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      ...(account && { account }),
      directory: sharedTemporaryDirectory(),
      // SIGINT is PostgreSQL's fast shutdown: open transactions are rolled back, and it ends.
      stopSignal: 'SIGINT',
      ready: () => answers(url),
    },
  };
}

function passwordOf(file: string): string {
  if (existsSync(file)) return readFileSync(file, 'utf8').trim();
  const password = randomBytes(24).toString('base64url');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${password}\n`, { mode: 0o600 });
  return password;
}

interface Initialisation {
  readonly initdb: string;
  readonly account: { uid: number; gid: number } | undefined;
  readonly directory: string;
  readonly password: string;
}

async function initialise({ initdb, account, directory, password }: Initialisation): Promise<void> {
  // What an interrupted first start left is no cluster.
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const passwordFile = join(sharedTemporaryDirectory(), `lethe-${randomBytes(8).toString('hex')}`);
  writeFileSync(passwordFile, password, { mode: 0o600, flag: 'wx' });
  try {
    if (account) {
      for (const path of [directory, passwordFile]) chownSync(path, account.uid, account.gid);
    }
    chmodSync(directory, 0o700);
    await promisify(execFile)(
      initdb,
      [
        `--pgdata=${directory}`,
        '--username=postgres',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        // Sorts and compares the same on every machine.
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-sync',
      ],
      { cwd: sharedTemporaryDirectory(), ...account },
    );
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    const said = (error as { stderr?: string }).stderr?.trim() || String(error);
    throw new Error(`PostgreSQL's data directory ${directory} could not be made: ${said}`, { cause: error });
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

/** Whether PostgreSQL answers at this URL; a refused password is an error, for waiting does not mend it. */
export async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === '28P01' || code === '28000') throw error;
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** What is given by DATABASE_URL has to be usable: reached, 15 or later, by a role that may create databases and roles. */
export async function checkGivenPostgres(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  try {
    await client.connect();
    const { rows } = await client.query<{ version: string; superuser: boolean }>(
      "SELECT current_setting('server_version_num') AS version, rolsuper AS superuser FROM pg_roles WHERE rolname = current_user",
    );
    const [row] = rows;
    if (Number(row?.version) < 150_000) throw new Error('it is older than PostgreSQL 15');
    if (!row?.superuser) throw new Error('its role is not a superuser');
  } catch (error) {
    const host = new URL(url).host;
    throw new Error(
      `The PostgreSQL of DATABASE_URL (${host}) cannot be used: ${error instanceof Error ? error.message : String(error)}. Set it to a superuser's URL of PostgreSQL 15 or later, or unset it: then Lethe brings its own.`,
      { cause: error },
    );
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Makes the database if it is missing, and gives the URL of it. */
export async function ensureDatabase(superuserUrl: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
  return databaseUrl(superuserUrl, name);
}

/** The same server and role, another database. */
export function databaseUrl(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(name)}`;
  return changed.href;
}
