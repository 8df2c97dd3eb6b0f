/** A platform whose every row is remembered, and all that has to be true when deletions have ended. */
import { expect } from 'vitest';
import { type Checksums, differingTables, totalRows } from '../../local/checksums.js';
import { leavingRows } from '../../local/leaving.js';
import { type EndedStatus, hasEnded, type JobView } from '../../protocol/jobs.js';
import { declarations } from '../../services/registry.js';
import type { SeededTenant } from '../../services/sample-data/load.js';
import { type Callers, createCallers } from './callers.js';
import { type UntilOptions, until } from './conditions.js';
import { Holds } from './holds.js';
import type { TestPlatform } from './platform.js';

/**
 * Enough for what other processes and people do to a deletion, and a third of all services: the directory, a service
 * that retains, one whose rows join others', one that is held. What a deletion does in all of them: tests/e2e.
 */
export const FEW_SERVICES = ['notification', 'orders', 'recipes', 'tenant'] as const;

/** One who is deleted, or nearly. */
export interface Victim extends SeededTenant {
  readonly before: Checksums;
}

/** What a wait is about. */
export type JobRecord = Pick<JobView, 'job_id' | 'status' | 'phase' | 'decision'> & {
  readonly staged_at: Date | null;
  readonly outcome: string | null;
  readonly waiting_for: JobView['waiting_for'];
};

export interface World {
  readonly platform: TestPlatform;
  readonly callers: Callers;
  readonly holds: Holds;
  /** A tenant who has nothing to do with any of it. */
  readonly bystander: SeededTenant;
  /** A tenant whom no test has had yet. */
  victim(): Victim;
  /** Waits until all of these jobs are so, as the records say; asked of the records, which costs less than the API. */
  until(jobs: readonly JobView[], what: (job: JobRecord) => boolean): Promise<void>;
  /** Waits for its end, and gives that. */
  untilEnded(job: JobView): Promise<JobView>;
  /** Every row of every table of the tenant is as it was. */
  expectBack(victim: Victim): Promise<void>;
  /** No row of any table is left. */
  expectGone(victim: Victim): Promise<void>;
  /**
   * The job's end, and that rows, ledgers, fences, suspension and Temporal agree with it. `late`: rows that somebody
   * added while it was deleted.
   */
  expectEnd(victim: Victim, job: JobView, status: EndedStatus, late?: number): Promise<void>;
  /** Every row that is not a deleted tenant's is as it was seeded; no archive is left, no ledger has an open job. */
  expectOthersUntouched(): Promise<void>;
  close(): Promise<void>;
}

/** A machine that does much else at the same time is slow. */
const PATIENTLY_MS = 120_000;

/** No tenant: all rows but these are those of somebody. What was anonymized is nobody's any more. */
const NOBODY = '00000000-0000-4000-8000-000000000000';

/** This repository's services, without the directory, that a platform has. */
export function servedOf({ services }: Pick<TestPlatform, 'services'>) {
  return declarations.filter((declared) => services.some(({ name }) => name === declared.name));
}

/** Tenants are seeded at once, since everything is counted once. */
export async function openWorld(
  platform: TestPlatform,
  { victims, rows }: { readonly victims: number; readonly rows: number },
): Promise<World> {
  const callers = await createCallers(platform);
  const holds = new Holds(platform.databaseUrl);
  const [bystander, ...seeded] = await callers.seed(victims + 1, rows);
  if (bystander === undefined) throw new Error('Nobody was seeded.');
  const participants = servedOf(platform);
  const everything = await callers.checksums({ except: NOBODY });
  const unused: Victim[] = [];
  for (const tenant of seeded) {
    const before = await callers.checksums({ only: tenant.tenantId });
    expect(totalRows(before)).toBe(tenant.rows);
    unused.push({ ...tenant, before });
  }
  const gone = new Map<string, Checksums>();

  async function untilAll(
    jobs: readonly JobView[],
    what: (job: JobRecord) => boolean,
    howOften: Pick<UntilOptions, 'everyMs' | 'relaxedToMs'>,
  ): Promise<void> {
    const ids = jobs.map(({ job_id }) => job_id);
    let late: JobRecord[] = [];
    try {
      await until(
        async () => {
          const found = await callers.sql<JobRecord>(
            `SELECT job_id::text, status::text, phase::text, decision::text, staged_at, outcome, waiting_for
               FROM lethe_records.deletion_jobs WHERE job_id = ANY ($1::uuid[])`,
            [ids],
          );
          late = found.filter((job) => !what(job));
          return late.length === 0 && found.length === ids.length;
        },
        { timeoutMs: PATIENTLY_MS, ...howOften, what: 'jobs' },
      );
    } catch (error) {
      const views = await Promise.all(late.map(({ job_id }) => callers.job(job_id)));
      throw new Error(`${(error as Error).message}: ${JSON.stringify(views)}`);
    }
  }

  const world: World = {
    platform,
    callers,
    holds,
    bystander,
    victim() {
      const next = unused.shift();
      if (next === undefined) throw new Error('Seed more tenants: every one has been used.');
      return next;
    },
    until: (jobs, what) => untilAll(jobs, what, { everyMs: 50 }),
    async untilEnded(job) {
      await untilAll([job], ({ status }) => hasEnded(status), { everyMs: 50, relaxedToMs: 1_000 });
      return callers.job(job.job_id);
    },
    async expectBack({ tenantId, before }) {
      expect(differingTables(before, await callers.checksums({ only: tenantId }))).toEqual([]);
    },
    async expectGone({ tenantId }) {
      const left = await callers.checksums({ only: tenantId });
      expect(Object.entries(left).filter(([, { rows: some }]) => some > 0)).toEqual([]);
    },
    async expectEnd(victim, job, status, late = 0) {
      const completed = status === 'completed';
      expect(job).toMatchObject({ status, decision: completed ? 'proceed' : 'abort', waiting_for: null });
      expect(job.abort_cause).toBe(CAUSES[status]);
      await (completed ? world.expectGone(victim) : world.expectBack(victim));
      if (completed) {
        gone.set(victim.tenantId, victim.before);
        expect(job.rows_deleted).toBe(leavingRows(victim) + late);
      }
      const ledgers = await readLedgers(callers, victim);
      const ofJob = ledgers.filter(({ job_id }) => job_id === job.job_id);
      expect(ofJob.filter(({ state }) => state !== (completed ? 'purged' : 'restored'))).toEqual([]);
      if (completed) expect(ofJob).toHaveLength(participants.length);
      expect(ledgers.filter(({ open, archives }) => open || archives > 0)).toEqual([]);
      expect(ledgers.filter(({ fenced }) => fenced).length).toBe(completed ? participants.length : 0);
      // Null: there is no tenant any more who could be.
      expect(await callers.isSuspended(victim)).toBe(completed ? null : false);
      await expectRun(callers, victim, job, status);
    },
    async expectOthersUntouched() {
      const now = await callers.checksums({ except: NOBODY });
      const expected = without(everything, [...gone.values()]);
      expect(differingTables(expected, now)).toEqual([]);
      expect(await callers.archives()).toEqual([]);
      expect((await readLedgers(callers)).filter(({ open }) => open)).toEqual([]);
    },
    async close() {
      await holds.close();
      await callers.close();
    },
  };
  return world;
}

const CAUSES: Readonly<Record<EndedStatus, JobView['abort_cause']>> = {
  completed: null,
  cancelled: 'cancel',
  compensated: 'failure',
  refused: 'refusal',
};
const RUN_STATUS = {
  completed: 'COMPLETED',
  cancelled: 'CANCELLED',
  compensated: 'FAILED',
  refused: 'FAILED',
};

/** The run closes a moment after the record has its end. */
async function expectRun(callers: Callers, victim: Victim, job: JobView, status: EndedStatus): Promise<void> {
  const run = await until(
    async () => {
      const described = await callers.run(victim).describe();
      return described.status.name !== 'RUNNING' && described;
    },
    { timeoutMs: PATIENTLY_MS, what: `the run of ${job.job_id} (${status}) to close` },
  );
  expect(run.memo).toMatchObject({ job_id: job.job_id });
  expect(run.status.name).toBe(RUN_STATUS[status]);
}

interface LedgerEntry {
  readonly service: string;
  readonly job_id: string;
  readonly state: string;
  readonly open: boolean;
  readonly archives: number;
  readonly fenced: boolean;
}

/** Every service's ledger, of one tenant or of all. */
export async function readLedgers(
  callers: Callers,
  tenant?: { readonly tenantId: string },
): Promise<LedgerEntry[]> {
  const each = declarations.map(
    ({ name, letheSchema }) => `
      SELECT '${name}' AS service, l.job_id::text, l.state, l.tenant_id::text,
        l.state IN ('staging', 'staged', 'restoring', 'purging') AS open,
        jsonb_array_length(l.archives) + jsonb_array_length(l.saved_references) AS archives,
        EXISTS (SELECT FROM ${letheSchema}.tenant_tombstones t
          WHERE t.tenant_id = l.tenant_id AND t.job_id = l.job_id) AS fenced
      FROM ${letheSchema}.deletion_ledger l`,
  );
  return callers.sql<LedgerEntry>(
    `SELECT service, job_id, state, open, archives, fenced FROM (${each.join(' UNION ALL ')}) AS every
     WHERE $1::text IS NULL OR tenant_id = $1`,
    [tenant?.tenantId ?? null],
  );
}

/** Checksums add up, so they can be subtracted. */
function without(all: Checksums, gone: readonly Checksums[]): Checksums {
  return Object.fromEntries(
    Object.entries(all).map(([table, { rows, checksum }]) => [
      table,
      {
        rows: rows - gone.reduce((sum, one) => sum + (one[table]?.rows ?? 0), 0),
        checksum: String(
          gone.reduce((sum, one) => sum - BigInt(one[table]?.checksum ?? 0), BigInt(checksum)),
        ),
      },
    ]),
  );
}
