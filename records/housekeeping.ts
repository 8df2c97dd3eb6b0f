/** When each scheduled step ran last, and what came of it; and how many jobs there are of each status. */
import {
  HOUSEKEEPING_STEPS,
  type HousekeepingOutcome,
  type HousekeepingStep,
  type HousekeepingView,
  housekeepingOutcome,
} from '../protocol/housekeeping.js';
import type { JobStatus } from '../protocol/jobs.js';
import type { Database } from './database.js';

export interface HousekeepingRecords {
  beginHousekeeping(step: HousekeepingStep): Promise<void>;
  /** `error`: why it failed; what it could do all the same stands in the outcome. */
  endHousekeeping(step: HousekeepingStep, outcome: HousekeepingOutcome, error: string | null): Promise<void>;
  housekeeping(): Promise<HousekeepingView>;
  jobCounts(): Promise<ReadonlyMap<JobStatus, number>>;
}

export function housekeepingRecords(database: Database): HousekeepingRecords {
  return {
    beginHousekeeping: (step) =>
      database.read(async (client) => {
        const startedAt = new Date();
        await client.housekeepingRun.upsert({
          where: { step },
          create: { step, startedAt },
          update: { startedAt, finishedAt: null },
        });
      }),

    endHousekeeping: (step, outcome, error) =>
      database.read(async (client) => {
        const finishedAt = new Date();
        const done = { finishedAt, outcome, error, ...(error === null && { succeededAt: finishedAt }) };
        await client.housekeepingRun.upsert({
          where: { step },
          create: { step, startedAt: finishedAt, ...done },
          update: done,
        });
      }),

    housekeeping: async () => {
      const runs = await database.read((client) => client.housekeepingRun.findMany());
      return {
        steps: HOUSEKEEPING_STEPS.map((step) => {
          const run = runs.find((one) => one.step === step);
          return {
            step,
            started_at: run?.startedAt.toISOString() ?? null,
            finished_at: run?.finishedAt?.toISOString() ?? null,
            succeeded_at: run?.succeededAt?.toISOString() ?? null,
            outcome: housekeepingOutcome.parse(run?.outcome ?? {}),
            error: run?.error ?? null,
          };
        }),
      };
    },

    jobCounts: async () => {
      const counts = await database.read((client) =>
        client.deletionJob.groupBy({ by: ['status'], _count: { _all: true } }),
      );
      return new Map(counts.map(({ status, _count }) => [status, _count._all]));
    },
  };
}
