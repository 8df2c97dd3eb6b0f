import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
} from '../../support/erasure.js';
import { NEIGHBOUR, SMALL_SQL, SMALL_TOTAL, smallRows, smallShop, TENANT } from './small-shop.js';

// In whole or in chunks, with triggers on or off.
describe.each([
  ['in one transaction', {}, true],
  ['in chunks', { singleTransactionRows: 0, chunkMs: 1 }, false],
])('rows that cannot come back (%s)', (_, limits, fast) => {
  let db: ErasureDatabase;
  let engine: Engine;
  let job: Job;

  beforeAll(async () => {
    db = await createErasureDatabase({
      declaration: smallShop,
      schema: `${SMALL_SQL}
        CREATE TABLE small.halls (id int PRIMARY KEY, during int4range, EXCLUDE USING gist (during WITH &&));
        ALTER TABLE small.notes ADD place int4range;`,
      fast,
    });
    engine = db.engine(limits);
    await db.admin.query(smallRows(NEIGHBOUR, 1000));
    await db.admin.query(smallRows(TENANT, 0));
    await db.admin.query('UPDATE small.notes SET place = int4range(id * 10, id * 10 + 5)');
    await db.admin.query('ALTER TABLE small.notes ADD EXCLUDE USING gist (place WITH &&)');
    job = newJob(TENANT);
    await reach(engine, job, 'staged');
    // Taken meanwhile: the name of an account, on which invoices and lines hang, and the place of a note. Forbidden: a visit.
    await db.admin.query(`
      INSERT INTO small.accounts VALUES (5000, '${NEIGHBOUR}', 'a1');
      INSERT INTO small.notes VALUES (5000, '${NEIGHBOUR}', 'in the way', 7, '[52,53)');
      ALTER TABLE small.visits ADD CONSTRAINT late CHECK (at > '2026-01-21') NOT VALID;`);
  });
  afterAll(() => db?.drop());

  it('are listed by their keys, and nothing is changed', async () => {
    const conflicts = await engine.conflicts(TENANT, job.jobId);
    expect(conflicts).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          table: 'small.accounts',
          rows: 1,
          keys: [{ id: '1' }],
          why: expect.stringContaining('accounts_name_key'),
        }),
        expect.objectContaining({ table: 'small.notes', rows: 1, keys: [{ id: '5' }] }),
        expect.objectContaining({
          table: 'small.visits',
          rows: 1,
          keys: [{ id: '1', at: '2026-01-21' }],
          why: 'they break late',
        }),
      ]),
    );
    expect(JSON.stringify(conflicts)).not.toContain('note"');
    expect((await engine.status(TENANT, job.jobId)).state).toBe('staged');
  });

  it('are never put aside without anybody who says why', async () => {
    await expect(ask(engine, job, 'restored', { conflicts: 'skip-row' })).rejects.toMatchObject({
      code: 'restore_conflict',
    });
    expect(await countRows(db.admin, `small.accounts WHERE tenant_id = '${TENANT}'`)).toBe(0);
  });

  it('are put aside with what refers to them, and all others come back', async () => {
    const breakGlass = { reason: 'the customer cannot wait', by: 'a person' };
    for (let state = ''; state !== 'restored'; )
      state = (await ask(engine, job, 'restored', { conflicts: 'skip-row', breakGlass })).state;
    const back = async (source: string) => countRows(db.admin, `${source}`);
    expect(await back(`small.accounts WHERE tenant_id = '${TENANT}'`)).toBe(5);
    // Two of twelve invoices were the first account's, with two lines each.
    expect(await back('small.invoices WHERE id < 1000')).toBe(10);
    expect(await back('small.lines WHERE invoice_id < 1000')).toBe(20);
    expect(await back(`small.notes WHERE tenant_id = '${TENANT}'`)).toBe(4);
    expect(await back(`small.visits WHERE tenant_id = '${TENANT}'`)).toBe(19);
    // Whose favourite did not come back has none.
    expect(await back('small.staff WHERE id = 1 AND favourite IS NULL')).toBe(1);
    expect(await countRows(db.admin, 'lethe_small.tenant_tombstones')).toBe(0);

    const { rows } = await db.admin.query<{
      skipped: { archive: string; rows: number; why: string; table: { name: string } }[];
      noted: { reason: string; skipped: { rows: number; keptIn: string }[] };
    }>(
      `SELECT skipped, (SELECT b FROM jsonb_array_elements(break_glass) b WHERE b ? 'skipped' LIMIT 1) AS noted
         FROM lethe_small.deletion_ledger WHERE job_id = $1`,
      [job.jobId],
    );
    const [ledger] = rows;
    const kept = ledger?.skipped.filter(({ table }) => table.name !== 'staff') ?? [];
    expect(kept.reduce((sum, one) => sum + one.rows, 0)).toBe(1 + 2 + 4 + 1 + 1);
    expect(ledger?.noted).toMatchObject({ reason: 'the customer cannot wait', by: 'a person' });
    for (const { keptIn, rows: many } of ledger?.noted.skipped ?? [])
      expect(await countRows(db.admin, keptIn)).toBe(many);
    expect(await archivesLeft(db)).toHaveLength(ledger?.skipped.length ?? -1);
  });

  it('go with the next deletion of the tenant, and until then are left', async () => {
    const left = await engine.verify(TENANT, null);
    expect(left.tables.reduce((sum, { archivedRows }) => sum + archivedRows, 0)).toBeGreaterThan(8);
    const next = newJob(TENANT);
    await reach(engine, next, 'staged');
    await reach(engine, next, 'restored');
    expect((await archivesLeft(db)).length).toBeGreaterThan(4);
    const last = newJob(TENANT);
    expect((await reach(engine, last, 'purged')).rowsDone).toBe(SMALL_TOTAL - 9);
    expect(await engine.verify(TENANT, last.jobId)).toMatchObject({ clean: true, rowsLeft: 0 });
    expect(await archivesLeft(db)).toEqual([]);
  });

  it('of a job that has nothing to restore are not asked for', async () => {
    await expect(engine.conflicts(TENANT, newJob(TENANT).jobId)).rejects.toMatchObject({
      code: 'state_conflict',
    });
  });
});

describe('rows that were put aside', () => {
  let db: ErasureDatabase;
  beforeAll(async () => {
    db = await createErasureDatabase({ declaration: smallShop, schema: SMALL_SQL });
    await db.admin.query(smallRows(NEIGHBOUR, 1000));
  });
  afterAll(() => db?.drop());

  it('go with the next deletion where they are all that the tenant has', async () => {
    const before = await checksums(db.admin, smallShop);
    await db.admin.query(`INSERT INTO small.accounts VALUES (1, '${TENANT}', 'a1')`);
    const engine = db.engine();
    const job = newJob(TENANT);
    await reach(engine, job, 'staged');
    await db.admin.query(`INSERT INTO small.accounts VALUES (5000, '${NEIGHBOUR}', 'a1')`);
    const breakGlass = { reason: 'the customer cannot wait', by: 'a person' };
    for (let state = ''; state !== 'restored'; )
      state = (await ask(engine, job, 'restored', { conflicts: 'skip-row', breakGlass })).state;
    expect(await archivesLeft(db)).toHaveLength(1);
    const last = newJob(TENANT);
    await reach(engine, last, 'purged');
    expect(await archivesLeft(db)).toEqual([]);
    expect(await engine.verify(TENANT, last.jobId)).toMatchObject({ clean: true, rowsLeft: 0 });
    await db.admin.query('DELETE FROM small.accounts WHERE id = 5000');
    expect(await checksums(db.admin, smallShop)).toEqual(before);
  });
});
