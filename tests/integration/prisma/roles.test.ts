import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { retainedSchema, retains } from '../../../erasure/install/retained-sql.js';
import { migrationOwners } from '../../../prisma/migrate.js';
import { declarations } from '../../../services/registry.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

let database: TestDatabase;
let superuser: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  superuser = new pg.Client({ connectionString: database.url });
  await superuser.connect();
});
afterAll(async () => {
  await superuser?.end();
  await database?.drop();
});

async function asRole<T>(role: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: database.urlFor(role) });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function column(text: string, values: readonly unknown[]): Promise<string[]> {
  const { rows } = await superuser.query<{ value: string }>(text, [...values]);
  return rows.map(({ value }) => value);
}

const PRIVILEGES = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'];

/** `schema.table: privileges` of every table, view and sequence, in whatever schema, that the role may touch. */
async function tablePrivileges(role: string): Promise<Record<string, string>> {
  const { rows } = await superuser.query<{ name: string; privileges: string }>(
    `SELECT c.oid::regclass::text AS name, string_agg(p.name, ' ' ORDER BY p.position) AS privileges
       FROM pg_class c
      CROSS JOIN unnest($2::text[]) WITH ORDINALITY AS p(name, position)
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
        AND has_table_privilege($1, c.oid, p.name)
      GROUP BY c.oid`,
    [role, PRIVILEGES],
  );
  return Object.fromEntries(rows.map(({ name, privileges }) => [name, privileges]));
}

/** A table with its partitions. */
async function withPartitions(table: string): Promise<string[]> {
  return column(
    `SELECT relid::regclass::text AS value FROM pg_partition_tree($1::regclass)
      UNION SELECT $1::regclass::text`,
    [table],
  );
}

describe('the role of each owner', () => {
  const owners = migrationOwners();

  it.each(owners)('$role reaches its own schemas and no other', async ({ name, role }) => {
    const reachable = await column(
      `SELECT nspname AS value FROM pg_namespace
        WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')
          AND has_schema_privilege($1, oid, 'USAGE, CREATE') ORDER BY 1`,
      [role],
    );
    const declaration = declarations.find((one) => one.name === name);
    const retained = declaration && retains(declaration) ? [retainedSchema(declaration)] : [];
    expect(reachable).toEqual(
      name === 'lethe' ? ['lethe_records'] : [`lethe_${name}`, name, ...retained].sort(),
    );
  });

  it.each(owners)('$role owns nothing, and is no more than a login', async ({ role }) => {
    const owned = await column(
      'SELECT oid::regclass::text AS value FROM pg_class WHERE relowner = $1::regrole',
      [role],
    );
    expect(owned).toEqual([]);
    const { rows } = await superuser.query(
      `SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin,
              has_database_privilege(rolname, current_database(), 'CREATE') AS creates,
              EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid) AS member
         FROM pg_roles WHERE rolname = $1`,
      [role],
    );
    expect(rows).toEqual([
      {
        rolsuper: false,
        rolcreaterole: false,
        rolcreatedb: false,
        rolreplication: false,
        rolbypassrls: false,
        rolcanlogin: true,
        creates: false,
        member: false,
      },
    ]);
  });
});

const RIGHTS = {
  delete: 'SELECT INSERT UPDATE DELETE',
  retain: 'SELECT INSERT UPDATE DELETE',
  anonymize: 'SELECT UPDATE',
  keep: 'SELECT',
} as const;

describe('the role of a service', () => {
  it.each(declarations)(
    'of $name may write what is erased, read what stays, and touch no more',
    async (declaration) => {
      const { name, tables } = declaration;
      const expected: Record<string, string> = {
        [`lethe_${name}.deletion_ledger`]: 'SELECT INSERT UPDATE',
        [`lethe_${name}.tenant_tombstones`]: 'SELECT INSERT DELETE',
      };
      // What is retained it may add to, and not read.
      if (retains(declaration)) expected[`${retainedSchema(declaration)}.retained_rows`] = 'INSERT';
      for (const [table, { action }] of Object.entries(tables)) {
        for (const relation of await withPartitions(table)) {
          expected[relation] = RIGHTS[action];
        }
      }
      expect(await tablePrivileges(`lethe_${name}`)).toEqual(expected);
    },
  );

  it.each(declarations)(
    'of $name is turned away from the next service and from its ledger',
    async ({ name }) => {
      const index = declarations.findIndex((one) => one.name === name);
      const next = declarations[(index + 1) % declarations.length];
      const table = Object.keys(next?.tables ?? {})[0];
      await asRole(`lethe_${name}`, async (client) => {
        for (const foreign of [table, `lethe_${next?.name}.deletion_ledger`, 'tenant.tenants']) {
          await expect(client.query(`SELECT FROM ${foreign}`)).rejects.toMatchObject({ code: '42501' });
        }
      });
    },
  );

  it('makes archives in its own corner, and cannot drop or change a table of the service', async () => {
    await asRole('lethe_orders', async (client) => {
      await client.query('CREATE TABLE lethe_orders.of_its_own (id uuid)');
      await client.query('DROP TABLE lethe_orders.of_its_own');
      for (const forbidden of [
        'DROP TABLE orders.order_feedback',
        'TRUNCATE orders.order_feedback',
        'ALTER TABLE orders.order_feedback DISABLE TRIGGER ALL',
        'CREATE TABLE orders.of_its_own (id uuid)',
        'DELETE FROM lethe_orders.deletion_ledger',
      ]) {
        await expect(client.query(forbidden)).rejects.toMatchObject({ code: '42501' });
      }
    });
  });
});
