/**
 * Applies the migrations of every owner of tables, each with a history of its own, by Prisma's own schema engine:
 * what `prisma migrate deploy` does, without the engine's download.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import pg from 'pg';
import { openSchemaEngine } from './migrate-engine.js';

/** A folder under `prisma/` that has migrations: its name, and what each of its names in the database is. */
export interface MigrationOwner {
  /** Folder, e.g. `orders`. */
  readonly name: string;
  /** Schema of its tables and of its history, e.g. `orders`. */
  readonly schema: string;
  /** Login role of the process that serves it, e.g. `lethe_orders`. */
  readonly role: string;
  /** Login role that reads what the service retains, where it retains anything. */
  readonly reader: string | null;
  readonly directory: string;
}

/** What was done for one owner. */
export interface MigratedOwner {
  readonly owner: string;
  /** Migrations that this run applied; empty where the database was current. */
  readonly applied: readonly string[];
}

export interface MigrateOptions {
  /** Connection of a role that may create schemas and grant on them. The roles themselves exist already. */
  readonly databaseUrl: string;
  /** Names of owners; by default every folder that has migrations. */
  readonly owners?: readonly string[];
  readonly directory?: string;
  readonly onProgress?: (done: MigratedOwner) => void;
}

// One runner at a time per database: two engines would both find a migration missing and both apply it.
const ADVISORY_LOCK = 7_236_118_004;

/** Every owner that has migrations, the records first. */
export function migrationOwners(directory: string = import.meta.dirname): MigrationOwner[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(directory, entry.name, 'migrations')))
    .map((entry) => ownerNamed(entry.name, directory))
    .sort(
      (one, other) =>
        Number(other.name === 'lethe') - Number(one.name === 'lethe') || (one.name < other.name ? -1 : 1),
    );
}

function ownerNamed(folder: string, directory: string): MigrationOwner {
  const name = folder.replaceAll('-', '_');
  const ofRecords = name === 'lethe';
  return {
    name: folder,
    schema: ofRecords ? 'lethe_records' : name,
    role: ofRecords ? 'lethe_records' : `lethe_${name}`,
    reader: readerIn(join(directory, folder, 'migrations'), `lethe_${name}_retained`),
    directory: join(directory, folder),
  };
}

/** The role, where a migration grants something to it. */
function readerIn(migrations: string, role: string): string | null {
  const granted = readdirSync(migrations).some((name) => {
    const file = join(migrations, name, 'migration.sql');
    return existsSync(file) && readFileSync(file, 'utf8').includes(`TO "${role}"`);
  });
  return granted ? role : null;
}

/** Brings every owner's schema to its last migration. Run again, it finds nothing to do. */
export async function migrate(options: MigrateOptions): Promise<MigratedOwner[]> {
  const owners = chosen(migrationOwners(options.directory), options.owners);
  const client = new pg.Client({ connectionString: options.databaseUrl, application_name: 'lethe migrate' });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [ADVISORY_LOCK]);
    const results: MigratedOwner[] = [];
    for (const owner of owners) {
      await client.query(`CREATE SCHEMA IF NOT EXISTS ${pg.escapeIdentifier(owner.schema)}`);
      const result = { owner: owner.name, applied: await migrateOwner(client, owner, options.databaseUrl) };
      results.push(result);
      options.onProgress?.(result);
    }
    return results;
  } finally {
    await client.end();
  }
}

function chosen(all: MigrationOwner[], names: readonly string[] | undefined): MigrationOwner[] {
  if (names === undefined) return all;
  const missing = names.filter((name) => !all.some((owner) => owner.name === name));
  if (missing.length > 0) {
    throw new Error(
      `No migrations for ${missing.join(', ')}: there is no folder of that name under prisma/ that has migrations. Known are ${all.map((owner) => owner.name).join(', ')}.`,
    );
  }
  return all.filter((owner) => names.includes(owner.name));
}

async function migrateOwner(
  client: pg.Client,
  owner: MigrationOwner,
  databaseUrl: string,
): Promise<string[]> {
  const migrationsList = migrationsOf(owner);
  if (await isCurrent(client, owner, migrationsList)) return [];
  const { engine, failure, close } = await openSchemaEngine(databaseUrl, owner.schema);
  const filters = { externalTables: [], externalEnums: [] };
  try {
    const history = await engine.diagnoseMigrationHistory({
      migrationsList,
      optInToShadowDatabase: false,
      filters,
    });
    const changed = history.editedMigrationNames.filter(
      (name) => !history.failedMigrationNames.includes(name),
    );
    if (changed.length > 0) throw edited(owner, changed);
    // A failed migration changed nothing: each is one transaction. So it may be tried again once it is mended.
    for (const migrationName of history.failedMigrationNames) {
      await engine.markMigrationRolledBack({ migrationName });
    }
    return (await engine.applyMigrations({ migrationsList, filters })).appliedMigrationNames;
  } catch (error) {
    const reason = failure() ?? (error instanceof Error ? error.message : String(error));
    throw new Error(`The migrations of ${owner.name} were not applied: ${reason}`, { cause: error });
  } finally {
    await close();
  }
}

/**
 * Whether the history says that each migration was applied as its file is now, and nothing else: then the engine, which
 * takes its time to start, has nothing to find. Whatever is not so, it looks into.
 */
async function isCurrent(
  client: pg.Client,
  { schema }: MigrationOwner,
  { migrationDirectories }: ReturnType<typeof migrationsOf>,
): Promise<boolean> {
  const history = `${pg.escapeIdentifier(schema)}._prisma_migrations`;
  const { rows: found } = await client.query<{ exists: boolean }>(
    'SELECT to_regclass($1) IS NOT NULL AS exists',
    [history],
  );
  if (found[0]?.exists !== true) return false;
  const { rows } = await client.query<{ migration: string }>(
    `SELECT migration_name || CASE WHEN finished_at IS NULL THEN '' ELSE ' ' || checksum END AS migration
       FROM ${history} WHERE rolled_back_at IS NULL ORDER BY migration_name COLLATE "C"`,
  );
  const files = migrationDirectories.map(({ path, migrationFile }) => {
    const checksum = createHash('sha256').update(migrationFile.content.value).digest('hex');
    return `${path} ${checksum}`;
  });
  return isDeepStrictEqual(
    rows.map(({ migration }) => migration),
    files,
  );
}

function edited(owner: MigrationOwner, names: readonly string[]): Error {
  return new Error(
    `${names.join(', ')} in prisma/${owner.name}/migrations changed after this database had applied it. Put the file back as it was and write a new migration; on a laptop you can also delete .lethe/ and start again.`,
  );
}

function migrationsOf(owner: MigrationOwner) {
  const baseDir = join(owner.directory, 'migrations');
  const lockfile = join(baseDir, 'migration_lock.toml');
  return {
    baseDir,
    lockfile: {
      path: 'migration_lock.toml',
      content: existsSync(lockfile) ? readFileSync(lockfile, 'utf8') : null,
    },
    shadowDbInitScript: '',
    migrationDirectories: readdirSync(baseDir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort()
      .map((name) => ({
        path: name,
        migrationFile: {
          path: 'migration.sql',
          content: { tag: 'ok' as const, value: readFileSync(join(baseDir, name, 'migration.sql'), 'utf8') },
        },
      })),
  };
}
