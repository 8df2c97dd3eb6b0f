/** A job that the records do not know, in a database that was copied elsewhere: taken over, and brought back all the same. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ask, checksums, countRows, newJob, reach } from '../../support/erasure.js';
import { type RestoredService, startRestoredService } from '../../support/restored-service.js';
import { createTestKeys } from '../../support/service-server.js';
import { NEIGHBOUR, SMALL_SQL, SMALL_TOTAL, smallRows, smallShop, TENANT } from './small-shop.js';

let small: RestoredService;

beforeAll(async () => {
  small = await startRestoredService(smallShop, SMALL_SQL, await createTestKeys());
});
afterAll(() => small?.close());

it('goes back exactly when the job that took it over is called off, and lifts no tombstone but its own', async () => {
  const { admin, engine } = small.now();
  await admin.query(smallRows(TENANT, 0));
  await admin.query(smallRows(NEIGHBOUR, 1_000));
  const before = await checksums(admin, smallShop);
  const unknown = newJob(TENANT);
  await reach(engine, unknown, 'staged');
  // A row that somebody imported past the fence, after the rest was archived.
  const late = `SET session_replication_role = replica;
    INSERT INTO small.notes VALUES (900, '${TENANT}', 'late', 8);
    SET session_replication_role = origin`;
  const copy = await small.backup();
  await copy.admin.query(late);
  // After a dump was loaded, tables have other numbers, and these mean something else.
  const { rowCount } = await copy.admin.query(
    `UPDATE lethe_small.deletion_ledger
        SET archives = regexp_replace(archives::text, '"oid": \\d+', '"oid": 1', 'g')::jsonb,
            saved_references = regexp_replace(saved_references::text, '"oid": \\d+', '"oid": 1', 'g')::jsonb
      WHERE archives::text ~ '"oid": \\d+'`,
  );
  expect(rowCount).toBe(1);
  const first = randomUUID();
  await copy.admin.query('INSERT INTO lethe_small.tenant_tombstones VALUES ($1, $2)', [TENANT, first]);

  const again = newJob(TENANT);
  await expect(reach(copy.engine, again, 'staged')).rejects.toMatchObject({ code: 'other_job_open' });
  const taken = await ask(copy.engine, again, 'staged', { supersedesJobId: unknown.jobId });
  expect(taken).toMatchObject({ state: 'staged', rowsDone: SMALL_TOTAL + 1 });
  expect(await countRows(copy.admin, `small.notes WHERE tenant_id = '${TENANT}'`)).toBe(0);

  await reach(copy.engine, again, 'restored');
  await copy.admin.query('DELETE FROM small.notes WHERE id = 900');
  expect(await checksums(copy.admin, smallShop)).toEqual(before);
  const { rows } = await copy.admin.query<{ job_id: string }>(
    'SELECT job_id FROM lethe_small.tenant_tombstones WHERE tenant_id = $1',
    [TENANT],
  );
  expect(rows.map(({ job_id }) => job_id).sort()).toEqual([first, unknown.jobId].sort());
});

it('keeps its tombstones while a job is open, and gives them up when its key is released', async () => {
  const copy = await small.backup();
  await expect(copy.engine.releaseTombstones(TENANT)).rejects.toMatchObject({ code: 'other_job_open' });
  const open = await copy.admin.query<{ job_id: string }>(
    `SELECT job_id FROM lethe_small.deletion_ledger WHERE state = 'staged'`,
  );
  const job = { tenantId: TENANT, jobId: open.rows[0]?.job_id ?? '' };
  await reach(copy.engine, job, 'purged');
  const insert = `INSERT INTO small.notes VALUES (901, '${TENANT}', 'somebody new', 8)`;
  await expect(copy.admin.query(insert)).rejects.toThrow(/has been erased/);
  expect(await copy.engine.releaseTombstones(TENANT)).toBe(1);
  expect(await copy.engine.releaseTombstones(TENANT)).toBe(0);
  await copy.admin.query(insert);
  // What was done stands in the ledger as before.
  expect(await copy.engine.status(TENANT, job.jobId)).toMatchObject({
    state: 'purged',
    rowsDone: SMALL_TOTAL,
  });
});
