/** Reading jobs: one, lists, and those that could be replayed. */
import { validate as isUuid } from 'uuid';
import type { JobStatus } from '../protocol/jobs.js';
import { cursorAfter, placeOf } from './cursor.js';
import type { Database } from './database.js';
import { Prisma } from './generated/client.js';
import { findOpenJobRow } from './job-row.js';
import { readJob } from './lookup.js';
import { findErasedGate } from './requests-sql.js';
import { sharedReads } from './shared-reads.js';
import type { HashOf } from './stays-gone.js';
import type { JobFilter, Records } from './types.js';
import { viewOf, withServices } from './view.js';

const REPLAYABLE: readonly JobStatus[] = ['needs_attention', 'compensated', 'refused'];
const newestFirst = [{ requestedAt: 'desc' }, { jobId: 'desc' }] as const;
const oldestFirst = [{ requestedAt: 'asc' }, { jobId: 'asc' }] as const;

type JobQueries = Pick<
  Records,
  | 'getJob'
  | 'mayRead'
  | 'openJobOf'
  | 'isErased'
  | 'listJobs'
  | 'openJobs'
  | 'replaysAskedFor'
  | 'replayableJobs'
>;

export function jobQueries(database: Database, hashOf: HashOf): JobQueries {
  return {
    // Every step at every service begins with it, and the services' steps begin together.
    getJob: sharedReads((jobId) => database.sqlRead((client) => readJob(client, jobId))),

    mayRead: async (jobId, userId) => {
      if (!isUuid(jobId)) return false;
      const where = { jobId_userId: { jobId, userId } };
      return (await database.read((client) => client.jobReader.findUnique({ where }))) !== null;
    },

    openJobOf: async (tenantId) => {
      const row = await database.sqlRead((client) => findOpenJobRow(client, tenantId));
      return row === null ? null : viewOf(row);
    },

    isErased: async (tenantId) => {
      const gate = await database.sqlRead((client) => findErasedGate(client, tenantId, hashOf(tenantId)));
      return gate !== null;
    },

    listJobs: async (filter) => {
      const after = filter.cursor === undefined ? [] : [afterPlace(filter.cursor)];
      const rows = await database.read((client) =>
        client.deletionJob.findMany({
          where: { AND: [conditionOf(filter), ...after] },
          orderBy: [...newestFirst],
          // One more than asked for tells whether there is a next page.
          take: filter.limit + 1,
          include: withServices,
        }),
      );
      const page = rows.slice(0, filter.limit);
      const last = page.at(-1);
      return {
        jobs: page.map(viewOf),
        nextCursor: rows.length > page.length && last ? cursorAfter(last) : null,
      };
    },

    openJobs: async () => {
      const rows = await database.read((client) =>
        client.deletionJob.findMany({
          where: { endedAt: null },
          orderBy: [...oldestFirst],
          include: withServices,
        }),
      );
      return rows.map(viewOf);
    },

    replaysAskedFor: async () => {
      const rows = await database.read((client) =>
        client.deletionJob.findMany({
          where: { status: 'needs_attention', replayRequestedAt: { not: null } },
          orderBy: [...oldestFirst],
          include: withServices,
        }),
      );
      return rows.map(viewOf);
    },

    replayableJobs: async (filter) => {
      const status = REPLAYABLE.filter((one) => filter.status === undefined || filter.status.includes(one));
      const rows = await database.read((client) =>
        client.deletionJob.findMany({
          where: {
            AND: [conditionOf({ ...filter, status })],
            // The tenant's latest job, whatever became of it, and of a tenant who is still there.
            latestOf: { is: { erasedAt: null } },
          },
          orderBy: [...oldestFirst],
          include: withServices,
        }),
      );
      return rows.map(viewOf);
    },
  };
}

function conditionOf(filter: Omit<JobFilter, 'limit' | 'cursor'>): Prisma.DeletionJobWhereInput {
  const { status, tenantId, service, failedService, from, to, overdue, readableBy } = filter;
  return {
    ...(failedService !== undefined && {
      AND: { services: { some: { name: failedService, lastError: { not: Prisma.DbNull } } } },
    }),
    ...(status !== undefined && { status: { in: [...status] } }),
    ...(tenantId !== undefined && { tenantId }),
    ...(service !== undefined && { services: { some: { name: service } } }),
    requestedAt: {
      ...(from !== undefined && { gte: new Date(from) }),
      ...(to !== undefined && { lt: new Date(to) }),
    },
    ...(overdue === true && overdueNow()),
    ...(overdue === false && { NOT: overdueNow() }),
    ...(readableBy !== undefined && { readers: { some: { userId: readableBy } } }),
  };
}

function overdueNow(): Prisma.DeletionJobWhereInput {
  return { endedAt: null, dueAt: { not: null, lt: new Date() } };
}

function afterPlace(cursor: string): Prisma.DeletionJobWhereInput {
  const { requestedAt, jobId } = placeOf(cursor);
  return { OR: [{ requestedAt: { lt: requestedAt } }, { requestedAt, jobId: { lt: jobId } }] };
}
