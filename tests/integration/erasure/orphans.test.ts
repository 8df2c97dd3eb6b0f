import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Declaration } from '../../../erasure/declaration.js';
import { createEngine } from '../../../erasure/engine.js';
import type { Engine, EngineLimits } from '../../../erasure/engine-types.js';
import { ident } from '../../../erasure/quote.js';
import { until } from '../../support/conditions.js';
import {
  archivesLeft,
  ask,
  checksum,
  checksums,
  countRows,
  createErasureDatabase,
  type ErasureDatabase,
  type Job,
  newJob,
  reach,
  untilBlocked,
  untilItWaits,
  untilWaiting,
} from '../../support/erasure.js';
import { NEIGHBOUR, SMALL_SQL, smallRows, smallShop, TENANT } from './small-shop.js';

const shop: Declaration = {
  ...smallShop,
  tables: {
    ...smallShop.tables,
    'small.tags': { action: 'delete' },
    'small.stays': { action: 'delete' },
  },
};

// Of a tag the note may be the tenant's, the one above is; topics and places are nobody's. So wide that few fill a block.
const TABLES = `
CREATE DOMAIN small.area AS text;
CREATE TABLE small.places (area small.area, n int, PRIMARY KEY (area, n));
INSERT INTO small.places SELECT 'north ' || g, 1 FROM generate_series(1, 12) g;
CREATE TABLE small.stays (id int PRIMARY KEY, tenant_id uuid NOT NULL, area small.area, n int,
  pad text NOT NULL DEFAULT repeat('x', 1800));
CREATE TABLE small.tags (id int PRIMARY KEY, tenant_id uuid NOT NULL, note int NOT NULL, above int NOT NULL,
  topic int NOT NULL REFERENCES small.topics, pad text NOT NULL DEFAULT repeat('x', 1800));
ALTER TABLE small.notes DROP CONSTRAINT notes_topic_fkey;
CREATE INDEX ON small.stays (tenant_id); CREATE INDEX ON small.tags (tenant_id);`;

/** Orphans are two of five notes, six of twelve stays, and six of twelve tags, two of these by both keys. */
const rows = (tenantId: string, from: number) => `${smallRows(tenantId, from)}
UPDATE small.notes SET topic = 9 WHERE id IN (${from} + 1, ${from} + 2);
INSERT INTO small.stays SELECT ${from} + g, '${tenantId}', (ARRAY['north ', 'west '])[1 + g % 2] || g, 1 FROM generate_series(1, 12) g;
INSERT INTO small.tags SELECT ${from} + g, '${tenantId}', CASE WHEN g <= 4 THEN 9000 ELSE ${from} + 1 + g % 5 END,
  CASE WHEN g IN (3, 4, 11, 12) THEN 9000 + g WHEN g % 2 = 0 THEN ${from} + 12 ELSE ${from} + 3 END, CASE WHEN g IN (3, 12) THEN 8 ELSE 7 END FROM generate_series(1, 12) g;`;

const KEYS = `
ALTER TABLE small.notes ADD CONSTRAINT notes_topic FOREIGN KEY (topic) REFERENCES small.topics NOT VALID;
ALTER TABLE small.stays ADD CONSTRAINT stays_place FOREIGN KEY (area, n) REFERENCES small.places MATCH FULL NOT VALID;
ALTER TABLE small.tags ADD CONSTRAINT tags_note FOREIGN KEY (note) REFERENCES small.notes NOT VALID;
ALTER TABLE small.tags ADD CONSTRAINT tags_above FOREIGN KEY (above) REFERENCES small.tags NOT VALID;`;

const TINY = { singleTransactionRows: 0, chunkMs: 1 };
const WAYS: [string, Partial<EngineLimits>][] = [
  ['at once', {}],
  ['in chunks', TINY],
];

let db: ErasureDatabase;
let job: Job;
let before: Record<string, string>;

beforeAll(async () => {
  db = await createErasureDatabase({ declaration: shop, schema: SMALL_SQL + TABLES, fast: true });
  await db.admin.query(rows(NEIGHBOUR, 1000));
  await db.admin.query(rows(TENANT, 0));
  await db.admin.query(KEYS);
  const role = ident(db.role);
  await db.admin.query(`GRANT UPDATE ON small.topics TO ${role}; GRANT SELECT ON small.places TO ${role}`);
});
beforeEach(async () => {
  job = newJob(TENANT);
  before = await checksums(db.admin, shop);
});
afterEach(async () => {
  expect(await checksums(db.admin, shop)).toEqual(before);
  expect(await unvalidated()).toEqual(['notes_topic', 'stays_place', 'tags_above', 'tags_note']);
  expect(await archivesLeft(db)).toEqual([]);
});
afterAll(() => db?.drop());

async function unvalidated(): Promise<string[]> {
  const { rows: keys } = await db.admin.query<{ name: string }>(
    `SELECT conname AS name FROM pg_constraint WHERE contype = 'f' AND NOT convalidated ORDER BY 1`,
  );
  return keys.map(({ name }) => name);
}

/** Past all keys, as it once may have been written. */
async function unchecked(sql: string): Promise<void> {
  await db.admin.query(`SET session_replication_role = replica; ${sql}; RESET session_replication_role`);
}

async function maySilence(may: boolean): Promise<void> {
  const role = ident(db.role);
  await db.admin.query(
    may
      ? `GRANT SET ON PARAMETER session_replication_role TO ${role}`
      : `REVOKE SET ON PARAMETER session_replication_role FROM ${role}`,
  );
}

const restorable = async (engine: Engine) => (await engine.status(TENANT, job.jobId)).restorable;

describe('rows that referred to nothing, by keys that are NOT VALID', () => {
  it('are told to whoever asks what would go, by key and number', async () => {
    const { findings } = await db.engine().preview(TENANT);
    const told = findings.filter(({ code }) => code === 'orphan_rows');
    expect(told.map(({ table, message }) => [table, message.split(',')[0]])).toEqual([
      ['small.notes', '2 rows refer in small.notes by notes_topic'],
      ['small.stays', '6 rows refer in small.stays by stays_place'],
      ['small.tags', '4 rows refer in small.tags by tags_above'],
      ['small.tags', '4 rows refer in small.tags by tags_note'],
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
        ...shop,
        tables: { ...shop.tables, 'small.tags': { action: 'delete', triggers: 'suppress' } },
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
    await unchecked(rows(TENANT, 0).replace(/;$/, ''));
  });
});

describe('a row that had its parent when it went', () => {
  it.each(WAYS)('is a conflict without it, beside orphans of the same key (%s)', async (_, limits) => {
    const engine = db.engine(limits);
    await reach(engine, job, 'staged');
    await unchecked(`DELETE FROM small.places`);
    expect(await restorable(engine)).toEqual({
      possible: false,
      reasons: [
        expect.stringMatching(
          /^small.stays: 6 rows cannot come back: the rows of small.places .* stays_place/,
        ),
      ],
    });
    expect(await engine.conflicts(TENANT, job.jobId)).toMatchObject([
      { table: 'small.stays', rows: 6, keys: expect.arrayContaining([{ id: '2' }, { id: '12' }]) },
    ]);
    await expect(ask(engine, job, 'restored')).rejects.toMatchObject({
      code: 'restore_conflict',
      facts: { table: 'small.stays' },
      message: expect.stringContaining('6 rows cannot come back'),
    });
    await db.admin.query(`INSERT INTO small.places SELECT 'north ' || g, 1 FROM generate_series(1, 12) g`);
    await reach(engine, job, 'restored');
  });
});

describe('a parent that goes between two chunks', () => {
  const step = (engine: Engine, target: 'staged' | 'restored') =>
    ask(engine, job, target, { timeBudgetMs: 0 });

  it('makes orphans of those that go after it, and a conflict of those that went before', async () => {
    const engine = db.engine(TINY);
    const left = async () => {
      const { rows: found } = await db.admin.query<{ area: string }>(
        `SELECT area FROM small.stays WHERE tenant_id = '${TENANT}' AND area LIKE 'north %'`,
      );
      return found.map(({ area }) => area);
    };
    const all = await left();
    await until(async () => (await step(engine, 'staged')) && (await left()).length < all.length, {
      what: 'a chunk of stays',
    });
    const stay = await left();
    expect(stay).not.toEqual([]);
    const gone = all.find((area) => !stay.includes(area));
    await unchecked(`DELETE FROM small.places WHERE area IN ('${gone}', '${stay[0]}')`);
    await reach(engine, job, 'staged');
    expect((await restorable(engine))?.reasons).toEqual([
      expect.stringMatching('^small.stays: 1 row cannot come back: the rows of small.places'),
    ]);
    await db.admin.query(`INSERT INTO small.places VALUES ('${gone}', 1)`);
    await reach(engine, job, 'restored');
    await db.admin.query(`INSERT INTO small.places VALUES ('${stay[0]}', 1)`);
  });

  it('is missed also on the way back, by orphans of another key', async () => {
    const engine = db.engine(TINY);
    await reach(engine, job, 'staged');
    await until(async () => (await step(engine, 'restored')).rowsDone > 0, { what: 'a row to be back' });
    expect(await countRows(db.admin, `small.tags WHERE tenant_id = '${TENANT}'`)).toBe(0);
    await unchecked('DELETE FROM small.topics WHERE id = 8');
    await expect(reach(engine, job, 'restored')).rejects.toMatchObject({
      code: 'restore_conflict',
      message: expect.stringMatching(/small.tags: .* small.topics .* What is not back yet is in the archive/),
    });
    await db.admin.query('INSERT INTO small.topics VALUES (8)');
    await reach(engine, job, 'restored');
  });
});

describe('an orphan', () => {
  it.each(WAYS)('of one key is a conflict where what another refers to is gone (%s)', async (_, limits) => {
    const engine = db.engine(limits);
    await reach(engine, job, 'staged');
    // Orphans alone refer to it, so that no trigger of a key looks.
    await unchecked('DELETE FROM small.topics WHERE id = 8');
    expect(await restorable(engine)).toMatchObject({ possible: false });
    await expect(ask(engine, job, 'restored')).rejects.toMatchObject({
      code: 'restore_conflict',
      message: expect.stringMatching(/small.tags: 2 rows cannot come back: the rows of small.topics/),
    });
    await db.admin.query('INSERT INTO small.topics VALUES (8)');
    await reach(engine, job, 'restored');
  });

  it('holds what else it refers to until it is back', async () => {
    const engine = db.engine();
    await reach(engine, job, 'staged');
    const writer = await db.connect();
    await writer.query(
      'BEGIN; SET LOCAL session_replication_role = replica; DELETE FROM small.topics WHERE id = 8',
    );
    const restoring = ask(engine, job, 'restored').then(
      () => 'restored',
      (error: { code: string }) => error.code,
    );
    await untilBlocked(db, job);
    await writer.query('COMMIT');
    expect(await restoring).toBe('restore_conflict');
    await db.admin.query('INSERT INTO small.topics VALUES (8)');
    await reach(engine, job, 'restored');
  });

  it.each(WAYS)('does not come back under a key that was validated since (%s)', async (_, limits) => {
    const engine = db.engine(limits);
    await db.admin.query(`CREATE TABLE public.aside AS SELECT * FROM small.stays WHERE id > 1000;
      DELETE FROM small.stays WHERE id > 1000`);
    await reach(engine, job, 'staged');
    await db.admin.query('ALTER TABLE small.stays VALIDATE CONSTRAINT stays_place');
    expect((await restorable(engine))?.reasons).toEqual([
      expect.stringMatching(/^small.stays: 6 rows cannot .* validated since: drop it/),
    ]);
    await expect(ask(engine, job, 'restored')).rejects.toMatchObject({
      code: 'restore_conflict',
      facts: { table: 'small.stays' },
    });
    await db.admin.query(`ALTER TABLE small.stays DROP CONSTRAINT stays_place;
      INSERT INTO small.stays SELECT * FROM public.aside; DROP TABLE public.aside;
      ALTER TABLE small.stays ADD CONSTRAINT stays_place FOREIGN KEY (area, n) REFERENCES small.places MATCH FULL NOT VALID`);
    await reach(engine, job, 'restored');
  });

  it('that is on its way back is seen by whoever validates the key', async () => {
    const engine = db.engine();
    await unchecked('UPDATE small.tags SET note = 1001 WHERE id BETWEEN 1001 AND 1004');
    await reach(engine, job, 'staged');
    const [holder, validator] = [await db.connect(), await db.connect()];
    await holder.query('BEGIN; SELECT FROM small.topics WHERE id = 8 FOR UPDATE');
    const restoring = ask(engine, job, 'restored');
    await untilBlocked(db, job);
    const validating = validator
      .query('ALTER TABLE small.tags VALIDATE CONSTRAINT tags_note')
      .catch((error: { code: string }) => error.code);
    await untilWaiting(db, validator);
    await holder.query('ROLLBACK');
    expect((await restoring).state).toBe('restored');
    expect(await validating).toBe('23503');
    await unchecked('UPDATE small.tags SET note = 9000 WHERE id BETWEEN 1001 AND 1004');
  });

  it('waits in the archive while the role may not turn triggers off any more, and says so', async () => {
    const engine = db.engine();
    await reach(engine, job, 'staged');
    await maySilence(false);
    expect([...((await restorable(engine))?.reasons ?? [])].sort()).toEqual(
      ['notes: 2', 'stays: 6', 'tags: 6'].map((rows) =>
        expect.stringMatching(`^small.${rows} rows cannot .* session_replication_role`),
      ),
    );
    await expect(ask(engine, job, 'restored')).rejects.toMatchObject({ code: 'restore_conflict' });
    await maySilence(true);
    expect(await restorable(engine)).toEqual({ possible: true, reasons: [] });
    await reach(engine, job, 'restored');
  });

  it('does not slip past a unique constraint that was made deferrable since', async () => {
    const engine = db.engine();
    await reach(engine, job, 'staged');
    await db.admin.query('ALTER TABLE small.tags ADD CONSTRAINT late UNIQUE (id) DEFERRABLE');
    expect((await restorable(engine))?.reasons).toEqual([
      expect.stringMatching(/^small.tags: 6 rows cannot .* deferrable/),
    ]);
    await expect(ask(engine, job, 'restored')).rejects.toMatchObject({ code: 'restore_conflict' });
    await db.admin.query('ALTER TABLE small.tags DROP CONSTRAINT late');
    await reach(engine, job, 'restored');
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
    expect(await checksums(db.admin, shop)).toEqual(before);
    await reach(engine, job, 'restored');
    job = newJob(TENANT);
  }

  it.each(WAYS)('are refused before anything moves, with the obstacle (%s)', async (_, limits) => {
    const engine = db.engine(limits);
    const role = ident(db.role);
    await maySilence(false);
    await expectRefused(engine, 'small.notes', /^2 of .* session_replication_role/);
    await maySilence(true);
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
    await maySilence(false);
    const engine = db.engine();
    expect((await reach(engine, other, 'staged')).rowsDone).toBe(1);
    expect(await archivesLeft(db)).toHaveLength(1);
    await reach(engine, other, 'restored');
    await maySilence(true);
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
    const sums = await checksums(db.admin, shop);
    await maySilence(false);
    const engine = db.engine();
    await reach(engine, other, 'staged');
    expect(await archivesLeft(db)).toHaveLength(1);
    expect((await engine.status(other.tenantId, other.jobId)).restorable).toEqual({
      possible: true,
      reasons: [],
    });
    await reach(engine, other, 'restored');
    expect(await checksums(db.admin, shop)).toEqual(sums);
    await maySilence(true);
    await db.admin.query(
      'ALTER TABLE small.accounts DROP CONSTRAINT loose; DELETE FROM small.accounts WHERE id = 5000',
    );
  });

  it('include half a key of MATCH FULL, which is no orphan', async () => {
    await unchecked('UPDATE small.stays SET n = NULL WHERE id = 1');
    await expect(reach(db.engine(), job, 'staged')).rejects.toMatchObject({
      code: 'plan_refused',
      message: expect.stringMatching(/^1 of .* break "?stays_place/),
    });
    await reach(db.engine(), job, 'restored');
    await unchecked('UPDATE small.stays SET n = 1 WHERE id = 1');
  });
});
