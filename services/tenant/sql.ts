/** What Prisma has no words for: row locks, and PostgreSQL's own view of running transactions. */
import type { Tables } from './database.js';

/**
 * Locks these tenants' rows until the transaction ends, always in the same order, and gives the ids of those that
 * exist. Whoever adds a member takes a key-share lock on the tenant, so nobody joins meanwhile.
 */
export async function lockTenants(tables: Tables, tenantIds: readonly string[]): Promise<string[]> {
  const rows = await tables.$queryRaw<{ id: string }[]>`
    SELECT id::text FROM tenant.tenants WHERE id = ANY (${[...tenantIds]}::uuid[]) ORDER BY id FOR UPDATE`;
  return rows.map(({ id }) => id);
}

/**
 * One purge at a time looks for users whose only tenant goes: of two tenants that go at once and share a user, the
 * second sees what the first has done. Ends with the transaction.
 */
export async function lockOrphans(tables: Tables): Promise<void> {
  await tables.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('lethe_tenant orphan users', 0))`;
}

/** Locks the rows of the tenant's members as users: nobody makes one of them a member anywhere meanwhile. */
export async function lockUsersOf(tables: Tables, tenantId: string): Promise<void> {
  await tables.$executeRaw`
    SELECT FROM tenant.users WHERE id IN (SELECT user_id FROM tenant.tenant_members WHERE tenant_id = ${tenantId}::uuid)
    ORDER BY id FOR UPDATE`;
}

/** How many members of this tenant are in no other one. */
export async function countOrphans(tables: Tables, tenantId: string): Promise<number> {
  const [counted] = await tables.$queryRaw<{ users: number }[]>`
    SELECT count(*)::int AS users FROM tenant.tenant_members here
    WHERE tenant_id = ${tenantId}::uuid AND NOT EXISTS (
      SELECT FROM tenant.tenant_members WHERE user_id = here.user_id AND tenant_id <> here.tenant_id)`;
  return counted?.users ?? 0;
}

/** Deletes the tenant's memberships, and counts the users who are members of no other tenant. */
export async function deleteMembersAndCount(
  tables: Tables,
  tenantId: string,
): Promise<{ members: number; users: number }> {
  const [deleted] = await tables.$queryRaw<{ members: number; users: number }[]>`
    WITH members AS (
      DELETE FROM tenant.tenant_members WHERE tenant_id = ${tenantId}::uuid RETURNING user_id
    )
    SELECT count(*)::int AS members, (count(*) FILTER (WHERE NOT EXISTS (
      SELECT FROM tenant.tenant_members other
      WHERE other.user_id = members.user_id AND tenant_id <> ${tenantId}::uuid)))::int AS users
    FROM members`;
  return deleted ?? { members: 0, users: 0 };
}

/** Deletes the tenant's memberships and, in the same statement, the users who are members of no other tenant. */
export async function deleteMembersAndOrphans(
  tables: Tables,
  tenantId: string,
): Promise<{ members: number; users: number }> {
  const [deleted] = await tables.$queryRaw<{ members: number; users: number }[]>`
    WITH members AS (
      DELETE FROM tenant.tenant_members WHERE tenant_id = ${tenantId}::uuid RETURNING user_id
    ), users AS (
      DELETE FROM tenant.users USING members WHERE id = members.user_id AND NOT EXISTS (
        SELECT FROM tenant.tenant_members other WHERE other.user_id = id AND tenant_id <> ${tenantId}::uuid)
      RETURNING id
    )
    SELECT (SELECT count(*) FROM members)::int AS members, (SELECT count(*) FROM users)::int AS users`;
  return deleted ?? { members: 0, users: 0 };
}

/** Takes the job's horizon where it has none: a transaction id later than the commit of its tombstone. */
export async function takeHorizon(tables: Tables, tenantId: string, jobId: string): Promise<void> {
  await tables.$executeRaw`
    UPDATE lethe_tenant.deletion_ledger SET horizon = pg_current_xact_id()::text
    WHERE tenant_id = ${tenantId}::uuid AND job_id = ${jobId}::uuid AND state = 'purged' AND horizon IS NULL`;
}

/** Whether everything that began before the horizon is over, and who still stands before it. */
export interface HorizonView {
  readonly passed: boolean;
  readonly oldestStart: Date | null;
  readonly blockers: readonly string[];
}

/**
 * A writer without a transaction id, under REPEATABLE READ, may write later by its old snapshot: so snapshots count
 * (`backend_xmin`), beside running ids, prepared ones among them. Ids are the whole cluster's; those that are known
 * to run in another database write nothing here.
 */
export async function viewHorizon(tables: Tables, horizon: string): Promise<HorizonView> {
  const [view] = await tables.$queryRaw<
    { passed: boolean; oldest_start: Date | null; blockers: string[] | null }[]
  >`
    WITH horizon AS MATERIALIZED (
      SELECT ${horizon}::text::xid8 AS full_id, (${horizon}::numeric % 4294967296)::text::xid AS id,
        pg_current_snapshot() AS snapshot
    ), older AS (
      SELECT format('pid %s (user %s)', pid, usename) AS blocker, xact_start
      FROM pg_stat_activity, horizon
      WHERE pid <> pg_backend_pid() AND datname = current_database()
        AND (age(backend_xmin) > age(horizon.id) OR age(backend_xid) > age(horizon.id))
      UNION ALL
      SELECT format('a prepared transaction of %s (see pg_prepared_xacts)', owner), prepared
      FROM pg_prepared_xacts, horizon
      WHERE database = current_database() AND age(transaction) > age(horizon.id)
    ), unknown AS (
      SELECT FROM horizon, pg_snapshot_xip(horizon.snapshot) AS running(id)
      WHERE running.id < full_id
        AND NOT EXISTS (SELECT FROM pg_stat_activity
          WHERE backend_xid = running.id::xid AND datname <> current_database())
        AND NOT EXISTS (SELECT FROM pg_prepared_xacts
          WHERE transaction = running.id::xid AND database <> current_database())
    )
    SELECT pg_snapshot_xmax(snapshot) >= full_id AND NOT EXISTS (SELECT FROM older)
        AND NOT EXISTS (SELECT FROM unknown) AS passed,
      (SELECT min(xact_start) FROM older) AS oldest_start,
      (SELECT array_agg(blocker) FROM (SELECT blocker FROM older ORDER BY xact_start LIMIT 50) first) AS blockers
    FROM horizon`;
  return {
    passed: view?.passed ?? false,
    oldestStart: view?.oldest_start ?? null,
    blockers: view?.blockers ?? [],
  };
}

/** What the deletion needs of this service's role, and has not. */
export interface MissingPrivilege {
  readonly role: string;
  readonly table: string;
  readonly privilege: string;
}

export function missingPrivileges(
  tables: Tables,
  needed: Readonly<Record<string, readonly string[]>>,
): Promise<MissingPrivilege[]> {
  const wanted = Object.entries(needed).flatMap(([table, privileges]) =>
    privileges.map((privilege) => ({ table, privilege })),
  );
  return tables.$queryRaw`
    SELECT current_user::text AS role, wanted."table", wanted.privilege
    FROM unnest(${wanted.map((one) => one.table)}::text[], ${wanted.map((one) => one.privilege)}::text[])
      AS wanted("table", privilege)
    WHERE NOT has_table_privilege(wanted."table", wanted.privilege)`;
}
