/** Records on a database of their own, and jobs in the states that tests want. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { expect } from 'vitest';
import { type EndedStatus, type JobView, jobView } from '../../../protocol/jobs.js';
import { Problem, type ProblemCode } from '../../../protocol/problems.js';
import { createRecords } from '../../../records/index.js';
import type { Actor, OpenJobRequest, Records } from '../../../records/types.js';
import { endAs } from '../../support/certificates.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';

export const OWNER: Actor = { kind: 'user', id: randomUUID(), role: 'user', requestId: 'req-1' };
export const OPERATOR: Actor = { kind: 'user', id: randomUUID(), role: 'operator' };
export const SAGA: Actor = { kind: 'system', id: 'lethe', role: 'saga' };
export const PLAN_HASH = 'a'.repeat(64);

export interface TestRecords {
  readonly database: TestDatabase;
  readonly records: Records;
  /** A second process's. */
  readonly other: Records;
  /** As the superuser, to look and to arrange. */
  readonly superuser: pg.Pool;
  close(): Promise<void>;
}

export async function openTestRecords(): Promise<TestRecords> {
  const database = await createTestDatabase({ template: 'platform' });
  const databaseUrl = database.urlFor('lethe_records');
  const records = createRecords({ databaseUrl });
  const other = createRecords({ databaseUrl });
  const superuser = new pg.Pool({ connectionString: database.url, max: 2 });
  superuser.on('error', () => undefined);
  return {
    database,
    records,
    other,
    superuser,
    close: async () => {
      await Promise.all([records.close(), other.close(), superuser.end()]);
      await database.drop();
    },
  };
}

export function request(changes: Partial<OpenJobRequest> = {}): OpenJobRequest {
  return {
    tenantId: randomUUID(),
    actor: OWNER,
    options: {},
    restoreWindowMs: 0,
    readers: [OWNER.id],
    ...changes,
  };
}

export async function open(records: Records, changes: Partial<OpenJobRequest> = {}): Promise<JobView> {
  return (await records.openJob(request(changes))).job;
}

/** A job that one service was asked to stage for. */
export async function staged(records: Records, changes: Partial<OpenJobRequest> = {}): Promise<JobView> {
  const job = await open(records, changes);
  await records.recordStageRequest(job.job_id, 'orders');
  return records.getJob(job.job_id);
}

/** A job that ended so. */
export async function ended(
  records: Records,
  status: EndedStatus,
  changes: Partial<OpenJobRequest> = {},
): Promise<JobView> {
  const job = status === 'refused' ? await open(records, changes) : await staged(records, changes);
  if (status === 'completed') await records.decideProceed(job.job_id);
  if (status === 'cancelled') await records.decideAbort(job.job_id, 'cancel', OWNER);
  if (status === 'compensated') await records.decideAbort(job.job_id, 'failure', SAGA);
  if (status === 'refused') await records.decideAbort(job.job_id, 'refusal', SAGA);
  const epoch = await records.beginRun(job.job_id, `run-of-${job.job_id}`);
  const order = { epoch, number: 1 };
  const outcome = 'It ended for the test.';
  return endAs(records, job.job_id, order, status, outcome);
}

/** What everybody is told has to be what the protocol promises. */
export function valid(job: JobView): JobView {
  return jobView.parse(job);
}

/** The problem that the work ends in. */
export async function problemOf(work: Promise<unknown>): Promise<Problem> {
  const error = await work.then(
    (value) => new Error(`no problem, but ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Problem)) throw error;
  return error;
}

export async function expectProblem(work: Promise<unknown>, code: ProblemCode): Promise<Problem> {
  const problem = await problemOf(work);
  expect(problem.code).toBe(code);
  return problem;
}
