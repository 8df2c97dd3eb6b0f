/** A database for a test file. */
import pg from 'pg';
import { inject } from 'vitest';
import { databaseUrl } from '../../local/postgres.js';
import { urlForRole } from '../../local/roles.js';
import { migrationOwners } from '../../prisma/migrate.js';
import type {} from './provided.js';
import { dropDatabase, ensureTemplate, testDatabaseName, withSuperuser } from './test-databases.js';

export interface TestDatabase {
  /** Superuser's. */
  readonly url: string;
  readonly name: string;
  /** The same database, as that role. The password of a role that the test made itself is taken to be its name. */
  urlFor(role: string): string;
  /** Also where somebody is still connected. */
  drop(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** `platform`: every migration applied, and the roles there; `empty`: nothing. */
  readonly template?: 'empty' | 'platform';
  /** A superuser's URL of another cluster than the run's. */
  readonly cluster?: string;
}

/** A new database in the run's cluster. What a test file forgets to drop, the end of the run drops. */
export async function createTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const superuserUrl = options.cluster ?? inject('postgresUrl');
  if (superuserUrl === '')
    throw new Error('Tests under tests/unit run without PostgreSQL: move this one out.');
  const name = testDatabaseName(inject('runName'));
  const template = options.template === 'empty' ? 'template0' : await ensureTemplate(superuserUrl);
  await withSuperuser(superuserUrl, async (client) => {
    await client.query(
      `CREATE DATABASE ${pg.escapeIdentifier(name)} TEMPLATE ${pg.escapeIdentifier(template)} STRATEGY FILE_COPY`,
    );
  });
  const url = databaseUrl(superuserUrl, name);
  return {
    url,
    name,
    urlFor: (role) => roleUrl(url, role),
    drop: () => withSuperuser(superuserUrl, (client) => dropDatabase(client, name)),
  };
}

const rolesOfMigrations = new Set(
  migrationOwners().flatMap((owner) => [owner.role, owner.reader ?? []].flat()),
);

function roleUrl(url: string, role: string): string {
  if (rolesOfMigrations.has(role)) return urlForRole(url, role);
  const changed = new URL(url);
  changed.username = encodeURIComponent(role);
  changed.password = encodeURIComponent(role);
  return changed.href;
}
