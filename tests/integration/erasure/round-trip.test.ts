import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../erasure/engine-types.js';
import {
  archivesLeft,
  checksum,
  checksums,
  createErasureDatabase,
  type ErasureDatabase,
  newJob,
  reach,
} from '../../support/erasure.js';
import { ONE, OTHER, rowsFor, SHAPES_SQL, shapes } from './shapes.js';

// The same, whether triggers can be turned off or not.
describe.each([
  ['off', true],
  ['on', false],
])('with triggers %s', (_, fast) => {
  let db: ErasureDatabase;
  let engine: Engine;
  let before: Record<string, string>;

  beforeAll(async () => {
    db = await createErasureDatabase({ declaration: shapes, schema: SHAPES_SQL, fast });
    engine = db.engine();
    await db.admin.query(rowsFor(ONE, 1));
    await db.admin.query(rowsFor(OTHER, 2));
    before = await checksums(db.admin, shapes);
  });
  afterAll(() => db?.drop());

  describe('a tenant with rows of every shape', () => {
    it('is previewed without a refusal', async () => {
      const preview = await engine.preview(ONE);
      expect(preview.findings.filter(({ severity }) => severity === 'refusal')).toEqual([]);
      expect(preview.totalRows).toBeGreaterThan(100);
    });

    it('is staged and restored, and every row of every table is as it was', async () => {
      const job = newJob(ONE);
      const { totalRows } = await engine.preview(ONE);
      const staged = await reach(engine, job, 'staged');
      expect(staged.rowsDone).toBe(totalRows);
      const { restorable } = await engine.status(ONE, job.jobId);
      expect(restorable).toEqual({ possible: true, reasons: [] });
      expect(staged.restorable).toBeNull();
      expect(await engine.status(ONE, job.jobId, { restorable: false })).toMatchObject({
        state: 'staged',
        restorable: null,
      });
      expect((await engine.verify(ONE, job.jobId)).tables.every(({ liveRows }) => liveRows === 0)).toBe(true);
      const restored = await reach(engine, job, 'restored');
      expect(restored.rowsDone).toBe(totalRows);
      expect(await checksums(db.admin, shapes)).toEqual(before);
      expect(await archivesLeft(db)).toEqual([]);
    });

    it('is staged, purged and verified, and nobody else lost a row', async () => {
      const others = async () => {
        const sums: Record<string, string> = {};
        for (const table of Object.keys(shapes.tables).filter((name) => !/order_|item_|prices/.test(name))) {
          sums[table] = await checksum(db.admin, `(SELECT * FROM ${table} WHERE tenant_id = '${OTHER}')`);
        }
        return sums;
      };
      const others0 = await others();
      const job = newJob(ONE);
      const { totalRows } = await engine.preview(ONE);
      await reach(engine, job, 'staged');
      const purged = await reach(engine, job, 'purged');
      expect(purged.rowsDone).toBe(totalRows);
      expect(await archivesLeft(db)).toEqual([]);
      const verified = await engine.verify(ONE, job.jobId);
      expect(verified).toMatchObject({ clean: true, rowsLeft: 0, horizonPassed: true, waitingFor: null });
      expect(await others()).toEqual(others0);
      expect((await engine.preview(OTHER)).totalRows).toBe(totalRows);
    });
  });
});
