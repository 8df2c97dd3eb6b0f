import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Declaration } from '../../../erasure/declaration.js';
import type { Engine, Target } from '../../../erasure/engine-types.js';
import { ident } from '../../../erasure/quote.js';
import { until } from '../../support/conditions.js';
import {
  ask,
  checksum,
  checksums,
  createErasureDatabase,
  type ErasureDatabase,
  type Job,
  newJob,
  reach,
  untilBlocked,
} from '../../support/erasure.js';
import { withSuperuser } from '../../support/test-databases.js';
import { NEIGHBOUR, SMALL_SQL, smallRows, smallShop, TENANT } from './small-shop.js';

// Two names that are one where 63 bytes are cut to fewer, and types whose text depends on a session's settings.
const LONG = 'x'.repeat(62);
const MORE_SQL = `
CREATE TYPE small.mood AS ENUM ('fresh', 'stale');
CREATE DOMAIN small.price AS money; CREATE DOMAIN small.part AS xml;
CREATE TABLE small.values (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id uuid NOT NULL, mood small.mood,
  moods small.mood[], price small.price, part small.part, at timestamptz, took interval, ratio float8, raw bytea, day date);
CREATE TABLE small."${LONG}1" (tenant_id uuid NOT NULL, n int);
CREATE TABLE small."${LONG}2" (tenant_id uuid NOT NULL, n int);`;

function moreRows(tenantId: string): string {
  return `
  INSERT INTO small.values (tenant_id, mood, moods, price, part, at, took, ratio, raw, day) VALUES
    ('${tenantId}', 'stale', '{fresh,NULL}', 1.5::numeric::money, XMLPARSE(CONTENT 'a<b/>'), '2026-03-04 05:06:07.891+02',
     '1 mon -2 days 03:04:05', 0.1, '\\x00ff27', '2026-02-03'),
    ('${tenantId}', NULL, NULL, NULL, NULL, 'infinity', NULL, 'NaN', '', '-infinity');
  INSERT INTO small."${LONG}1" SELECT '${tenantId}', n FROM generate_series(1, 3) n;
  INSERT INTO small."${LONG}2" SELECT '${tenantId}', n FROM generate_series(1, 4) n;`;
}

const shop: Declaration = {
  ...smallShop,
  tables: {
    ...smallShop.tables,
    'small.values': { action: 'delete' },
    [`small.${LONG}1`]: { action: 'delete' },
    [`small.${LONG}2`]: { action: 'delete' },
  },
};

let db: ErasureDatabase;
let engine: Engine;
let job: Job;
let before: Record<string, string>;

beforeAll(async () => {
  db = await createErasureDatabase({ declaration: shop, schema: SMALL_SQL + MORE_SQL, fast: true });
  engine = db.engine();
  for (const [tenant, from] of [
    [NEIGHBOUR, 1000],
    [TENANT, 0],
  ] as const) {
    await db.admin.query(smallRows(tenant, from));
    await db.admin.query(moreRows(tenant));
  }
  // A fault of the server's wherever the engine makes or drops an archive.
  await db.admin.query(`
    CREATE TABLE public.fault (sqlstate text);
    CREATE FUNCTION public.fail() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    DECLARE wanted text := (SELECT f.sqlstate FROM public.fault f);
    BEGIN
      IF wanted IS NOT NULL AND current_setting('application_name') LIKE 'lethe %' THEN
        RAISE EXCEPTION 'injected' USING ERRCODE = wanted;
      END IF;
    END $$`);
});
beforeEach(async () => {
  job = newJob(TENANT);
  before = await checksums(db.admin, shop);
});
afterAll(() => db?.drop());

describe('a server that fails', () => {
  const fault = (sqlstate: string, at: 'CREATE TABLE' | 'DROP TABLE') =>
    db.admin.query(`DELETE FROM public.fault; INSERT INTO public.fault VALUES ('${sqlstate}');
      CREATE EVENT TRIGGER fails ON ddl_command_start WHEN TAG IN ('${at}') EXECUTE FUNCTION public.fail()`);
  const noFault = () => db.admin.query('DROP EVENT TRIGGER IF EXISTS fails');
  afterEach(() => noFault());
  /** Short requests, of which the first may not come far, until one fails. */
  const failureOf = (of: Job, target: Target) =>
    until(
      () =>
        ask(engine, of, target, { timeBudgetMs: 200 }).then(
          () => null,
          (error: unknown) => error,
        ),
      { what: 'a request that fails', everyMs: 1 },
    );

  it.each([
    ['has no space on the disk', '53100'],
    ['has no room for a lock', '53200'],
    ['has no memory', '53000'],
    ['shuts down', '57P01'],
    ['is starting up', '57P03'],
    ['loses a connection of its own', '08006'],
  ])('because it %s keeps nothing of it, and the job goes on from there (%s)', async (_, sqlstate) => {
    const busy = /^database_(busy|unavailable)$/;
    await fault(sqlstate, 'CREATE TABLE');
    expect(await failureOf(job, 'staged')).toMatchObject({
      code: expect.stringMatching(busy),
      facts: { sqlstate },
    });
    expect(await checksums(db.admin, shop)).toEqual(before);
    await noFault();
    await reach(engine, job, 'staged');
    const staged = await checksums(db.admin, shop);
    await fault(sqlstate, 'DROP TABLE');
    expect(await failureOf(job, 'restored')).toMatchObject({ code: expect.stringMatching(busy) });
    expect(await checksums(db.admin, shop)).toEqual(staged);
    expect((await engine.status(TENANT, job.jobId)).state).toBe('restoring');
    await noFault();
    await reach(engine, job, 'restored');
    expect(await checksums(db.admin, shop)).toEqual(before);
  });

  it('at the purge keeps the archive, and the purge is done when it is asked for again', async () => {
    const neighbour = { ...job, tenantId: NEIGHBOUR };
    await reach(engine, neighbour, 'staged');
    await fault('53100', 'DROP TABLE');
    expect(await failureOf(neighbour, 'purged')).toMatchObject({ code: 'database_busy' });
    expect((await engine.status(NEIGHBOUR, neighbour.jobId)).state).toBe('purging');
    await noFault();
    await reach(engine, neighbour, 'purged');
    expect(await engine.verify(NEIGHBOUR, neighbour.jobId)).toMatchObject({ clean: true, rowsLeft: 0 });
    expect((await ask(engine, { ...job }, 'restored')).state).toBe('restored');
    await db.admin.query(
      'DELETE FROM lethe_small.tenant_tombstones; DELETE FROM lethe_small.deletion_ledger',
    );
    await db.admin.query(smallRows(NEIGHBOUR, 1000));
    await db.admin.query(moreRows(NEIGHBOUR));
  });

  it('by an event trigger that forbids new tables says so, and what was begun is taken back', async () => {
    await fault('P0001', 'CREATE TABLE');
    await expect(ask(engine, job, 'staged')).rejects.toMatchObject({ code: 'database_error' });
    await reach(engine, job, 'restored');
    expect(await checksums(db.admin, shop)).toEqual(before);
  });

  it('because it takes no connections for a while is asked again', async () => {
    const own = db.engine({ poolSize: 1 });
    const server = await db.connect();
    const other = db.database.url.replace(/\/[^/]*$/, '/postgres');
    await withSuperuser(other, async (client) => {
      await client.query(`ALTER DATABASE ${ident(db.database.name)} WITH ALLOW_CONNECTIONS false`);
      await expect(own.preview(TENANT)).rejects.toMatchObject({ code: 'database_unavailable' });
      await client.query(`ALTER DATABASE ${ident(db.database.name)} WITH ALLOW_CONNECTIONS true`);
    });
    await server.query('SELECT 1');
    expect((await own.preview(TENANT)).totalRows).toBeGreaterThan(0);
  });

  it('because it has no connection left is asked again', async () => {
    const late = db.engine({ poolSize: 1 });
    await db.admin.query(`ALTER ROLE ${ident(db.role)} CONNECTION LIMIT 0`);
    await expect(late.preview(TENANT)).rejects.toMatchObject({
      code: 'database_busy',
      facts: { sqlstate: '53300' },
    });
    await db.admin.query(`ALTER ROLE ${ident(db.role)} CONNECTION LIMIT -1`);
    await reach(late, job, 'staged');
    await reach(late, job, 'restored');
    expect(await checksums(db.admin, shop)).toEqual(before);
  });

  it('because two wait for each other lets the engine try again, and loses nothing of either', async () => {
    const writer = await db.connect();
    await writer.query(
      `SET deadlock_timeout = '20s'; BEGIN; UPDATE small.accounts SET name = name WHERE id = 1`,
    );
    const staging = ask(engine, job, 'staged');
    await untilBlocked(db, job);
    const waiting = writer.query(`UPDATE small.lines SET what = 'cake' WHERE invoice_id = 1`);
    // The engine gives way, so that the writer gets what it waited for.
    await waiting;
    await writer.query('COMMIT');
    await staging;
    await reach(engine, job, 'staged');
    await reach(engine, job, 'restored');
    await db.admin.query(`UPDATE small.lines SET what = 'bread' WHERE invoice_id = 1 AND what = 'cake'`);
    expect(await checksums(db.admin, shop)).toEqual(before);
  });
});

describe('a database that is set up in an unusual way', () => {
  const UNUSUAL = {
    DateStyle: "'SQL, DMY'",
    IntervalStyle: 'sql_standard',
    TimeZone: "'Asia/Kolkata'",
    extra_float_digits: '-15',
    bytea_output: 'escape',
    array_nulls: 'off',
    xmloption: 'document',
    transform_null_equals: 'on',
    default_transaction_isolation: 'serializable',
    default_transaction_read_only: 'on',
    statement_timeout: "'1s'",
    search_path: 'small',
    standard_conforming_strings: 'off',
    row_security: 'on',
    session_replication_role: 'origin',
    synchronous_commit: 'off',
  };

  it('gives every value back as it was', async () => {
    const name = ident(db.database.name);
    for (const [setting, value] of Object.entries(UNUSUAL))
      await db.admin.query(`ALTER DATABASE ${name} SET ${setting} = ${value}`);
    const own = db.engine();
    try {
      await reach(own, job, 'staged');
      await db.admin.query(
        `ALTER DATABASE ${name} SET DateStyle = 'German'; ALTER DATABASE ${name} SET IntervalStyle = 'iso_8601'`,
      );
      const another = db.engine();
      await reach(another, job, 'restored');
    } finally {
      for (const setting of Object.keys(UNUSUAL))
        await db.admin.query(`ALTER DATABASE ${name} RESET ${setting}`);
    }
    expect(await checksums(db.admin, shop)).toEqual(before);
  });
});

describe('two tenants at once', () => {
  it('of a database whose tables have names as long as can be do not share an archive', async () => {
    const other = newJob(NEIGHBOUR);
    await Promise.all([reach(engine, job, 'staged'), reach(db.engine(), other, 'staged')]);
    const none = `(SELECT * FROM small."${LONG}1" UNION ALL SELECT * FROM small."${LONG}2")`;
    expect(await checksum(db.admin, none)).toBe('0 ');
    await Promise.all([reach(engine, other, 'restored'), reach(db.engine(), job, 'restored')]);
    expect(await checksums(db.admin, shop)).toEqual(before);
  });
});

describe('a schema that is migrated while the tenant is away', () => {
  it('has its enum replaced without hindrance, and a column made wider; the rows come back as they are now', async () => {
    await reach(engine, job, 'staged');
    await db.admin.query(`
      ALTER TYPE small.mood RENAME TO mood_old; CREATE TYPE small.mood AS ENUM ('stale', 'fresh', 'burnt');
      ALTER TABLE small.values ALTER mood TYPE small.mood USING mood::text::small.mood,
        ALTER moods TYPE small.mood[] USING moods::text::small.mood[];
      DROP TYPE small.mood_old; ALTER TABLE small.invoices ALTER total TYPE numeric(20,2)`);
    expect((await engine.status(TENANT, job.jobId)).restorable).toEqual({ possible: true, reasons: [] });
    await reach(engine, job, 'restored');
    await db.admin.query('ALTER TABLE small.invoices ALTER total TYPE int');
    expect(await checksums(db.admin, shop)).toEqual(before);
  });

  it.each([
    [
      'has a type without a value that comes back',
      `ALTER TABLE small.values ALTER mood TYPE text; ALTER TABLE small.values ALTER moods TYPE text[] USING moods::text[];
       DROP TYPE small.mood; CREATE TYPE small.mood AS ENUM ('fresh');
       ALTER TABLE small.values ALTER mood TYPE small.mood USING NULLIF(mood, 'stale')::small.mood`,
      `ALTER TYPE small.mood ADD VALUE 'stale'`,
    ],
    [
      'has no partition any more for rows that come back',
      'ALTER TABLE small.visits DETACH PARTITION small.visits_2',
      `ALTER TABLE small.visits ATTACH PARTITION small.visits_2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')`,
    ],
    [
      'has another table under the name of an old one',
      'ALTER TABLE small.notes RENAME TO notes_old; CREATE TABLE small.notes (LIKE small.notes_old INCLUDING ALL)',
      'DROP TABLE small.notes; ALTER TABLE small.notes_old RENAME TO notes',
    ],
    [
      'has a narrower column',
      'ALTER TABLE small.notes ALTER body TYPE varchar(2) USING left(body, 2)',
      'ALTER TABLE small.notes ALTER body TYPE text',
    ],
    [
      'may not be written to by the role any more',
      'REVOKE INSERT ON small.notes FROM THE ROLE',
      'GRANT INSERT ON small.notes TO THE ROLE',
    ],
    [
      'hides rows from the role',
      'ALTER TABLE small.notes ENABLE ROW LEVEL SECURITY',
      'ALTER TABLE small.notes DISABLE ROW LEVEL SECURITY',
    ],
  ])('and %s keeps the archive until that is mended', async (_, change, mend) => {
    const own = async () => {
      const sums = [];
      for (const table of ['values', 'notes', 'visits', 'accounts'])
        sums.push(await checksum(db.admin, `(SELECT * FROM small.${table} WHERE tenant_id = '${TENANT}')`));
      return sums;
    };
    const asItWas = await own();
    await reach(engine, job, 'staged');
    await db.admin.query(change.replace('THE ROLE', ident(db.role)));
    await expect(ask(engine, job, 'restored')).rejects.toMatchObject({
      name: 'EngineError',
      code: expect.stringMatching(/^(restore_conflict|privilege_missing)$/),
    });
    expect((await engine.status(TENANT, job.jobId)).state).toBe('restoring');
    await db.admin.query(mend.replace('THE ROLE', ident(db.role)));
    await reach(engine, job, 'restored');
    expect(await own()).toEqual(asItWas);
  });
});
