/**
 * The SQL that Prisma cannot say, or that is asked so often that saying it counts: locks, compare-and-set, what services
 * tell. That of the audit trail: audit-sql.ts; that of a whole job: job-row.ts.
 */
import type pg from 'pg';
import type { AbortCause, Decision, JobPhase, JobStatus } from '../protocol/jobs.js';
import type { LedgerState } from '../protocol/participant.js';
import { Prisma } from './generated/client.js';
import type { DueNotice } from './portability-types.js';
import type { SqlClient } from './sql-client.js';

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
  readonly waitingFor: unknown;
  readonly approvalRequired: boolean;
  readonly approvalHash: string | null;
  readonly approvalBasis: unknown;
  readonly capSlotAt: Date | null;
  readonly now: Date;
}

/** Whether everything stands still, and the database's clock once the lock was got. */
export interface LockedHalt {
  readonly haltedAt: Date | null;
  readonly haltedBy: string | null;
  readonly reason: string | null;
  readonly now: Date;
}

/** A job that nobody changes meanwhile. */
export interface HeldJob {
  readonly tenantId: string;
  readonly status: JobStatus;
  readonly decision: Decision | null;
}

export interface LockedService {
  readonly state: LedgerState;
  readonly epoch: number;
  readonly stageRequestedAt: Date | null;
  readonly now: Date;
}

/** Locks the tenant's gate row, which is made where there is none. Always the first lock of a transaction. */
export async function lockGate(client: SqlClient, tenantId: string): Promise<LockedGate> {
  await client.$executeRaw`
    INSERT INTO lethe_records.tenant_gates (tenant_id) VALUES (${tenantId}) ON CONFLICT DO NOTHING`;
  const rows = await client.$queryRaw<LockedGate[]>`
    SELECT erased_at AS "erasedAt", clock_timestamp() AS now
    FROM lethe_records.tenant_gates WHERE tenant_id = ${tenantId} FOR UPDATE`;
  return only(rows);
}

/** Locks a job for a change; null where there is no such job. */
export async function lockJob(client: SqlClient, jobId: string): Promise<LockedJob | null> {
  const rows = await client.$queryRaw<LockedJob[]>`
    SELECT tenant_id AS "tenantId", status, phase, decision, abort_cause AS "abortCause", decided_at AS "decidedAt",
      start_at AS "startAt", ended_at AS "endedAt", epoch, write_number AS "writeNumber",
      waiting_for AS "waitingFor", approval_required AS "approvalRequired", approval_hash AS "approvalHash",
      approval_basis AS "approvalBasis", cap_slot_at AS "capSlotAt", clock_timestamp() AS now
    FROM lethe_records.deletion_jobs WHERE job_id = ${jobId}::uuid FOR UPDATE`;
  return rows[0] ?? null;
}

/** What stands of a job's decision; null where there is no such job. */
export async function findDecision(
  client: SqlClient,
  jobId: string,
): Promise<Pick<LockedJob, 'decision' | 'abortCause' | 'decidedAt'> | null> {
  const rows = await client.$queryRaw<LockedJob[]>`
    SELECT decision, abort_cause AS "abortCause", decided_at AS "decidedAt"
    FROM lethe_records.deletion_jobs WHERE job_id = ${jobId}::uuid`;
  return rows[0] ?? null;
}

/**
 * Keeps an open job as it is, beside others who do, and locks one of its services, which is entered where it is new.
 * Null where there is no such job; `service` is null where the job has ended.
 */
export async function lockService(
  client: SqlClient,
  jobId: string,
  name: string,
): Promise<{ readonly job: HeldJob; readonly service: LockedService | null } | null> {
  interface Row extends HeldJob, Omit<LockedService, 'state'> {
    readonly serviceState: LedgerState | null;
  }
  const [row] = await client.$queryRaw<Row[]>`
    WITH job AS MATERIALIZED (
      SELECT tenant_id, status, decision, ended_at FROM lethe_records.deletion_jobs
      WHERE job_id = ${jobId}::uuid FOR SHARE
    ), service AS (
      INSERT INTO lethe_records.deletion_job_services AS s (job_id, name)
      SELECT ${jobId}::uuid, ${name} FROM job WHERE job.ended_at IS NULL
      ON CONFLICT (job_id, name) DO UPDATE SET epoch = s.epoch
      RETURNING s.state, s.epoch, s.stage_requested_at, clock_timestamp() AS now
    )
    SELECT job.tenant_id AS "tenantId", job.status, job.decision, service.state AS "serviceState", service.epoch,
      service.stage_requested_at AS "stageRequestedAt", service.now
    FROM job LEFT JOIN service ON true`;
  if (row === undefined) return null;
  const { serviceState: state, epoch, stageRequestedAt, now, ...job } = row;
  return { job, service: state === null ? null : { state, epoch, stageRequestedAt, now } };
}

/** Changes a job that `lockJob` has locked. */
export async function updateJob(
  client: SqlClient,
  jobId: string,
  assignments: readonly Prisma.Sql[],
): Promise<void> {
  await client.$executeRaw`
    UPDATE lethe_records.deletion_jobs SET ${Prisma.join([...assignments])} WHERE job_id = ${jobId}::uuid`;
}

/** A value for a column of JSON; null is the column's null, not JSON's. */
export function jsonOf(value: unknown): Prisma.Sql {
  return Prisma.sql`${value === null ? null : JSON.stringify(value)}::jsonb`;
}

/** Changes a service of a job that `lockService` has locked. */
export async function updateService(
  client: SqlClient,
  jobId: string,
  name: string,
  assignments: readonly Prisma.Sql[],
): Promise<void> {
  await client.$executeRaw`
    UPDATE lethe_records.deletion_job_services SET ${Prisma.join([...assignments])}
    WHERE job_id = ${jobId}::uuid AND name = ${name}`;
}

/** The compare-and-set: from no decision to this one, and never again. Null where one stood already. */
export async function setDecision(
  client: SqlClient,
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

/** Who halts or resumes waits for every pivot that has begun. */
export const lockHalt = (client: SqlClient) => haltRow(client, Prisma.sql`FOR UPDATE`);

/** Pivots share it: none of them sees no halt while one is being written. */
export const holdHalt = (client: SqlClient) => haltRow(client, Prisma.sql`FOR SHARE`);

async function haltRow(client: SqlClient, lock: Prisma.Sql): Promise<LockedHalt> {
  const rows = await client.$queryRaw<LockedHalt[]>`
    SELECT halted_at AS "haltedAt", halted_by AS "haltedBy", reason, clock_timestamp() AS now
    FROM lethe_records.deletion_halt WHERE id = 1 ${lock}`;
  return only(rows);
}

/** The last lock of a transaction: who counts does so alone. Gives the database's clock. */
export async function lockCap(client: SqlClient): Promise<Date> {
  const rows = await client.$queryRaw<{ now: Date }[]>`
    SELECT clock_timestamp() AS now FROM lethe_records.deletion_cap WHERE id = 1 FOR UPDATE`;
  return only(rows).now;
}

/** What keeps a job back wherever it is, in one look. */
export interface HeldBack {
  readonly decision: Decision | null;
  readonly abortCause: AbortCause | null;
  readonly decidedAt: Date | null;
  readonly waitingFor: unknown;
  readonly haltedAt: Date | null;
  readonly holds: number;
  readonly now: Date;
}

export async function readHeldBack(client: SqlClient, jobId: string): Promise<HeldBack | null> {
  const rows = await client.$queryRaw<HeldBack[]>`
    SELECT j.decision, j.abort_cause AS "abortCause", j.decided_at AS "decidedAt", j.waiting_for AS "waitingFor",
      h.halted_at AS "haltedAt", clock_timestamp() AS now,
      (SELECT count(*)::int FROM lethe_records.legal_holds l
        WHERE l.tenant_id = j.tenant_id AND l.lifted_at IS NULL) AS holds
    FROM lethe_records.deletion_jobs j, lethe_records.deletion_halt h
    WHERE j.job_id = ${jobId}::uuid AND h.id = 1`;
  return rows[0] ?? null;
}

/** Locks a waiver for a change; null where there is none. */
export async function lockWaiver(
  client: SqlClient,
  waiverId: string,
): Promise<{ readonly now: Date } | null> {
  const rows = await client.$queryRaw<{ now: Date }[]>`
    SELECT clock_timestamp() AS now FROM lethe_records.service_waivers
    WHERE waiver_id = ${waiverId}::uuid FOR UPDATE`;
  return rows[0] ?? null;
}

/** As it is stored: its kind is not looked at yet. */
export type ClaimedNotice = Omit<DueNotice, 'kind'> & { readonly kind: string };

/** One copy for each receiver of what is told to nobody in particular: each is told at its own pace. */
export function splitNotices(client: SqlClient, first: string, others: readonly string[]): Promise<number> {
  return client.$executeRaw`
    WITH own AS (
      UPDATE lethe_records.notices SET receiver = ${first}
      WHERE receiver IS NULL AND delivered_at IS NULL AND given_up_at IS NULL
      RETURNING *
    )
    INSERT INTO lethe_records.notices (message_id, stream, receiver, kind, job_id, tenant_id, facts, at)
    SELECT message_id, stream, other, kind, job_id, tenant_id, facts, at
    FROM own CROSS JOIN unnest(${[...others]}::text[]) AS other ORDER BY notice_id`;
}

/**
 * Notices whose time has come, of each stream only the first that was not told. Claimed for a while: nobody else gets
 * them meanwhile, and if whoever has them dies, they are due again after that.
 */
export function claimNotices(
  client: SqlClient,
  limit: number,
  leaseMs: number,
  receivers: readonly string[],
): Promise<ClaimedNotice[]> {
  return client.$queryRaw<ClaimedNotice[]>`
    UPDATE lethe_records.notices n
    SET attempts = n.attempts + 1, next_at = clock_timestamp() + make_interval(secs => ${leaseMs / 1_000}::float8)
    FROM (
      SELECT p.notice_id FROM lethe_records.notices p
      WHERE p.delivered_at IS NULL AND p.given_up_at IS NULL AND p.next_at <= clock_timestamp()
        AND (p.receiver IS NULL OR p.receiver = ANY (${[...receivers]}::text[]))
        AND NOT EXISTS (
          SELECT FROM lethe_records.notices e
          WHERE e.stream = p.stream AND e.receiver IS NOT DISTINCT FROM p.receiver AND e.notice_id < p.notice_id
            AND e.delivered_at IS NULL AND e.given_up_at IS NULL)
      ORDER BY p.notice_id LIMIT ${limit} FOR UPDATE SKIP LOCKED
    ) due
    WHERE n.notice_id = due.notice_id
    RETURNING n.notice_id AS "noticeId", n.message_id::text AS "messageId", n.kind, n.job_id::text AS "jobId",
      n.tenant_id AS "tenantId", n.facts, n.at, n.attempts, n.receiver`;
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

/** Of a statement that gives one row always. */
export function only<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined) throw new Error('A row that was just written is not there.');
  return row;
}
