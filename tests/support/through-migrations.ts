/** A tenant is staged before a service's younger migrations, and restored after them. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { createEngine } from '../../erasure/engine.js';
import { ident, qualified } from '../../erasure/quote.js';
import { createLocalRoles } from '../../local/roles.js';
import { migrate, migrationOwners } from '../../prisma/migrate.js';
import { declarations } from '../../services/registry.js';
import { seedTenants } from '../../services/sample-data/load.js';
import { samples } from '../../services/sample-data/samples.js';
import type { ServiceSample } from '../../services/sample-data/types.js';
import { reach } from './erasure.js';
import { createTestDatabase } from './postgres.js';

/** Migrations that every database has before it can hold an archive. */
const FIRST = /^\d+_(init|lethe|lethe_fast_path)$/;

/** Names of a service's migrations that are younger. */
export function youngerMigrations(service: string): string[] {
  const owner = migrationOwners().find(({ name }) => name === service);
  return migrationsIn(owner?.directory ?? '').filter((name) => !FIRST.test(name));
}

const migrationsIn = (directory: string) =>
  readdirSync(join(directory, 'migrations')).filter((name) => /^\d/.test(name));

/** `extra`: SQL of a further migration that the repository does not have. Gives what differs afterwards: nothing. */
export async function differencesThroughMigrations(service: string, extra?: string): Promise<string[]> {
  const database = await createTestDatabase({ template: 'empty' });
  const directory = mkdtempSync(join(tmpdir(), 'lethe-migrations-'));
  const admin = new pg.Client(database.url);
  admin.on('error', () => undefined);
  await admin.connect();
  try {
    const owner = migrationOwners().find(({ name }) => name === service);
    const declaration = declarations.find(({ name }) => name === owner?.schema);
    const sample = samples.find((one) => one.service === declaration?.name);
    if (!owner || !declaration || !sample) throw new Error(`There is no service ${service}.`);
    await createLocalRoles(database.url, [owner]);
    cpSync(owner.directory, join(directory, service), { recursive: true });
    const migrations = join(directory, service, 'migrations');
    const younger = youngerMigrations(service);
    for (const name of younger) rmSync(join(migrations, name), { recursive: true });
    await migrate({ databaseUrl: database.url, owners: [service], directory });

    const columns = await columnsOf(admin, owner.schema);
    const [tenant] = await seedTenants({
      databaseUrl: database.url,
      tenants: 1,
      rowsPerTenant: 200,
      samples: [thatExists(sample, columns)],
    });
    const before = await contents(admin, owner.schema, columns);
    const tables = Object.fromEntries(
      Object.entries(declaration.tables).filter(([table]) => columns.has(table)),
    );
    const engineOf = (declared: typeof declaration) =>
      createEngine({
        databaseUrl: database.urlFor(owner.role),
        declaration: declared,
        limits: { lockTimeoutMs: 5_000, longestTransactionMs: 60_000 },
      });
    const job = {
      tenantId: tenant?.tenantId ?? '',
      jobId: '0190b0a4-0000-7000-8000-000000000001',
    };
    const old = engineOf({ ...declaration, tables });
    await reach(old, job, 'staged').finally(() => old.close());

    for (const name of younger) {
      cpSync(join(owner.directory, 'migrations', name), join(migrations, name), { recursive: true });
    }
    if (extra !== undefined) {
      mkdirSync(join(migrations, '29990101000000_extra'));
      writeFileSync(join(migrations, '29990101000000_extra', 'migration.sql'), extra);
    }
    await migrate({ databaseUrl: database.url, owners: [service], directory });
    const engine = engineOf(declaration);
    await reach(engine, job, 'restored').finally(() => engine.close());
    const after = await contents(admin, owner.schema, columns);
    return [...before].flatMap(([table, sum]) => (after.get(table) === sum ? [] : [table]));
  } finally {
    await admin.end();
    await database.drop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** By `schema.table`: numbers of its columns by their names. */
type Columns = ReadonlyMap<string, ReadonlyMap<string, number>>;

async function columnsOf(client: pg.Client, schema: string): Promise<Columns> {
  const { rows } = await client.query<{ table: string; columns: Record<string, number> }>(
    `SELECT n.nspname || '.' || c.relname AS table, json_object_agg(a.attname, a.attnum) AS columns
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> '_prisma_migrations'
        AND a.attnum > 0 AND NOT a.attisdropped GROUP BY 1`,
    [schema],
  );
  return new Map(rows.map(({ table, columns }) => [table, new Map(Object.entries(columns))]));
}

function thatExists(sample: ServiceSample, columns: Columns): ServiceSample {
  const tables = sample.tables.flatMap((table) => {
    const there = columns.get(table.name);
    if (there === undefined) return [];
    const makers = Object.entries(table.columns).filter(([name]) => there.has(name));
    return [{ ...table, columns: Object.fromEntries(makers) }];
  });
  return { ...sample, tables };
}

/** Checksums over the columns that there were at first, whatever they are called now. */
async function contents(client: pg.Client, schema: string, columns: Columns): Promise<Map<string, string>> {
  const now = await columnsOf(client, schema);
  const sums = new Map<string, string>();
  for (const [table, before] of columns) {
    const names = new Map([...(now.get(table) ?? [])].map(([name, number]) => [number, name]));
    const values = [...before.values()].map((number) => {
      const name = names.get(number);
      return name === undefined ? 'NULL' : ident(name);
    });
    const [, name = ''] = table.split('.');
    const { rows } = await client.query<{ sum: string }>(
      `SELECT count(*) || ' ' || COALESCE(md5(string_agg(md5(r::text), '' ORDER BY md5(r::text))), '') AS sum
         FROM (SELECT ROW(${values.join(', ')}) AS r FROM ${qualified({ schema, name })}) AS t`,
    );
    sums.set(table, rows[0]?.sum ?? '');
  }
  return sums;
}
