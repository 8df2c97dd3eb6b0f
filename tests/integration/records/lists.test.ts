import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JobView } from '../../../protocol/jobs.js';
import type { JobFilter, Records } from '../../../records/types.js';
import {
  ended,
  expectProblem,
  open,
  openTestRecords,
  SAGA,
  staged,
  type TestRecords,
  valid,
} from './support.js';

let test: TestRecords;
let records: Records;
beforeAll(async () => {
  test = await openTestRecords();
  ({ records } = test);
});
afterAll(() => test?.close());

async function pages(filter: Omit<JobFilter, 'cursor'>): Promise<JobView[][]> {
  const found: JobView[][] = [];
  let cursor: string | null = null;
  do {
    const { jobs, nextCursor }: { jobs: JobView[]; nextCursor: string | null } = await records.listJobs(
      cursor === null ? filter : { ...filter, cursor },
    );
    found.push(jobs);
    cursor = nextCursor;
  } while (cursor !== null);
  return found;
}

const ids = (jobs: readonly JobView[]) => jobs.map(({ job_id }) => job_id);

describe('lists', () => {
  it('paged: each job once, newest first, also where many came in one millisecond or come meanwhile', async () => {
    const reader = randomUUID();
    const jobs: JobView[] = [];
    for (let index = 0; index < 9; index += 1) jobs.push(await open(records, { readers: [reader, reader] }));
    await test.superuser.query(
      `UPDATE lethe_records.deletion_jobs SET requested_at = '2020-01-01T00:00:00.123Z' WHERE job_id = ANY ($1)`,
      [ids(jobs.slice(2, 7))],
    );
    const all = await pages({ limit: 100, readableBy: reader });
    expect(all).toHaveLength(1);
    expect(ids(all.flat()).toSorted()).toEqual(ids(jobs).toSorted());
    for (const limit of [1, 2, 3, 8, 9]) {
      const paged = await pages({ limit, readableBy: reader });
      expect(ids(paged.flat())).toEqual(ids(all.flat()));
      expect(paged).toHaveLength(Math.ceil(9 / limit));
    }
    const first = await records.listJobs({ limit: 6, readableBy: reader });
    await open(records, { readers: [reader] });
    const second = await records.listJobs({ limit: 100, readableBy: reader, cursor: first.nextCursor ?? '' });
    expect(ids([...first.jobs, ...second.jobs])).toEqual(ids(all.flat()));
  });

  it.each(['x', '', 'bnVsbA', Buffer.from('["2020-01-01T00:00:00Z","no id"]').toString('base64url')])(
    'a cursor that no list gave (%j) is refused',
    async (cursor) => {
      const problem = await expectProblem(records.listJobs({ limit: 5, cursor }), 'validation_failed');
      expect(problem.extras.errors?.[0]?.path).toBe('cursor');
    },
  );

  it('filtered by each of status, tenant, service, time, reader', async () => {
    const reader = randomUUID();
    const mine = { readers: [reader] };
    const one = await open(records, mine);
    const two = await staged(records, mine);
    const three = await ended(records, 'cancelled', mine);
    const list = async (filter: Partial<JobFilter>) => {
      const { jobs } = await records.listJobs({ limit: 50, readableBy: reader, ...filter });
      for (const job of jobs) valid(job);
      return ids(jobs);
    };
    expect(await list({})).toEqual(ids([three, two, one]));
    expect(await list({ status: ['pending'] })).toEqual(ids([two, one]));
    expect(await list({ status: ['cancelled', 'completed'] })).toEqual(ids([three]));
    expect(await list({ tenantId: two.tenant_id })).toEqual(ids([two]));
    expect(await list({ service: 'orders' })).toEqual(ids([three, two]));
    expect(await list({ service: 'pos' })).toEqual([]);
    expect(await list({ from: two.requested_at, to: three.requested_at })).toEqual(ids([two]));
    expect(await list({ readableBy: randomUUID() })).toEqual([]);
    expect(await records.mayRead(one.job_id, reader)).toBe(true);
    expect(await records.mayRead(one.job_id, randomUUID())).toBe(false);
    expect(await records.mayRead('no id', reader)).toBe(false);
  });

  it('overdue: open past its due date, and nothing else', async () => {
    const readableBy = randomUUID();
    const mine = { readers: [readableBy] };
    const late = { ...mine, options: { due_at: '2020-01-01T00:00:00Z' } };
    const overdue = await open(records, late);
    const others = [
      await open(records, mine),
      await open(records, { ...mine, options: { due_at: '2090-01-01T00:00:00Z' } }),
      await ended(records, 'cancelled', late),
    ];
    expect(ids((await records.listJobs({ limit: 9, readableBy, overdue: true })).jobs)).toEqual(
      ids([overdue]),
    );
    expect(overdue.overdue).toBe(true);
    const rest = (await records.listJobs({ limit: 9, readableBy, overdue: false })).jobs;
    expect(ids(rest).toSorted()).toEqual(ids(others).toSorted());
    expect(rest.some((job) => job.overdue)).toBe(false);
  });

  it('open jobs: every one that has not ended', async () => {
    const decided = await staged(records);
    await records.decideAbort(decided.job_id, 'failure', SAGA);
    const over = await ended(records, 'completed');
    const openIds = ids(await records.openJobs());
    expect(openIds).toContain(decided.job_id);
    expect(openIds).not.toContain(over.job_id);
  });
});

describe('jobs to replay', () => {
  it('the latest of each tenant, if it went wrong and nobody cancelled it', async () => {
    const readableBy = randomUUID();
    const mine = { readers: [readableBy] };
    const needy = await open(records, mine);
    await records.updateJob(needy.job_id, { epoch: 1, number: 1 }, { status: 'needs_attention' });
    const compensated = await ended(records, 'compensated', mine);
    const refused = await ended(records, 'refused', mine);
    await ended(records, 'cancelled', mine);
    await ended(records, 'completed', mine);
    await open(records, mine);
    // Replaced by a later one: cancelled, completed, or still open.
    for (const status of ['cancelled', 'completed'] as const) {
      const { tenant_id } = await ended(records, 'compensated', mine);
      await ended(records, status, { ...mine, tenantId: tenant_id });
    }
    const { tenant_id } = await ended(records, 'refused', mine);
    await open(records, { ...mine, tenantId: tenant_id });
    // Failed twice: only the second.
    const twice = await ended(records, 'compensated', mine);
    const again = await ended(records, 'compensated', { ...mine, tenantId: twice.tenant_id });

    const found = async (filter: Partial<JobFilter>) =>
      ids(await records.replayableJobs({ readableBy, ...filter }));
    expect(await found({})).toEqual(ids([needy, compensated, refused, again]));
    expect(await found({ status: ['compensated'] })).toEqual(ids([compensated, again]));
    expect(await found({ status: ['cancelled'] })).toEqual([]);
    expect(await found({ service: 'orders' })).toEqual(ids([compensated, again]));
    expect(await found({ tenantId: refused.tenant_id })).toEqual(ids([refused]));
    expect(await found({ tenantId: twice.tenant_id, to: again.requested_at })).toEqual([]);
  });
});
