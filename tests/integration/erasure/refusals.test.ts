import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../../erasure/engine-types.js';
import {
  archivesLeft,
  ask,
  checksums,
  countRows,
  createErasureDatabase,
  type ErasureDatabase,
  type Job,
  newJob,
  reach,
  untilBlocked,
  untilItWaits,
} from '../../support/erasure.js';
import { NEIGHBOUR, SMALL_SQL, smallRows, smallShop, TENANT } from './small-shop.js';

const declaration = {
  ...smallShop,
  tables: {
    ...smallShop.tables,
    'small.likes': { action: 'delete' as const },
    'small.guarded': { action: 'delete' as const, triggers: 'fire' as const },
  },
};

let db: ErasureDatabase;
let engine: Engine;
let job: Job;
let before: Record<string, string>;

beforeAll(async () => {
  db = await createErasureDatabase({
    declaration,
    schema: `${SMALL_SQL}
      CREATE TABLE small.guarded (id int PRIMARY KEY, tenant_id uuid NOT NULL, ref int REFERENCES small.topics);
      CREATE TABLE small.likes (id int PRIMARY KEY, note int NOT NULL REFERENCES small.notes ON DELETE CASCADE, tenant_id uuid NOT NULL);`,
  });
  engine = db.engine();
  await db.admin.query(smallRows(NEIGHBOUR, 1000));
  await db.admin.query(smallRows(TENANT, 0));
});
beforeEach(async () => {
  job = newJob(TENANT);
  before = await checksums(db.admin, smallShop);
});
afterAll(() => db?.drop());

async function expectUntouched(): Promise<void> {
  expect(await checksums(db.admin, smallShop)).toEqual(before);
  expect(await archivesLeft(db)).toEqual([]);
}

describe('a privilege', () => {
  it('that is missing is named before anything is touched, and the job works once it is granted', async () => {
    await db.admin.query(`REVOKE DELETE ON small.notes FROM ${db.role}`);
    await expect(ask(engine, job, 'staged')).rejects.toMatchObject({
      code: 'privilege_missing',
      facts: { table: 'small.notes', privilege: 'DELETE' },
    });
    expect((await engine.status(TENANT, job.jobId)).state).toBe('absent');
    expect(await countRows(db.admin, 'lethe_small.tenant_tombstones')).toBe(0);
    await expectUntouched();
    await db.admin.query(`GRANT DELETE ON small.notes TO ${db.role}`);
    await reach(engine, job, 'staged');
    await reach(engine, job, 'restored');
    await expectUntouched();
  });

  it('that was revoked after the check ends the stage, and what was begun is taken back', async () => {
    const holder = await db.connect();
    await holder.query('BEGIN');
    await holder.query('LOCK TABLE small.accounts IN SHARE MODE');
    const staging = ask(engine, job, 'staged');
    staging.catch(() => undefined);
    await untilBlocked(db, job);
    await db.admin.query(`REVOKE DELETE, UPDATE ON small.visits FROM ${db.role}`);
    await holder.query('ROLLBACK');
    await expect(staging).rejects.toMatchObject({
      code: 'privilege_missing',
      facts: { table: 'small.visits', privilege: 'DELETE' },
    });
    expect((await ask(engine, job, 'restored')).state).toBe('restored');
    await expectUntouched();
    await db.admin.query(`GRANT DELETE, UPDATE ON small.visits TO ${db.role}`);
  });

  it('that row-level security takes is a refusal, not a clean count', async () => {
    await db.admin.query('ALTER TABLE small.notes ENABLE ROW LEVEL SECURITY');
    await expect(ask(engine, job, 'staged')).rejects.toMatchObject({ name: 'EngineError' });
    await expect(engine.verify(TENANT, null)).rejects.toMatchObject({ name: 'EngineError' });
    await expectUntouched();
    await db.admin.query('ALTER TABLE small.notes DISABLE ROW LEVEL SECURITY');
  });
});

describe('a plan', () => {
  it('that is not the one that was shown is drift', async () => {
    const { planHash } = await engine.preview(TENANT);
    await db.admin.query('ALTER TABLE small.notes ADD mood text');
    await expect(ask(engine, job, 'staged', { planHash })).rejects.toMatchObject({ code: 'plan_drift' });
    await db.admin.query('ALTER TABLE small.notes DROP mood');
    await expectUntouched();
  });

  it('that changes between move and sweep is drift, and the restore still works', async () => {
    const writer = await db.connect();
    await writer.query(`BEGIN; INSERT INTO small.notes VALUES (900, '${TENANT}', 'late')`);
    expect((await untilItWaits(engine, job, 'staged')).state).toBe('staging');
    await writer.query('ROLLBACK');
    const { planHash } = await engine.status(TENANT, job.jobId);
    await db.admin.query('ALTER TABLE small.notes ADD mood text');
    await expect(ask(engine, job, 'staged', { planHash: planHash ?? '' })).rejects.toMatchObject({
      code: 'plan_drift',
    });
    expect((await ask(engine, job, 'restored')).state).toBe('restored');
    await db.admin.query('ALTER TABLE small.notes DROP mood');
    await expectUntouched();
  });
});

describe('rows', () => {
  it('of somebody else that refer to the tenant are a conflict, and nothing is touched', async () => {
    await db.admin.query(`INSERT INTO small.likes VALUES (1, 1, '${NEIGHBOUR}')`);
    before = await checksums(db.admin, smallShop);
    await expect(ask(engine, job, 'staged')).rejects.toMatchObject({
      code: 'reference_conflict',
      facts: { table: 'small.likes' },
    });
    await expectUntouched();
    await db.admin.query('DELETE FROM small.likes');
  });

  it('of somebody else that come in while the tenant is moved turn it into a conflict, with nothing cascaded away', async () => {
    const writer = await db.connect();
    await writer.query(`BEGIN; INSERT INTO small.likes VALUES (1, 1, '${NEIGHBOUR}')`);
    const staging = ask(engine, job, 'staged');
    staging.catch(() => undefined);
    await untilBlocked(db, job);
    await writer.query('COMMIT');
    await expect(staging).rejects.toMatchObject({
      code: 'reference_conflict',
      facts: { table: 'small.likes' },
    });
    expect(await countRows(db.admin, 'small.likes')).toBe(1);
    expect((await ask(engine, job, 'restored')).state).toBe('restored');
    await db.admin.query('DELETE FROM small.likes');
    await expectUntouched();
  });

  it('that break a constraint which is NOT VALID are refused, since they could not come back', async () => {
    await db.admin.query(`ALTER TABLE small.invoices ADD CONSTRAINT positive CHECK (total > 3) NOT VALID`);
    await expect(ask(engine, job, 'staged')).rejects.toMatchObject({
      code: 'plan_refused',
      facts: { table: 'small.invoices' },
    });
    await ask(engine, job, 'restored');
    await db.admin.query('ALTER TABLE small.invoices DROP CONSTRAINT positive');
    await expectUntouched();
  });

  it('that a trigger keeps from being deleted end the stage as not exact', async () => {
    await db.admin.query(`
      CREATE FUNCTION small.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
      CREATE TRIGGER keep BEFORE DELETE ON small.guarded FOR EACH ROW EXECUTE FUNCTION small.keep();
      INSERT INTO small.guarded VALUES (1, '${TENANT}')`);
    before = await checksums(db.admin, smallShop);
    await expect(reach(engine, job, 'staged')).rejects.toMatchObject({
      code: 'move_not_exact',
      facts: { table: 'small.guarded' },
    });
    expect((await ask(engine, job, 'restored')).state).toBe('restored');
    await expectUntouched();
    await db.admin.query('DROP TRIGGER keep ON small.guarded; DELETE FROM small.guarded');
  });
});

describe('a key of a tenant', () => {
  it('that is none is refused, whatever it holds', async () => {
    for (const tenantId of ['', 'x', `${TENANT}'; DROP TABLE small.notes; --`, `{${TENANT}}`]) {
      await expect(engine.preview(tenantId)).rejects.toMatchObject({ code: 'invalid_tenant_id' });
    }
    expect((await engine.preview(TENANT.toUpperCase())).totalRows).toBe(
      (await engine.preview(TENANT)).totalRows,
    );
  });
});
