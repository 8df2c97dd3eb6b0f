/** What was archived has digests that others can compute again, and an export is exactly what was archived. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { differenceOf } from '../../../activities/export/manifest.js';
import { writeService } from '../../../activities/export/write-service.js';
import { ExportZip } from '../../../activities/export/zip-file.js';
import type { Declaration } from '../../../erasure/declaration.js';
import { keyFor } from '../../../erasure/digest/lanes.js';
import { createEngine } from '../../../erasure/engine.js';
import type { Engine } from '../../../erasure/engine-types.js';
import { EngineError } from '../../../erasure/engine-types.js';
import { ask, createErasureDatabase, type ErasureDatabase, newJob, reach } from '../../support/erasure.js';
import { unzip } from '../../support/zip.js';

const TENANT = '1a000000-0000-4000-8000-000000000001';
const NEIGHBOUR = '1b000000-0000-4000-8000-000000000002';
const MANY = 55_000;

const odd: Declaration = {
  name: 'odd',
  schemas: ['odd'],
  letheSchema: 'lethe_odd',
  tenant: { columns: ['tenant_id'], type: 'uuid' },
  fence: 'trigger',
  tables: {
    'odd.kinds': { action: 'delete', secretColumns: ['Pass "word"'] },
    'odd.twins': { action: 'delete' },
    'odd.many': { action: 'delete' },
    'odd.empty': { action: 'delete' },
  },
};

const SQL = `
CREATE SCHEMA odd;
CREATE TYPE odd.mood AS ENUM ('good', 'bad');
CREATE DOMAIN odd.cents AS int8;
CREATE TABLE odd.kinds (id int PRIMARY KEY, tenant_id uuid NOT NULL, "Pass ""word""" text, given json, kept jsonb,
  list text[], raw bytea, mood odd.mood, cents odd.cents, ratio float8, big numeric, at timestamptz, span interval,
  class regclass, acl aclitem, acls aclitem[], places int4range, gone text, sum int GENERATED ALWAYS AS (id + 1) STORED);
ALTER TABLE odd.kinds DROP COLUMN gone;
CREATE TABLE odd.twins (tenant_id uuid NOT NULL, what text);
CREATE TABLE odd.many (id int PRIMARY KEY, tenant_id uuid NOT NULL);
CREATE TABLE odd.empty (tenant_id uuid NOT NULL);
CREATE INDEX ON odd.kinds (tenant_id); CREATE INDEX ON odd.twins (tenant_id);
CREATE INDEX ON odd.many (tenant_id); CREATE INDEX ON odd.empty (tenant_id);`;

function rowsOf(tenant: string, from: number): string {
  return `
INSERT INTO odd.kinds VALUES
  (${from}, '${tenant}', 'hash of a password', E'{ "a":\\n 1,\\r\\n "b": "x\\\\ny" }', '{"z": 1}', ARRAY['a', NULL, 'c"'], '\\x00ff',
   'good', 99, 'NaN', 12345678901234567890.123, '2026-01-02 03:04:05.678+02', '1 day 02:00', 'odd.twins', 'postgres=r/postgres',
   ARRAY['postgres=r/postgres'::aclitem], '[1,4)'),
  (${from + 1}, '${tenant}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '-0', 'NaN', 'infinity', NULL, NULL, NULL, NULL, 'empty');
INSERT INTO odd.twins SELECT '${tenant}', 'the same' FROM generate_series(1, 3);
INSERT INTO odd.twins VALUES ('${tenant}', 'another');`;
}

/** Digests of texts or bytes, as anybody can compute them. */
function digestOf(key: Buffer, rows: readonly (string | Buffer)[]): string {
  const lanes = [0n, 0n, 0n, 0n];
  for (const row of rows) {
    const hash = createHash('sha256').update(key).update(row).digest();
    for (const place of lanes.keys()) lanes[place] = (lanes[place] ?? 0n) + hash.readBigUInt64BE(place * 8);
  }
  return lanes.map((lane) => BigInt.asUintN(64, lane).toString(16).padStart(16, '0')).join('');
}

async function* bytesOf(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const line of lines) yield Buffer.from(line);
}

async function exported(engine: Engine, tenantId: string, jobId: string) {
  const lines: string[] = [];
  for await (const line of engine.exportRows(tenantId, jobId)) lines.push(line);
  const first = lines.shift();
  const head = (JSON.parse(first ?? '{}') as { export: ExportHead }).export;
  const rows = new Map<string, string[]>();
  for (const line of lines) {
    expect(line.indexOf('\n')).toBe(line.length - 1);
    const { table } = JSON.parse(line) as { table: string };
    const prefix = `{"table":${JSON.stringify(table)},"row":`;
    expect(line.startsWith(prefix)).toBe(true);
    const known = rows.get(table) ?? [];
    rows.set(table, known);
    known.push(line.slice(prefix.length, -2));
  }
  return { head, rows };
}
interface ExportHead {
  readonly key: string;
  readonly tables: readonly { readonly table: string; readonly secret_columns: readonly string[] }[];
}

describe('digests of archives', () => {
  let db: ErasureDatabase;
  let engine: Engine;
  const home = mkdtempSync(join(tmpdir(), 'lethe-digests-'));

  beforeAll(async () => {
    db = await createErasureDatabase({ declaration: odd, schema: SQL, fast: true });
    await db.admin.query(rowsOf(TENANT, 1) + rowsOf(NEIGHBOUR, 11));
    await db.admin.query(`INSERT INTO odd.many SELECT n, '${TENANT}' FROM generate_series(1, ${MANY}) n`);
    engine = db.engine();
  });
  afterAll(async () => {
    rmSync(home, { recursive: true });
    await db?.drop();
  });

  const job = newJob(TENANT);

  it('are computed for an export before the pivot, and anybody with the key finds the same in the lines', async () => {
    const staged = await reach(engine, job, 'staged');
    expect(staged.digests).toBeUndefined();
    const { digests } = await ask(engine, job, 'staged', { digests: true });
    expect(digests?.map(({ table, rows }) => [table, rows]).sort()).toEqual([
      ['odd.kinds', 2],
      ['odd.many', MANY],
      ['odd.twins', 4],
    ]);
    const { head, rows } = await exported(engine, TENANT, job.jobId);
    for (const { table, exported: told, rows: count } of digests ?? []) {
      expect(rows.get(table)).toHaveLength(count);
      expect(told, table).toBe(digestOf(Buffer.from(head.key, 'hex'), rows.get(table) ?? []));
    }
    const kinds = JSON.parse(rows.get('odd.kinds')?.[0] ?? '{}') as Record<string, unknown>;
    expect(kinds).toMatchObject({
      given: { a: 1, b: 'x\ny' },
      mood: 'good',
      ratio: 'NaN',
      list: ['a', null, 'c"'],
    });
    expect(Object.keys(kinds)).not.toContain('Pass "word"');
    expect(head.tables.find(({ table }) => table === 'odd.kinds')?.secret_columns).toEqual(['Pass "word"']);
  });

  it('are compared with what the platform writes into its zip, and a changed row is found', async () => {
    const write = async () => {
      const zip = await ExportZip.create(home, job.jobId);
      const { tables } = await writeService(zip, 'odd', bytesOf(engine.exportRows(TENANT, job.jobId)));
      await zip.finish();
      const { tables: counts, digests } = await engine.status(TENANT, job.jobId);
      return differenceOf(tables, counts, digests);
    };
    expect(await write()).toBeNull();
    expect([...unzip(readFileSync(join(home, `${job.jobId}.zip`))).keys()].sort()).toEqual([
      'odd/odd.kinds.ndjson',
      'odd/odd.many.ndjson',
      'odd/odd.twins.ndjson',
    ]);
    const { rows } = await db.admin.query<{ archive: string }>(
      `SELECT a->>'archive' AS archive FROM lethe_odd.deletion_ledger, jsonb_array_elements(archives) a
        WHERE job_id = $1 AND a->'table'->>'name' = 'twins'`,
      [job.jobId],
    );
    const change = (from: string, to: string) =>
      db.admin.query(`UPDATE lethe_odd.${rows[0]?.archive} SET c2 = $2 WHERE c2 = $1`, [from, to]);
    await change('another', 'changed');
    expect(await write()).toEqual({
      table: 'odd.twins',
      why: 'the exported rows have another digest than the archived ones',
    });
    await change('changed', 'another');
    expect(await write()).toBeNull();
  });

  it('are of every column, secret ones too, keyed with a secret that the service keeps', async () => {
    const { rows: ledger } = await db.admin.query<{
      digests: { key: string };
      archives: { archive: string; table: { name: string }; columns: { stored: string }[] }[];
    }>('SELECT digests, archives FROM lethe_odd.deletion_ledger WHERE job_id = $1', [job.jobId]);
    const twins = ledger[0]?.archives.find(({ table }) => table.name === 'twins');
    const { rows } = await db.admin.query<{ sent: Buffer }>(
      `SELECT record_send(r) AS sent FROM (SELECT * FROM lethe_odd.${twins?.archive}) r`,
    );
    const key = keyFor(ledger[0]?.digests.key ?? '', 'archive');
    const { digests } = await engine.status(TENANT, job.jobId);
    const told = digests?.find(({ table }) => table === 'odd.twins');
    expect(told?.digest).toBe(
      digestOf(
        key,
        rows.map(({ sent }) => sent),
      ),
    );
    expect(told?.digest).not.toBe(digestOf(key, [...new Set(rows.map(({ sent }) => sent.toString('hex')))]));
  });

  it('outlive the archive that they are of', async () => {
    const { digests } = await engine.status(TENANT, job.jobId);
    await reach(engine, job, 'purged');
    expect(await engine.status(TENANT, job.jobId)).toMatchObject({ state: 'purged', digests });
    await expect(exported(engine, TENANT, job.jobId)).rejects.toMatchObject({ code: 'state_conflict' });
  });

  it('are taken at the purge where nobody asked before, and differ from job to job', async () => {
    const first = newJob(NEIGHBOUR);
    await reach(engine, first, 'staged');
    const before = (await ask(engine, first, 'staged', { digests: true })).digests;
    await reach(engine, first, 'restored');
    const second = newJob(NEIGHBOUR);
    await reach(engine, second, 'staged');
    const purged = await reach(engine, second, 'purged');
    expect(purged.digests?.map(({ table, rows }) => [table, rows])).toEqual(
      before?.map(({ table, rows }) => [table, rows]),
    );
    expect(purged.digests?.every(({ exported: told }) => told === undefined)).toBe(true);
    expect(purged.digests?.[0]?.digest).not.toBe(before?.[0]?.digest);
  });

  it('are none where nothing was archived; an export then has a head and no rows', async () => {
    const nobody = newJob('1c000000-0000-4000-8000-000000000003');
    await reach(engine, nobody, 'staged');
    expect((await ask(engine, nobody, 'staged', { digests: true })).digests ?? []).toEqual([]);
    expect((await exported(engine, nobody.tenantId, nobody.jobId)).rows.size).toBe(0);
    expect((await reach(engine, nobody, 'purged')).digests ?? []).toEqual([]);
  });

  it('do not let a column through that is declared secret under a wrong name', async () => {
    await db.admin.query(rowsOf(TENANT.replace('1a', '1d'), 21));
    const wrong = newJob(TENANT.replace('1a', '1d'));
    await reach(engine, wrong, 'staged');
    const tables = { ...odd.tables, 'odd.kinds': { action: 'delete', secretColumns: ['password'] } } as const;
    const careless = createEngine({
      databaseUrl: db.database.urlFor(db.role),
      declaration: { ...odd, tables },
      limits: { lockTimeoutMs: 2_000, longestTransactionMs: 30_000 },
    });
    await expect(exported(careless, wrong.tenantId, wrong.jobId)).rejects.toThrow(EngineError);
    // Without an export the name is of no matter, and what was archived is digested all the same.
    expect((await reach(careless, wrong, 'purged')).digests).toHaveLength(2);
    await careless.close();
  });

  it('that cannot be taken keep no row: past the pivot the purge goes on, and the ledger says what was not done', async () => {
    const tenant = TENANT.replace('1a', '1e');
    await db.admin.query(rowsOf(tenant, 31));
    const job = newJob(tenant);
    await reach(engine, job, 'staged');
    const { rows } = await db.admin.query<{ archive: string }>(
      "SELECT archives->0->>'archive' AS archive FROM lethe_odd.deletion_ledger WHERE job_id = $1",
      [job.jobId],
    );
    await db.admin.query(`ALTER TABLE lethe_odd.${rows[0]?.archive} RENAME TO elsewhere`);
    const { digests } = await reach(engine, job, 'purged');
    expect(digests).toBeUndefined();
    const { rows: ledger } = await db.admin.query(
      'SELECT not_done FROM lethe_odd.deletion_ledger WHERE job_id = $1',
      [job.jobId],
    );
    expect(ledger[0]?.not_done).toContain('digests of what was archived');
    await db.admin.query('DROP TABLE lethe_odd.elsewhere');
  });
});
