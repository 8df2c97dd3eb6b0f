import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Declaration } from '../../../erasure/declaration.js';
import { createEngine } from '../../../erasure/engine.js';
import type { Engine } from '../../../erasure/engine-types.js';
import { ident } from '../../../erasure/quote.js';
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
} from '../../support/erasure.js';
import { NEIGHBOUR, SMALL_SQL, SMALL_TOTAL, smallRows, smallShop, TENANT } from './small-shop.js';

// An audit trigger that writes what goes into a table of the tenant's, which is moved before; and a counter in the parent.
const TRIGGERS = `
CREATE TABLE small.trail (tenant_id uuid NOT NULL, said text);
ALTER TABLE small.accounts ADD invoices int NOT NULL DEFAULT 0;
CREATE FUNCTION small.audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO small.trail VALUES (COALESCE(NEW.tenant_id, OLD.tenant_id), TG_OP); RETURN COALESCE(NEW, OLD); END $$;
CREATE FUNCTION small.counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  UPDATE small.accounts SET invoices = invoices + CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END
   WHERE id = COALESCE(NEW.account_id, OLD.account_id);
  RETURN COALESCE(NEW, OLD); END $$;`;
const ON = `
CREATE TRIGGER audit AFTER INSERT OR DELETE ON small.notes FOR EACH ROW EXECUTE FUNCTION small.audit();
CREATE TRIGGER counted AFTER INSERT OR DELETE ON small.invoices FOR EACH ROW EXECUTE FUNCTION small.counted();`;

function shop(triggers: 'suppress' | 'fire'): Declaration {
  return {
    ...smallShop,
    tables: {
      ...smallShop.tables,
      'small.trail': { action: 'delete' },
      'small.notes': { action: 'delete', triggers },
      'small.invoices': { action: 'delete', triggers },
    },
  };
}

let db: ErasureDatabase;
let engine: Engine;
let job: Job;
let before: Record<string, string>;

const engineOf = (declaration: Declaration, limits = {}) =>
  createEngine({
    databaseUrl: db.database.urlFor(db.role),
    declaration,
    limits: { lockTimeoutMs: 2_000, longestTransactionMs: 30_000, ...limits },
  });

beforeAll(async () => {
  db = await createErasureDatabase({
    declaration: shop('suppress'),
    schema: SMALL_SQL + TRIGGERS,
    fast: true,
  });
  engine = db.engine();
  await db.admin.query(smallRows(NEIGHBOUR, 1000));
  await db.admin.query(smallRows(TENANT, 0));
  await db.admin.query('UPDATE small.accounts SET invoices = 2');
  await db.admin.query(`INSERT INTO small.trail SELECT '${TENANT}', 'before' FROM generate_series(1, 3)`);
  await db.admin.query(ON);
});
beforeEach(async () => {
  job = newJob(TENANT);
  before = await checksums(db.admin, smallShop);
});
afterAll(() => db?.drop());

describe('triggers that write what goes into a table, and change a parent', () => {
  it('leave the values behind and are not undone, where a person lets them fire', async () => {
    const loud = engineOf(shop('fire'));
    const { findings } = await loud.preview(TENANT);
    expect(findings.map(({ code }) => code)).toContain('trigger_fires');
    await loud.close();
    // What a plain DELETE does.
    await db.admin.query(`BEGIN; DELETE FROM small.trail WHERE tenant_id = '${TENANT}';
      DELETE FROM small.notes WHERE tenant_id = '${TENANT}'`);
    expect(await countRows(db.admin, `small.trail WHERE tenant_id = '${TENANT}'`)).toBe(5);
    await db.admin.query('ROLLBACK');
  });

  it('need a role that may look up and lock what rows refer to that come back', async () => {
    const { findings } = await engine.preview(TENANT);
    expect(findings).toContainEqual(
      expect.objectContaining({ code: 'privilege_missing', table: 'small.topics', privilege: 'UPDATE' }),
    );
    await db.admin.query(`GRANT UPDATE ON small.topics TO ${ident(db.role)}`);
    const now = await engine.preview(TENANT);
    expect(now.findings.filter(({ severity }) => severity === 'refusal')).toEqual([]);
    expect(now.findings.map(({ code }) => code)).toContain('trigger_suppressed');
  });

  it.each([
    ['at once', {}],
    ['in chunks', { singleTransactionRows: 0, chunkMs: 1 }],
  ])('do not fire where they are suppressed: the restore is exact (%s)', async (_, limits) => {
    const own = engineOf(shop('suppress'), limits);
    expect((await reach(own, job, 'staged')).rowsDone).toBe(SMALL_TOTAL + 3);
    expect(await countRows(db.admin, `small.trail WHERE tenant_id = '${TENANT}'`)).toBe(0);
    await reach(own, job, 'restored');
    expect(await checksums(db.admin, smallShop)).toEqual(before);
    await own.close();
  });

  it('do not fire for a row that comes while rows are moved', async () => {
    const writer = await db.connect();
    await writer.query('BEGIN');
    await writer.query('SELECT FROM small.invoices WHERE id = 12 FOR KEY SHARE');
    const staging = ask(engine, job, 'staged');
    await untilBlocked(db, job);
    await writer.query(`INSERT INTO small.lines VALUES (12, 77, 'late'); COMMIT`);
    await staging;
    expect((await reach(engine, job, 'staged')).rowsDone).toBe(SMALL_TOTAL + 4);
    expect(await countRows(db.admin, 'small.trail')).toBe(0);
    await reach(engine, job, 'restored');
    await db.admin.query('DELETE FROM small.lines WHERE line = 77');
    expect(await checksums(db.admin, smallShop)).toEqual(before);
  });

  it('keep nothing from being checked: a row that is referred to and gone is a conflict', async () => {
    await reach(engine, job, 'staged');
    await db.admin.query('UPDATE small.notes SET topic = 8; DELETE FROM small.topics WHERE id = 7');
    await expect(ask(engine, job, 'restored')).rejects.toMatchObject({
      code: 'restore_conflict',
      facts: { table: 'small.notes' },
    });
    await db.admin.query('INSERT INTO small.topics VALUES (7); UPDATE small.notes SET topic = 7');
    await reach(engine, job, 'restored');
    expect(await checksums(db.admin, smallShop)).toEqual(before);
  });

  it('and hold what is referred to until the restore has committed', async () => {
    await reach(engine, job, 'staged');
    const writer = await db.connect();
    await writer.query('BEGIN; UPDATE small.notes SET topic = 8; DELETE FROM small.topics WHERE id = 7');
    const restoring = ask(engine, job, 'restored').then(
      () => 'restored',
      (error: { code: string }) => error.code,
    );
    await untilBlocked(db, job);
    await writer.query('COMMIT');
    expect(await restoring).toBe('restore_conflict');
    await db.admin.query('INSERT INTO small.topics VALUES (7); UPDATE small.notes SET topic = 7');
    await reach(engine, job, 'restored');
    expect(await checksums(db.admin, smallShop)).toEqual(before);
  });

  it('refuse a role that may not turn them off, before and after', async () => {
    await db.admin.query(`REVOKE SET ON PARAMETER session_replication_role FROM ${ident(db.role)}`);
    const { findings } = await engine.preview(TENANT);
    expect(findings.filter(({ code }) => code === 'trigger_not_suppressible')).toHaveLength(2);
    await expect(ask(engine, job, 'staged')).rejects.toMatchObject({ code: 'plan_refused' });
    expect(await checksums(db.admin, smallShop)).toEqual(before);
    await db.admin.query(`GRANT SET ON PARAMETER session_replication_role TO ${ident(db.role)}`);
    job = newJob(TENANT);
    await reach(engine, job, 'staged');
    await db.admin.query(`REVOKE SET ON PARAMETER session_replication_role FROM ${ident(db.role)}`);
    await expect(ask(engine, job, 'restored')).rejects.toMatchObject({ code: 'privilege_missing' });
    await db.admin.query(`GRANT SET ON PARAMETER session_replication_role TO ${ident(db.role)}`);
    await reach(engine, job, 'restored');
    expect(await checksums(db.admin, smallShop)).toEqual(before);
  });

  it('do not fire when rows go for good without having been staged', async () => {
    const neighbours = await checksum(
      db.admin,
      `(SELECT * FROM small.accounts WHERE tenant_id = '${NEIGHBOUR}')`,
    );
    await reach(engine, job, 'purged');
    expect(await countRows(db.admin, 'small.trail')).toBe(0);
    expect(await engine.verify(TENANT, job.jobId)).toMatchObject({ clean: true, rowsLeft: 0 });
    expect(await archivesLeft(db)).toEqual([]);
    expect(await checksum(db.admin, `(SELECT * FROM small.accounts WHERE tenant_id = '${NEIGHBOUR}')`)).toBe(
      neighbours,
    );
  });
});
