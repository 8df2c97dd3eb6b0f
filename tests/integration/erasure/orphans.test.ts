import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createEngine } from '../../../erasure/engine.js';
import type { Engine } from '../../../erasure/engine-types.js';
import { ident } from '../../../erasure/quote.js';
import {
  archivesLeft,
  checksum,
  checksums,
  countRows,
  type ErasureDatabase,
  type Job,
  newJob,
  reach,
  untilItWaits,
} from '../../support/erasure.js';
import {
  createOrphanShop,
  expectUntouched,
  maySilence,
  orphanRows,
  orphanShop,
  unchecked,
  WAYS,
} from './orphan-shop.js';
import { NEIGHBOUR, TENANT } from './small-shop.js';

let db: ErasureDatabase;
let job: Job;
let before: Record<string, string>;

beforeAll(async () => {
  db = await createOrphanShop();
});
beforeEach(async () => {
  job = newJob(TENANT);
  before = await checksums(db.admin, orphanShop);
});
afterEach(() => expectUntouched(db, before));
afterAll(() => db?.drop());

const restorable = async (engine: Engine) => (await engine.status(TENANT, job.jobId)).restorable;

describe('rows that referred to nothing, by keys that are NOT VALID', () => {
  it('are told to whoever asks what would go, by key and number', async () => {
    const { findings } = await db.engine().preview(TENANT);
    const told = findings.filter(({ code }) => code === 'orphan_rows');
    expect(told.map(({ table, message }) => [table, message.split(',')[0]])).toEqual([
      ['small.notes', '2 rows of small.notes refer by notes_topic'],
      ['small.stays', '6 rows of small.stays refer by stays_place'],
      ['small.tags', '4 rows of small.tags refer by tags_above'],
      ['small.tags', '4 rows of small.tags refer by tags_note'],
    ]);
    expect(findings.filter(({ severity }) => severity === 'refusal')).toEqual([]);
  });

  it.each(WAYS)('go and come back exactly, and their siblings with them (%s)', async (_, limits) => {
    const engine = db.engine(limits);
    await reach(engine, job, 'staged');
    for (const table of ['notes', 'stays', 'tags'])
      expect(await countRows(db.admin, `small.${table} WHERE tenant_id = '${TENANT}'`)).toBe(0);
    expect(await restorable(engine)).toEqual({ possible: true, reasons: [] });
    expect(await engine.conflicts(TENANT, job.jobId)).toEqual([]);
    await reach(engine, job, 'restored');
  });

  it.each(WAYS)('come back where tables and keys are called otherwise since (%s)', async (_, limits) => {
    const engine = db.engine(limits);
    await reach(engine, job, 'staged');
    await db.admin.query(`
      ALTER TABLE small.tags RENAME CONSTRAINT tags_note TO other; ALTER TABLE small.tags RENAME note TO remark;
      ALTER TABLE small.tags RENAME TO labels;
      ALTER TABLE small.notes ALTER topic TYPE bigint; ALTER TABLE small.topics ALTER id TYPE bigint`);
    await reach(engine, job, 'restored');
    await db.admin.query(`
      ALTER TABLE small.labels RENAME TO tags; ALTER TABLE small.tags RENAME remark TO note;
      ALTER TABLE small.tags RENAME CONSTRAINT other TO tags_note;
      ALTER TABLE small.notes ALTER topic TYPE int; ALTER TABLE small.topics ALTER id TYPE int`);
  });

  it('come back from a ledger that was written in another database', async () => {
    const engine = db.engine();
    await reach(engine, job, 'staged');
    await db.admin.query(
      `UPDATE lethe_small.deletion_ledger SET database_oid = 1, archives = replace(archives::text, '"oid"', '"oid": 1, "was"')::jsonb
        WHERE job_id = $1`,
      [job.jobId],
    );
    expect(await restorable(engine)).toEqual({ possible: true, reasons: [] });
    await reach(engine, job, 'restored');
  });

  it.each(WAYS)('come back where triggers of their table must not fire (%s)', async (_, limits) => {
    const quiet = createEngine({
      databaseUrl: db.database.urlFor(db.role),
      declaration: {
        ...orphanShop,
        tables: { ...orphanShop.tables, 'small.tags': { action: 'delete', triggers: 'suppress' } },
      },
      limits: { lockTimeoutMs: 2_000, longestTransactionMs: 30_000, ...limits },
    });
    await db.admin.query(`
      CREATE FUNCTION small.loud() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'loud'; END $$;
      CREATE TRIGGER loud BEFORE INSERT OR DELETE ON small.tags FOR EACH ROW EXECUTE FUNCTION small.loud()`);
    await reach(quiet, job, 'staged');
    expect(await restorable(quiet)).toEqual({ possible: true, reasons: [] });
    await reach(quiet, job, 'restored');
    await quiet.close();
    await db.admin.query('DROP TRIGGER loud ON small.tags; DROP FUNCTION small.loud()');
  });

  it.each(WAYS)('are noted also where they come in after the first move (%s)', async (_, limits) => {
    const engine = db.engine(limits);
    const writer = await db.connect();
    await writer.query(`BEGIN; SET LOCAL session_replication_role = replica;
      INSERT INTO small.notes VALUES (99, '${TENANT}', 'late', 77)`);
    expect((await untilItWaits(engine, job, 'staged')).waitingFor?.kind).toBe('older_transaction');
    await writer.query('COMMIT');
    await reach(engine, job, 'staged');
    await reach(engine, job, 'restored');
    expect(await countRows(db.admin, 'small.notes WHERE topic = 77')).toBe(1);
    await db.admin.query('DELETE FROM small.notes WHERE id = 99');
  });

  it('leave nothing behind at the purge, of which nobody else sees anything', async () => {
    const engine = db.engine();
    const others = () => checksum(db.admin, `(SELECT * FROM small.tags WHERE tenant_id = '${NEIGHBOUR}')`);
    const neighbours = await others();
    await reach(engine, job, 'staged');
    expect((await archivesLeft(db)).filter((name) => name.startsWith('o'))).toHaveLength(4);
    await reach(engine, job, 'purged');
    expect(await archivesLeft(db)).toEqual([]);
    expect(await engine.verify(TENANT, job.jobId)).toMatchObject({ clean: true, rowsLeft: 0 });
    expect(await others()).toBe(neighbours);
    await db.admin.query(
      'DELETE FROM lethe_small.tenant_tombstones; DELETE FROM lethe_small.deletion_ledger',
    );
    await unchecked(db, orphanRows(TENANT, 0));
  });
});

describe('orphans that could not come back', () => {
  async function expectRefused(engine: Engine, table: string, why: RegExp): Promise<void> {
    const { findings } = await engine.preview(TENANT);
    expect(findings.find(({ code }) => code === 'orphan_rows_stuck')).toMatchObject({
      severity: 'refusal',
      table,
      message: expect.stringMatching(why),
    });
    await expect(reach(engine, job, 'staged')).rejects.toMatchObject({
      code: 'plan_refused',
      facts: { table },
      message: expect.stringMatching(why),
    });
    expect(await archivesLeft(db)).toEqual([]);
    expect(await checksums(db.admin, orphanShop)).toEqual(before);
    await reach(engine, job, 'restored');
    job = newJob(TENANT);
  }

  it.each(WAYS)('are refused before anything moves, with the obstacle (%s)', async (_, limits) => {
    const engine = db.engine(limits);
    const role = ident(db.role);
    await maySilence(db, false);
    await expectRefused(engine, 'small.notes', /^2 of .* session_replication_role/);
    await maySilence(db, true);
    await db.admin.query(`REVOKE UPDATE ON small.topics FROM ${role}`);
    await expectRefused(engine, 'small.tags', /^4 of .* lacks UPDATE on small.topics/);
    await db.admin.query(`GRANT UPDATE ON small.topics TO ${role}`);
    await db.admin.query('ALTER TABLE small.stays ADD CONSTRAINT late UNIQUE (id) DEFERRABLE');
    await expectRefused(engine, 'small.stays', /^6 of .* deferrable unique constraint/);
    await db.admin.query('ALTER TABLE small.stays DROP CONSTRAINT late');
  });

  it('keep no tenant from going who has none', async () => {
    const other = newJob('1c000000-0000-4000-8000-000000000003');
    await db.admin.query(`INSERT INTO small.notes VALUES (5000, '${other.tenantId}', 'sound', 7)`);
    await maySilence(db, false);
    const engine = db.engine();
    expect((await reach(engine, other, 'staged')).rowsDone).toBe(1);
    expect(await archivesLeft(db)).toHaveLength(1);
    await reach(engine, other, 'restored');
    await maySilence(db, true);
    await db.admin.query('DELETE FROM small.notes WHERE id = 5000');
  });

  it('are none by a key that is not enforced (18)', async ({ skip }) => {
    const { rows: version } = await db.admin.query<{ n: number }>(
      `SELECT current_setting('server_version_num')::int AS n`,
    );
    skip((version[0]?.n ?? 0) < 180000);
    const other = newJob('1d000000-0000-4000-8000-000000000004');
    await db.admin.query(`INSERT INTO small.accounts VALUES (5000, '${other.tenantId}', 'loose');
      ALTER TABLE small.accounts ADD CONSTRAINT loose FOREIGN KEY (id) REFERENCES small.topics NOT ENFORCED`);
    const sums = await checksums(db.admin, orphanShop);
    await maySilence(db, false);
    const engine = db.engine();
    await reach(engine, other, 'staged');
    expect(await archivesLeft(db)).toHaveLength(1);
    expect((await engine.status(other.tenantId, other.jobId)).restorable).toEqual({
      possible: true,
      reasons: [],
    });
    await reach(engine, other, 'restored');
    expect(await checksums(db.admin, orphanShop)).toEqual(sums);
    await maySilence(db, true);
    await db.admin.query(
      'ALTER TABLE small.accounts DROP CONSTRAINT loose; DELETE FROM small.accounts WHERE id = 5000',
    );
  });

  it('include half a key of MATCH FULL, which is no orphan', async () => {
    await unchecked(db, 'UPDATE small.stays SET n = NULL WHERE id = 1');
    await expect(reach(db.engine(), job, 'staged')).rejects.toMatchObject({
      code: 'plan_refused',
      message: expect.stringMatching(/^1 of .* break "?stays_place/),
    });
    await reach(db.engine(), job, 'restored');
    await unchecked(db, 'UPDATE small.stays SET n = 1 WHERE id = 1');
  });
});
