/**
 * The directory's own part of a deletion: the tenant's row and its memberships, last of all. It cannot stage: until
 * then the tenant stays in place, suspended, so that its owner can look, cancel and come back. Users are people with
 * accounts of their own: they stay, or where their only tenant goes, as the policy says.
 */
import { createHash } from 'node:crypto';
import type {
  DeletionPreview,
  DeletionStatus,
  Finding,
  OrphanPolicy,
  Verification,
} from '../../protocol/participant.js';
import type { Tables, TenantDatabase } from './database.js';
import {
  addedOrphans,
  deleteMembers,
  noMembers,
  orphanFindings,
  policyOfJob,
  readOrphans,
  USERS,
} from './orphans.js';
import { lockTenants, missingPrivileges, takeHorizon, viewHorizon } from './sql.js';
import { checkTenantId } from './tenants.js';

export const TENANTS = 'tenant.tenants';
export const MEMBERS = 'tenant.tenant_members';
/** What keeps late rows of a tenant out who is gone. */
export const FENCE = 'trigger';

const PLAN = [
  { table: MEMBERS, action: 'delete', owned_by: 'tenant.tenant_members.tenant_id' },
  { table: TENANTS, action: 'delete', owned_by: 'tenant.tenants.id' },
] as const;
const PLAN_OF_USERS = {
  table: USERS,
  action: 'delete',
  owned_by: 'members of this tenant and of no other',
} as const;

/** What a deletion does, table by table. */
export function planOf(policy: OrphanPolicy): readonly ((typeof PLAN)[number] | typeof PLAN_OF_USERS)[] {
  return policy === 'delete' ? [...PLAN, PLAN_OF_USERS] : PLAN;
}

export function planHash(policy: OrphanPolicy): string {
  return createHash('sha256')
    .update(JSON.stringify(planOf(policy)))
    .digest('hex');
}

const NEEDED = {
  [MEMBERS]: ['SELECT', 'DELETE'],
  // UPDATE is what locking a row asks for.
  [TENANTS]: ['SELECT', 'UPDATE', 'DELETE'],
  'lethe_tenant.deletion_ledger': ['SELECT', 'INSERT', 'UPDATE'],
  'lethe_tenant.tenant_tombstones': ['SELECT', 'INSERT', 'UPDATE'],
} as const;
/** Deleting users is a right that the role has only where somebody gave it. */
const NEEDED_OF_USERS = { [USERS]: ['SELECT', 'UPDATE', 'DELETE'] } as const;

/** What would stop the deletion when it comes to it, after everything else is gone. */
export async function findings(tables: Tables, policy: OrphanPolicy): Promise<Finding[]> {
  const needed = { ...NEEDED, ...(policy === 'delete' && NEEDED_OF_USERS) };
  const missing = await missingPrivileges(tables, needed);
  return missing.map(({ role, table, privilege }) => ({
    code: 'privilege_missing',
    severity: 'refusal',
    table,
    privilege,
    message: `The role ${role} lacks ${privilege} on ${table}, which it needs to delete the tenant.`,
    remedy: `GRANT ${privilege} ON ${table} TO ${role};`,
  }));
}

type Counts = Readonly<Record<string, number>>;

async function liveRows(tables: Tables, tenantId: string): Promise<Counts> {
  const [members, tenants] = await Promise.all([
    tables.tenantMember.count({ where: { tenantId } }),
    tables.tenant.count({ where: { id: tenantId } }),
  ]);
  return { [MEMBERS]: members, [TENANTS]: tenants };
}

function sumOf(counts: Counts): number {
  return Object.values(counts).reduce((sum, rows) => sum + rows, 0);
}

export async function preview(
  tables: Tables,
  service: string,
  tenantId: string,
  policy: OrphanPolicy,
): Promise<DeletionPreview> {
  checkTenantId(tenantId);
  const [live, orphans, found] = await Promise.all([
    liveRows(tables, tenantId),
    orphanFindings(tables, tenantId, policy),
    findings(tables, policy),
  ]);
  const rows = { ...live, ...(policy === 'delete' && { [USERS]: orphans.found }) };
  return {
    tenant_id: tenantId,
    service_name: service,
    plan_hash: planHash(policy),
    reversible: false,
    fence: FENCE,
    total_rows: sumOf(rows),
    tables: planOf(policy).map((planned) => ({ ...planned, rows: (rows as Counts)[planned.table] ?? 0 })),
    findings: [...found, ...orphans.findings],
  };
}

/**
 * Deletes, and leaves the tombstone and the counts with it, in one transaction. Asked again it finds nothing, or
 * what a backup brought back, and adds that to the counts.
 */
export function purge(
  database: TenantDatabase,
  tenantId: string,
  jobId: string,
  configured: OrphanPolicy,
): Promise<void> {
  checkTenantId(tenantId);
  return database.transaction(async (tables) => {
    const policy = await policyOfJob(tables, { tenantId, jobId }, configured);
    const [existing] = await lockTenants(tables, [tenantId]);
    const where = { tenantId_jobId: { tenantId, jobId } };
    const earlier = await tables.deletionLedger.findUnique({ where });
    // Without the tenant's row there can be no member.
    const { members, orphans } =
      existing === undefined ? noMembers(policy) : await deleteMembers(tables, tenantId, policy);
    const tenants = await tables.tenant.deleteMany({ where: { id: tenantId } });
    const found = members + tenants.count;
    if (earlier !== null && found === 0) return;
    const before = countsOf(earlier?.counts);
    const users = (before[USERS] ?? 0) + orphans.deleted;
    const counts = {
      [MEMBERS]: (before[MEMBERS] ?? 0) + members,
      [TENANTS]: (before[TENANTS] ?? 0) + tenants.count,
      ...((policy === 'delete' || users > 0) && { [USERS]: users }),
    };
    const orphanUsers = addedOrphans(earlier?.orphanUsers, orphans);
    await tables.deletionLedger.upsert({
      where,
      create: {
        tenantId,
        jobId,
        state: 'purged',
        planHash: planHash(policy),
        counts,
        orphanUsers,
        purgedAt: new Date(),
      },
      // Whatever brought rows back may have begun after the horizon that was taken.
      update: { counts, orphanUsers, horizon: null },
    });
    await tables.tenantTombstone.upsert({ where: { tenantId }, create: { tenantId, jobId }, update: {} });
  });
}

/** The id may be given to somebody new: what was done with it before stays in the ledger. */
export async function releaseTombstone(tables: Tables, tenantId: string): Promise<number> {
  checkTenantId(tenantId);
  const { count } = await tables.tenantTombstone.deleteMany({ where: { tenantId } });
  return count;
}

export async function status(
  tables: Tables,
  service: string,
  tenantId: string,
  jobId: string,
): Promise<DeletionStatus> {
  checkTenantId(tenantId);
  const row = await tables.deletionLedger.findUnique({ where: { tenantId_jobId: { tenantId, jobId } } });
  const counts = countsOf(row?.counts);
  const orphans = readOrphans(row?.orphanUsers);
  return {
    tenant_id: tenantId,
    job_id: jobId,
    service_name: service,
    state: row === null ? 'absent' : 'purged',
    plan_hash: row?.planHash ?? null,
    tables: Object.entries(counts).map(([table, rows]) => ({ table, rows })),
    rows_done: sumOf(counts),
    rows_total: row === null ? null : sumOf(counts),
    waiting_for: null,
    staged_at: null,
    restored_at: null,
    purged_at: row?.purgedAt?.toISOString() ?? null,
    restorable: null,
    ...(orphans !== null && { orphan_users: orphans }),
  };
}

/** What is left. With a job that was purged, it also says whether every writer from before its tombstone is gone. */
export async function verify(
  tables: Tables,
  service: string,
  tenantId: string,
  jobId: string | null,
): Promise<Verification> {
  checkTenantId(tenantId);
  const { horizon, passed, waitingFor } = await horizonOf(tables, tenantId, jobId);
  // Counted after the look at the horizon: who was older is seen here, too.
  const left = await liveRows(tables, tenantId);
  return {
    tenant_id: tenantId,
    job_id: jobId,
    service_name: service,
    clean: sumOf(left) === 0,
    rows_left: sumOf(left),
    tables: Object.entries(left).map(([table, rows]) => ({ table, live_rows: rows, archived_rows: 0 })),
    horizon,
    horizon_passed: passed,
    waiting_for: waitingFor,
    verified_at: new Date().toISOString(),
  };
}

async function horizonOf(
  tables: Tables,
  tenantId: string,
  jobId: string | null,
): Promise<{ horizon: string | null; passed: boolean; waitingFor: Verification['waiting_for'] }> {
  if (jobId === null) return { horizon: null, passed: false, waitingFor: null };
  await takeHorizon(tables, tenantId, jobId);
  const row = await tables.deletionLedger.findUnique({ where: { tenantId_jobId: { tenantId, jobId } } });
  const horizon = row?.horizon ?? null;
  if (horizon === null) return { horizon, passed: false, waitingFor: null };
  const { passed, oldestStart, blockers } = await viewHorizon(tables, horizon);
  const waitingFor = passed
    ? null
    : {
        kind: 'older_transaction' as const,
        since: (oldestStart ?? new Date()).toISOString(),
        reason: 'A transaction from before the tombstone is still open and could write.',
        blockers: [...blockers],
      };
  return { horizon, passed, waitingFor };
}

function countsOf(stored: unknown): Counts {
  if (typeof stored !== 'object' || stored === null) return {};
  return Object.fromEntries(
    Object.entries(stored).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
}
