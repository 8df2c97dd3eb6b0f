/** The SQL that Prisma cannot say: locks, compare-and-set. All of `records/`'s stands here. */
import type pg from 'pg';
import type { AbortCause, Decision, JobPhase, JobStatus } from '../protocol/jobs.js';
import type { LedgerState } from '../protocol/participant.js';
import type { Client } from './database.js';
import { Prisma } from './generated/client.js';

export interface LockedGate {
  readonly erasedAt: Date | null;
  /** The database's clock, once the lock was got. */
  readonly now: Date;
}

export interface LockedJob {
  readonly tenantId: string;
  readonly status: JobStatus;
  readonly phase: JobPhase;
  readonly decision: Decision | null;
  readonly abortCause: AbortCause | null;
  readonly decidedAt: Date | null;
  readonly startAt: Date | null;
  readonly endedAt: Date | null;
  readonly epoch: number;
  readonly writeNumber: bigint;
  readonly now: Date;
}

export interface LockedService {
  readonly state: LedgerState;
  readonly epoch: number;
  readonly stageRequestedAt: Date | null;
  readonly now: Date;
}

/** Locks the tenant's gate row, which is made where there is none. Always the first lock of a transaction. */
export async function lockGate(client: Client, tenantId: string): Promise<LockedGate> {
  await client.$executeRaw`
    INSERT INTO lethe_records.tenant_gates (tenant_id) VALUES (${tenantId}) ON CONFLICT DO NOTHING`;
  const rows = await client.$queryRaw<LockedGate[]>`
    SELECT erased_at AS "erasedAt", clock_timestamp() AS now
    FROM lethe_records.tenant_gates WHERE tenant_id = ${tenantId} FOR UPDATE`;
  return only(rows);
}

/** Locks a job for a change; null where there is no such job. */
export const lockJob = (client: Client, jobId: string) => jobRow(client, jobId, Prisma.sql`FOR UPDATE`);

/** Keeps a job from being changed meanwhile; several may hold it so. */
export const holdJob = (client: Client, jobId: string) => jobRow(client, jobId, Prisma.sql`FOR SHARE`);

async function jobRow(client: Client, jobId: string, lock: Prisma.Sql): Promise<LockedJob | null> {
  const rows = await client.$queryRaw<LockedJob[]>`
    SELECT tenant_id AS "tenantId", status, phase, decision, abort_cause AS "abortCause", decided_at AS "decidedAt",
      start_at AS "startAt", ended_at AS "endedAt", epoch, write_number AS "writeNumber", clock_timestamp() AS now
    FROM lethe_records.deletion_jobs WHERE job_id = ${jobId}::uuid ${lock}`;
  return rows[0] ?? null;
}

/** Locks a service of a job, which is entered where it is new. */
export async function lockService(client: Client, jobId: string, name: string): Promise<LockedService> {
  const rows = await client.$queryRaw<LockedService[]>`
    INSERT INTO lethe_records.deletion_job_services AS s (job_id, name) VALUES (${jobId}::uuid, ${name})
    ON CONFLICT (job_id, name) DO UPDATE SET epoch = s.epoch
    RETURNING state, epoch, stage_requested_at AS "stageRequestedAt", clock_timestamp() AS now`;
  return only(rows);
}

/** The compare-and-set: from no decision to this one, and never again. Null where one stood already. */
export async function setDecision(
  client: Client,
  jobId: string,
  decision: Decision,
  cause: AbortCause | null,
): Promise<Date | null> {
  const rows = await client.$queryRaw<{ decidedAt: Date }[]>`
    UPDATE lethe_records.deletion_jobs
    SET decision = ${decision}::lethe_records.decision, abort_cause = ${cause}::lethe_records.abort_cause,
      decided_at = clock_timestamp()
    WHERE job_id = ${jobId}::uuid AND decision IS NULL AND ended_at IS NULL
    RETURNING decided_at AS "decidedAt"`;
  return rows[0]?.decidedAt ?? null;
}

/** A lock of the session: it goes with the connection, also where the process dies. */
export async function tryAdvisoryLock(client: pg.Client, name: string): Promise<boolean> {
  // Where a whole machine vanishes, nobody closes its connection: the server has to notice.
  await client.query(
    'SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3',
  );
  const { rows } = await client.query<{ locked: boolean }>(
    'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS locked',
    [`lethe ${name}`],
  );
  return rows[0]?.locked === true;
}

function only<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined) throw new Error('A row that was just written is not there.');
  return row;
}
