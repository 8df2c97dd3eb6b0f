import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineLimits } from '../../../erasure/engine-types.js';
import {
  archivesLeft,
  ask,
  checksums,
  createErasureDatabase,
  type ErasureDatabase,
  newJob,
} from '../../support/erasure.js';
import { LARGE_SQL, largeRows, largeShop, largeTotal, NEIGHBOUR, TENANT } from './large-shop.js';

/** Every table in chunks of a block. */
const TINY: Partial<EngineLimits> = { singleTransactionRows: 0, chunkMs: 1 };

let db: ErasureDatabase;
let before: Record<string, string>;

beforeAll(async () => {
  db = await createErasureDatabase({ declaration: largeShop, schema: LARGE_SQL, fast: true });
  await db.admin.query(largeRows(TENANT, 0));
  await db.admin.query(largeRows(NEIGHBOUR, 1000));
  before = await checksums(db.admin, largeShop);
});
afterAll(() => db?.drop());

describe('a tenant that is moved in chunks', () => {
  it('goes and comes back', async () => {
    const engine = db.engine(TINY);
    const job = newJob(TENANT);
    let requests = 0;
    for (;;) {
      const status = await ask(engine, job, 'staged', { timeBudgetMs: 0 });
      requests++;
      if (status.state === 'staged') {
        expect(status.rowsDone).toBe(largeTotal());
        break;
      }
      expect(requests).toBeLessThan(300);
    }
    let answers = 0;
    for (;;) {
      const status = await ask(engine, job, 'restored', { timeBudgetMs: 0 });
      answers++;
      if (status.state === 'restored') break;
      expect(answers).toBeLessThan(300);
    }
    expect(await checksums(db.admin, largeShop)).toEqual(before);
    expect(await archivesLeft(db)).toEqual([]);
  });
});
