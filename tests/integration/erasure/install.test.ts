import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../erasure/engine-types.js';
import {
  ask,
  countRows,
  createErasureDatabase,
  type ErasureDatabase,
  newJob,
  reach,
} from '../../support/erasure.js';

const TENANT = 4_711_000_000_000;
const OTHER = 4_712;

/** Tenants known by number, names that need quotes, an inheritance child, a view that keeps copies. */
const declaration = {
  name: 'odd',
  schemas: ['Odd Schema'],
  letheSchema: 'Lethe of "odd"',
  tenant: { columns: ['owner', 'Tenant No'], type: 'bigint' as const },
  fence: 'trigger' as const,
  tables: {
    '"Odd Schema".mails': { action: 'delete' as const },
    '"Odd Schema".old_mails': { action: 'delete' as const },
    '"Odd Schema"."Visits"': { action: 'delete' as const },
    '"Odd Schema".ledger': { action: 'keep' as const, reason: 'law' },
  },
};

let db: ErasureDatabase;
let engine: Engine;
let app: pg.Client;

beforeAll(async () => {
  db = await createErasureDatabase({
    declaration,
    schema: `CREATE SCHEMA "Odd Schema"; SET search_path = "Odd Schema";
      CREATE TABLE mails (id int PRIMARY KEY, "Tenant No" bigint NOT NULL, address text);
      CREATE TABLE old_mails (year int) INHERITS (mails);
      CREATE TABLE "Visits" (id int, owner int, at date NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE "Visits 1" PARTITION OF "Visits" FOR VALUES FROM ('2026-01-01') TO ('2026-02-01') PARTITION BY LIST (id);
      CREATE TABLE "Visits 1a" PARTITION OF "Visits 1" DEFAULT;
      CREATE TABLE ledger (id int PRIMARY KEY, owner bigint NOT NULL, note text);
      CREATE MATERIALIZED VIEW addresses AS SELECT address, count(*) FROM mails GROUP BY 1;
      CREATE INDEX ON mails ("Tenant No"); CREATE INDEX ON old_mails ("Tenant No"); CREATE INDEX ON "Visits" (owner);
      RESET search_path;`,
  });
  engine = db.engine();
  app = await db.connect();
  await app.query('SET search_path = "Odd Schema"');
  await app.query(
    `INSERT INTO mails SELECT n, CASE WHEN n <= 40 THEN ${TENANT} ELSE ${OTHER} END, 'secret' || n % 2 || '@example.org' FROM generate_series(1, 50) n`,
  );
  await app.query(`INSERT INTO old_mails VALUES (100, ${TENANT}, 'old@example.org', 1999)`);
  await app.query(`INSERT INTO ledger VALUES (1, ${TENANT}, 'paid')`);
  await app.query('REFRESH MATERIALIZED VIEW addresses; ANALYZE mails, addresses');
});
afterAll(() => db?.drop());

describe('the fence', () => {
  const job = newJob(String(TENANT));
  const refused = { code: '23514', message: expect.stringMatching(/is being or has been erased/) };
  const unfenced = async () =>
    (await engine.manifest()).findings
      .filter(({ code }) => code === 'fence_missing')
      .map(({ table }) => table);

  it('lets everybody write before', async () => {
    await app.query(`INSERT INTO "Visits" VALUES (1, 7, '2026-01-05'); DELETE FROM "Visits"`);
    await reach(engine, job, 'staged');
  });

  it.each([
    `INSERT INTO mails VALUES (200, ${TENANT}, 'new')`,
    `INSERT INTO old_mails VALUES (201, ${TENANT}, 'new', 1)`,
    `INSERT INTO mails SELECT n, CASE n WHEN 305 THEN ${TENANT} ELSE ${OTHER} END, 'x' FROM generate_series(300, 310) n`,
    `UPDATE mails SET "Tenant No" = ${TENANT} WHERE id = 45`,
    `INSERT INTO mails VALUES (45, ${OTHER}, 'x') ON CONFLICT (id) DO UPDATE SET "Tenant No" = ${TENANT}`,
    `MERGE INTO mails m USING (SELECT 46 AS id) s ON m.id = s.id WHEN MATCHED THEN UPDATE SET "Tenant No" = ${TENANT}`,
    `INSERT INTO ledger VALUES (2, ${TENANT}, 'one more')`,
  ])('refuses %s', async (statement) => {
    await expect(app.query(statement)).rejects.toMatchObject(refused);
  });

  it('lets kept rows be changed, and other tenants write', async () => {
    await app.query(`UPDATE ledger SET note = 'paid twice' WHERE owner = ${TENANT}`);
    await app.query(
      `INSERT INTO mails VALUES (400, ${OTHER}, 'x'); UPDATE mails SET address = 'y' WHERE id = 400; DELETE FROM mails WHERE id = 400`,
    );
  });

  it('stands on every partition, and on new ones once they are fenced', async () => {
    const small = newJob('42');
    await reach(engine, small, 'staged');
    for (const table of ['"Visits"', '"Visits 1"', '"Visits 1a"']) {
      await expect(app.query(`INSERT INTO ${table} VALUES (1, 42, '2026-01-05')`)).rejects.toMatchObject(
        refused,
      );
    }
    await app.query(
      `CREATE TABLE "Visits 2" PARTITION OF "Visits" FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')`,
    );
    await expect(app.query(`INSERT INTO "Visits" VALUES (1, 42, '2026-02-05')`)).rejects.toMatchObject(
      refused,
    );
    // PostgreSQL clones no trigger of a statement: whoever names the partition is not kept out, and the plan says so.
    expect(await unfenced()).toEqual(['"Odd Schema"."Visits"']);
    await app.query(`INSERT INTO "Visits 2" VALUES (1, 42, '2026-02-05'); DELETE FROM "Visits 2"`);
    await app.query(`CALL "Lethe of ""odd""".fence_table('"Visits 2"')`);
    await expect(app.query(`INSERT INTO "Visits 2" VALUES (1, 42, '2026-02-05')`)).rejects.toMatchObject(
      refused,
    );
    expect(await unfenced()).toEqual([]);
    await reach(engine, small, 'restored');
    await app.query(`INSERT INTO "Visits" VALUES (1, 42, '2026-01-05'); DELETE FROM "Visits"`);
  });

  it('is lifted by the restore', async () => {
    await reach(engine, job, 'restored');
    await app.query(`INSERT INTO mails VALUES (401, ${TENANT}, 'x'); DELETE FROM mails WHERE id = 401`);
  });

  it('gives nobody else a way into Lethe’s schema', async () => {
    const name = `${db.role}_nobody`;
    await db.admin.query(`CREATE ROLE ${name} LOGIN PASSWORD '${name}'`);
    const nobody = await db.connect(name);
    await expect(nobody.query('SELECT FROM "Lethe of ""odd""".deletion_ledger')).rejects.toMatchObject({
      code: '42501',
    });
    await nobody.end();
    await db.admin.query(`DROP ROLE ${name}`);
    const { rows } = await db.admin.query(`SELECT relname FROM pg_class WHERE relowner = $1::regrole`, [
      db.role,
    ]);
    expect(rows).toEqual([]);
  });
});

describe('a purge', () => {
  const values = (table: string) =>
    countRows(
      db.admin,
      `pg_stats WHERE schemaname = 'Odd Schema' AND tablename = '${table}' AND concat(most_common_vals, histogram_bounds) LIKE '%@example.org%'`,
    );

  it('leaves no value of the tenant in statistics or materialized views, and keeps what is kept', async () => {
    await app.query('DELETE FROM mails WHERE "Tenant No" = 4712 AND id > 0');
    await app.query('REFRESH MATERIALIZED VIEW addresses; ANALYZE mails, addresses');
    expect(await values('mails')).toBeGreaterThan(0);
    expect(await values('addresses')).toBeGreaterThan(0);
    // What is left where rows are merely deleted.
    await app.query('CREATE TABLE copies AS SELECT address FROM mails');
    await app.query('ANALYZE copies');
    await app.query('DELETE FROM copies');
    await app.query('VACUUM copies');
    expect(await values('copies')).toBeGreaterThan(0);
    await app.query('DROP TABLE copies');
    expect(await countRows(db.admin, '"Odd Schema".addresses')).toBeGreaterThan(0);
    const job = newJob(String(TENANT));
    expect(await ask(engine, job, 'purged')).toMatchObject({ state: 'purged', rowsDone: 41 });
    expect(await values('mails')).toBe(0);
    expect(await values('addresses')).toBe(0);
    expect(await countRows(db.admin, '"Odd Schema".addresses')).toBe(0);
    expect(await countRows(db.admin, '"Odd Schema".ledger')).toBe(1);
    const { rows } = await db.admin.query(
      'SELECT not_done FROM "Lethe of ""odd""".deletion_ledger WHERE job_id = $1',
      [job.jobId],
    );
    expect(rows).toEqual([{ not_done: [] }]);
  });

  it('says so where the owner is no superuser, and cannot clear the statistics of an empty table', async () => {
    const owner = `${db.role}_owner`;
    await db.admin.query(`
      CREATE ROLE ${owner}; GRANT USAGE ON SCHEMA "Odd Schema" TO ${owner}; GRANT ALL ON ALL TABLES IN SCHEMA "Odd Schema" TO ${owner};
      ALTER FUNCTION "Lethe of ""odd""".refresh_after_erasure OWNER TO ${owner}`);
    await app.query(`INSERT INTO mails VALUES (700, 78, 'x@example.org'); ANALYZE mails`);
    const job = newJob('78');
    expect(await ask(engine, job, 'purged')).toMatchObject({ state: 'purged', rowsDone: 1 });
    const { rows } = await db.admin.query<{ not_done: string[] }>(
      'SELECT not_done FROM "Lethe of ""odd""".deletion_ledger WHERE job_id = $1',
      [job.jobId],
    );
    expect(rows[0]?.not_done).toContain('clear the statistics of "Odd Schema".mails');
    await db.admin.query(`
      ALTER FUNCTION "Lethe of ""odd""".refresh_after_erasure OWNER TO CURRENT_USER; DROP OWNED BY ${owner}; DROP ROLE ${owner}`);
  });

  it('says what it could not refresh for want of a privilege', async () => {
    await db.admin.query(
      `REVOKE EXECUTE ON FUNCTION "Lethe of ""odd""".refresh_after_erasure FROM ${db.role}`,
    );
    await app.query(`INSERT INTO mails VALUES (600, 77, 'x')`);
    // Who may not is merely warned by PostgreSQL, and told that it is done.
    const lethe = await db.connect(db.role);
    const notices: string[] = [];
    lethe.on('notice', ({ message }) => notices.push(message ?? ''));
    expect(await lethe.query('ANALYZE "Odd Schema".mails')).toMatchObject({ command: 'ANALYZE' });
    expect(notices[0]).toMatch(/permission denied to analyze|can analyze it/);
    const job = newJob('77');
    expect(await ask(engine, job, 'purged')).toMatchObject({ state: 'purged', rowsDone: 1 });
    const { rows } = await db.admin.query(
      'SELECT not_done FROM "Lethe of ""odd""".deletion_ledger WHERE job_id = $1',
      [job.jobId],
    );
    expect(rows).toEqual([
      {
        not_done: [
          'ANALYZE "Odd Schema"."mails"',
          'REFRESH MATERIALIZED VIEW "Odd Schema"."addresses"',
          'ANALYZE "Odd Schema"."addresses"',
        ],
      },
    ]);
  });
});
