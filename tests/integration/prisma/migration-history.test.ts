/** Migrations are applied once each; what a history says that is not as the files say is looked into, or refused. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { migrate } from '../../../prisma/migrate.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

describe('a database with a history of migrations', () => {
  let database: TestDatabase;
  let admin: pg.Client;
  let directory: string;

  beforeAll(async () => {
    database = await createTestDatabase({ template: 'empty' });
    admin = new pg.Client({ connectionString: database.url });
    await admin.connect();
  });
  afterAll(async () => {
    await admin?.end();
    await database?.drop();
  });
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'lethe-history-'));
    write('1_first', 'CREATE TABLE "trial"."one" (id int);');
    write('2_second', 'CREATE TABLE "trial"."two" (id int);');
    expect(await applied()).toEqual(['1_first', '2_second']);
  });
  afterEach(async () => {
    await admin.query('DROP SCHEMA trial CASCADE');
    rmSync(directory, { recursive: true });
  });

  function write(name: string, sql: string): void {
    const folder = join(directory, 'trial', 'migrations', name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'migration.sql'), sql);
    writeFileSync(join(folder, '..', 'migration_lock.toml'), 'provider = "postgresql"\n');
  }

  async function applied(): Promise<readonly string[]> {
    const [done] = await migrate({ databaseUrl: database.url, directory });
    return done?.applied ?? [];
  }

  async function tables(): Promise<string[]> {
    const { rows } = await admin.query<{ name: string }>(
      `SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'trial' AND tablename <> '_prisma_migrations' ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  }

  it('gets no migration twice, and a new one alone', async () => {
    expect(await applied()).toEqual([]);
    write('3_third', 'CREATE TABLE "trial"."three" (id int);');
    expect(await applied()).toEqual(['3_third']);
    expect(await applied()).toEqual([]);
    expect(await tables()).toEqual(['one', 'three', 'two']);
  });

  it('refuses a migration that was edited after it had been applied, by its name', async () => {
    write('1_first', 'CREATE TABLE "trial"."one" (id bigint);');
    await expect(applied()).rejects.toThrow(/1_first in prisma\/trial\/migrations changed/);
    expect(await tables()).toEqual(['one', 'two']);
  });

  it('tries one that failed again, as soon as it is mended, and has nothing of it before', async () => {
    write('3_third', 'CREATE TABLE "trial"."three" (id int); SELECT 1 / 0;');
    await expect(applied()).rejects.toThrow(/division by zero/);
    await expect(applied()).rejects.toThrow(/division by zero/);
    expect(await tables()).toEqual(['one', 'two']);
    write('3_third', 'CREATE TABLE "trial"."three" (id int);');
    expect(await applied()).toEqual(['3_third']);
    expect(await applied()).toEqual([]);
    expect(await tables()).toEqual(['one', 'three', 'two']);
  });

  it('gets one whose line in the history is gone', async () => {
    await admin.query(
      `DELETE FROM trial._prisma_migrations WHERE migration_name = '2_second'; DROP TABLE trial.two`,
    );
    expect(await applied()).toEqual(['2_second']);
    expect(await tables()).toEqual(['one', 'two']);
  });
});
