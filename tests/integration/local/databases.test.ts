import pg from 'pg';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { migrate, migrationOwners } from '../../../prisma/migrate.js';
import { createRoles } from '../../../prisma/migrate-roles.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

const made: TestDatabase[] = [];
async function database(template: 'empty' | 'platform'): Promise<TestDatabase> {
  const one = await createTestDatabase({ template });
  made.push(one);
  return one;
}
afterAll(() => Promise.all(made.map((one) => one.drop())));

async function query<R extends pg.QueryResultRow>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<R[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<R>(text, values)).rows;
  } finally {
    await client.end();
  }
}

describe('databases of tests', () => {
  it('clones the platform for a file, and keeps the clones apart', async () => {
    const [one, other] = await Promise.all([database('platform'), database('platform')]);
    await query(one.url, 'CREATE TABLE only_here (id int)');
    const [found] = await query<{ here: string | null }>(
      other.url,
      "SELECT to_regclass('only_here') AS here",
    );
    expect(found?.here).toBeNull();
  });

  it('lets in every role of the platform, and makes none of them more than that', async () => {
    const one = await database('platform');
    for (const { role } of migrationOwners()) {
      const [row] = await query<{ name: string; more: boolean }>(
        one.urlFor(role),
        'SELECT rolname AS name, rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication AS more FROM pg_roles WHERE rolname = current_user',
      );
      expect(row).toEqual({ name: role, more: false });
    }
  });

  it('gives an empty one that has no schema of ours', async () => {
    const one = await database('empty');
    const rows = await query(
      one.url,
      "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$'",
    );
    expect(rows).toEqual([{ nspname: 'public' }]);
  });

  it('drops one to which somebody is connected, and in which a prepared transaction waits', async () => {
    const one = await createTestDatabase({ template: 'empty' });
    const client = new pg.Client({ connectionString: one.url });
    client.on('error', () => undefined);
    await client.connect();
    await client.query(
      "CREATE TABLE t (id int); BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'left'",
    );
    await one.drop();
    const rows = await query(inject('postgresUrl'), 'SELECT 1 FROM pg_database WHERE datname = $1', [
      one.name,
    ]);
    expect(rows).toEqual([]);
    await client.end().catch(() => undefined);
  });
});

describe('the roles of a cluster', () => {
  it('are made whole where several databases of it are brought up at the same time', async () => {
    const databases = await Promise.all([database('empty'), database('empty'), database('empty')]);
    const roles = Array.from({ length: 8 }, (_, n) => `${databases[0]?.name}_role_${n}`);
    for (const round of ['made', 'made again']) {
      await Promise.all(
        databases.map(({ url }) => createRoles({ databaseUrl: url, roles, passwordOf: (role) => role })),
      );
      const [row] = await query<{ found: number }>(
        inject('postgresUrl'),
        'SELECT count(*)::int AS found FROM pg_roles WHERE rolname = ANY ($1) AND rolcanlogin',
        [roles],
      );
      expect(row?.found, round).toBe(roles.length);
    }
    await query(inject('postgresUrl'), `DROP ROLE ${roles.join(', ')}`);
  });
});

describe('migrations', () => {
  it('find nothing to do the second time', async () => {
    const one = await database('platform');
    const again = await migrate({ databaseUrl: one.url });
    expect(again.map((done) => done.owner)).toEqual(migrationOwners().map((owner) => owner.name));
    expect(again.flatMap((done) => done.applied)).toEqual([]);
  });

  it('keep a history for each owner, in its own schema', async () => {
    const one = await database('platform');
    const rows = await query<{ schemaname: string }>(
      one.url,
      "SELECT schemaname FROM pg_tables WHERE tablename = '_prisma_migrations' ORDER BY 1",
    );
    expect(rows.map((row) => row.schemaname)).toEqual(
      migrationOwners()
        .map((owner) => owner.schema)
        .sort(),
    );
  });
});
