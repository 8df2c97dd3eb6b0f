/** The SQL of the audit trail: chains and their heads, pseudonyms, the end of what is too old. */
import type { AuditEntry } from '../proof/audit-chain.js';
import { only } from './sql.js';
import type { SqlClient } from './sql-client.js';

export interface LockedChain {
  readonly chain: string;
  readonly length: bigint;
  readonly hash: string;
  readonly now: Date;
}

/** Locks the head of the chain that an event of this job or tenant belongs to. The last lock of a transaction. */
export async function lockChain(
  client: SqlClient,
  jobId: string | null,
  tenantId: string | null,
): Promise<LockedChain> {
  const rows = await client.$queryRaw<LockedChain[]>`
    SELECT chain, length, hash, now FROM lethe_records.lock_audit_chain(${jobId}::uuid, ${tenantId})`;
  return only(rows);
}

/** Appends an event to its chain, whose head is locked. */
export async function insertEvent(client: SqlClient, event: AuditEntry): Promise<void> {
  const { kind, id, role } = event.actor;
  await client.$executeRaw`
    INSERT INTO lethe_records.audit_events (chain, position, at, action, actor_kind, actor_id, actor_role,
      request_id, job_id, tenant_id, details, previous_hash, hash)
    VALUES (${event.chain}, ${event.position}::bigint, ${event.at}::timestamptz, ${event.action},
      ${kind}::lethe_records.actor_kind, ${id}, ${role}, ${event.request_id}, ${event.job_id}::uuid,
      ${event.tenant_id}, ${JSON.stringify(event.details)}::jsonb, ${event.previous_hash}, ${event.hash})`;
}

/** The pseudonym of a user, made where there is none. */
export async function pseudonymOf(client: SqlClient, userId: string): Promise<string> {
  const rows = await client.$queryRaw<{ pseudonym: string }[]>`
    SELECT lethe_records.pseudonym_of(${userId}) AS pseudonym`;
  return only(rows).pseudonym;
}

/** Null where nobody knows the user. */
export async function forgetPerson(client: SqlClient, userId: string): Promise<string | null> {
  const rows = await client.$queryRaw<{ pseudonym: string | null }[]>`
    SELECT lethe_records.forget_person(${userId}) AS pseudonym`;
  return only(rows).pseudonym;
}

/** Marks every chain that has grown as signed, at the length that it has now, and gives these. */
export async function markChainsSigned(
  client: SqlClient,
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
  client: SqlClient,
  before: Date,
  certificatesBefore: Date | null,
): Promise<RemovedRecords> {
  const rows = await client.$queryRaw<RemovedRecords[]>`
    SELECT jobs, events, certificates FROM lethe_records.remove_old_records(${before}, ${certificatesBefore})`;
  return only(rows);
}
