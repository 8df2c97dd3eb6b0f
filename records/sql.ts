/** The SQL that Prisma cannot say: locks, compare-and-set. All of `records/`'s stands here. */
import type pg from 'pg';
import type { AbortCause, Decision, JobPhase, JobStatus } from '../protocol/jobs.js';
import type { LedgerState } from '../protocol/participant.js';
import type { Client } from './database.js';
import { Prisma } from './generated/client.js';
import type { DueNotice } from './portability-types.js';

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
      start_at AS "startAt", ended_at AS "endedAt", epoch, write_number AS "writeNumber",
      waiting_for AS "waitingFor", approval_required AS "approvalRequired", approval_hash AS "approvalHash",
      approval_basis AS "approvalBasis", cap_slot_at AS "capSlotAt", clock_timestamp() AS now
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

/** Who halts or resumes waits for every pivot that has begun. */
export const lockHalt = (client: Client) => haltRow(client, Prisma.sql`FOR UPDATE`);

/** Pivots share it: none of them sees no halt while one is being written. */
export const holdHalt = (client: Client) => haltRow(client, Prisma.sql`FOR SHARE`);

async function haltRow(client: Client, lock: Prisma.Sql): Promise<LockedHalt> {
  const rows = await client.$queryRaw<LockedHalt[]>`
    SELECT halted_at AS "haltedAt", halted_by AS "haltedBy", reason, clock_timestamp() AS now
    FROM lethe_records.deletion_halt WHERE id = 1 ${lock}`;
  return only(rows);
}

/** The last lock of a transaction: who counts does so alone. Gives the database's clock. */
export async function lockCap(client: Client): Promise<Date> {
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

export async function readHeldBack(client: Client, jobId: string): Promise<HeldBack | null> {
  const rows = await client.$queryRaw<HeldBack[]>`
    SELECT j.decision, j.abort_cause AS "abortCause", j.decided_at AS "decidedAt", j.waiting_for AS "waitingFor",
      h.halted_at AS "haltedAt", clock_timestamp() AS now,
      (SELECT count(*)::int FROM lethe_records.legal_holds l
        WHERE l.tenant_id = j.tenant_id AND l.lifted_at IS NULL) AS holds
    FROM lethe_records.deletion_jobs j, lethe_records.deletion_halt h
    WHERE j.job_id = ${jobId}::uuid AND h.id = 1`;
  return rows[0] ?? null;
}

export interface LockedChain {
  readonly chain: string;
  readonly length: bigint;
  readonly hash: string;
  readonly now: Date;
}

/** Locks the head of the chain that an event of this job or tenant belongs to. The last lock of a transaction. */
export async function lockChain(
  client: Client,
  jobId: string | null,
  tenantId: string | null,
): Promise<LockedChain> {
  const rows = await client.$queryRaw<LockedChain[]>`
    SELECT chain, length, hash, now FROM lethe_records.lock_audit_chain(${jobId}::uuid, ${tenantId})`;
  return only(rows);
}

/** The pseudonym of a user, made where there is none. */
export async function pseudonymOf(client: Client, userId: string): Promise<string> {
  const rows = await client.$queryRaw<{ pseudonym: string }[]>`
    SELECT lethe_records.pseudonym_of(${userId}) AS pseudonym`;
  return only(rows).pseudonym;
}

/** Null where nobody knows the user. */
export async function forgetPerson(client: Client, userId: string): Promise<string | null> {
  const rows = await client.$queryRaw<{ pseudonym: string | null }[]>`
    SELECT lethe_records.forget_person(${userId}) AS pseudonym`;
  return only(rows).pseudonym;
}

/** Marks every chain that has grown as signed, at the length that it has now, and gives these. */
export async function markChainsSigned(
  client: Client,
): Promise<{ chain: string; length: bigint; hash: string }[]> {
  return client.$queryRaw`
    UPDATE lethe_records.audit_chains SET signed_length = length, signed_hash = hash
    WHERE length > signed_length AND removed_at IS NULL RETURNING chain, length, hash`;
}

export interface RemovedRecords {
  readonly jobs: bigint;
  readonly events: bigint;
  readonly certificates: bigint;
}

export async function removeOld(
  client: Client,
  before: Date,
  certificatesBefore: Date | null,
): Promise<RemovedRecords> {
  const rows = await client.$queryRaw<RemovedRecords[]>`
    SELECT jobs, events, certificates FROM lethe_records.remove_old_records(${before}, ${certificatesBefore})`;
  return only(rows);
}

/** Locks a waiver for a change; null where there is none. */
export async function lockWaiver(client: Client, waiverId: string): Promise<{ readonly now: Date } | null> {
  const rows = await client.$queryRaw<{ now: Date }[]>`
    SELECT clock_timestamp() AS now FROM lethe_records.service_waivers
    WHERE waiver_id = ${waiverId}::uuid FOR UPDATE`;
  return rows[0] ?? null;
}

/** As it is stored: its kind is not looked at yet. */
export type ClaimedNotice = Omit<DueNotice, 'kind'> & { readonly kind: string };

/** One copy for each receiver of what is told to nobody in particular: each is told at its own pace. */
export function splitNotices(client: Client, first: string, others: readonly string[]): Promise<number> {
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
  client: Client,
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

function only<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined) throw new Error('A row that was just written is not there.');
  return row;
}
