/** A job is read past Prisma, which costs several times as much: what is read is the same. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openDatabase } from '../../../records/database.js';
import { findJobRow } from '../../../records/job-row.js';
import { withServices } from '../../../records/view.js';
import { open, openTestRecords, SAGA, type TestRecords } from './support.js';

let test: TestRecords;
let database: ReturnType<typeof openDatabase>;

beforeAll(async () => {
  test = await openTestRecords();
  database = openDatabase({ databaseUrl: test.database.urlFor('lethe_records') });
});
afterAll(async () => {
  await database?.close();
  await test?.close();
});

async function bothWays(jobId: string) {
  return {
    past: await database.sqlRead((client) => findJobRow(client, jobId)),
    prisma: await database.read((client) =>
      client.deletionJob.findUnique({ where: { jobId }, include: withServices }),
    ),
  };
}

it('has every field as Prisma reads it, of a job that nothing was done for and of one with everything', async () => {
  const bare = await open(test.records);
  const full = await open(test.records, { approvalRequired: true });
  for (const name of ['sales', 'orders']) await test.records.recordStageRequest(full.job_id, name);
  await test.records.updateService(full.job_id, {
    name: 'orders',
    state: 'purged',
    counts: [{ table: 'orders.orders', rows: 7 }],
    rowsDone: 2 ** 40,
    rowsTotal: 2 ** 41,
    addAttempts: 2,
    lastError: {
      code: 'database_busy',
      message: 'It waits for “this”.',
      table: null,
      privilege: null,
      sqlstate: '55P03',
      at: '2026-01-02T03:04:05.678Z',
    },
    verifiedAt: '2026-01-02T03:04:05.678Z',
    horizon: '12345',
    planHash: 'a'.repeat(64),
  });
  await test.superuser.query(
    `INSERT INTO lethe_records.job_approvals
       (approval_id, job_id, verdict, approval_hash, reason, given_by, given_role, given_at, expires_at)
     SELECT gen_random_uuid(), $1, verdict::lethe_records.approval_verdict, repeat('b', 64), 'It is right', $2,
       'approver', now() - hours * interval '1 hour', CASE verdict WHEN 'approved' THEN now() END
     FROM (VALUES ('approved', 1), ('rejected', 2)) AS given (verdict, hours)`,
    [full.job_id, SAGA.id],
  );
  for (const { job_id } of [bare, full]) {
    const { past, prisma } = await bothWays(job_id);
    expect(past).not.toBeNull();
    expect(past).toEqual(prisma);
  }
});

it('is null of a job that is not there', async () => {
  expect(await bothWays('00000000-0000-4000-8000-000000000000')).toEqual({ past: null, prisma: null });
});
