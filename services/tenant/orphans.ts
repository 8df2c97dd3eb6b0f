/** Users whose only tenant goes. They are people with accounts of their own: the policy says what becomes of them. */
import {
  type Finding,
  type OrphanPolicy,
  type OrphanUsers,
  orphanPolicy,
  orphanUsers,
} from '../../protocol/participant.js';
import type { Tables } from './database.js';
import {
  countOrphans,
  deleteMembersAndCount,
  deleteMembersAndOrphans,
  lockOrphans,
  lockUsersOf,
} from './sql.js';

export const USERS = 'tenant.users';

export interface MembersGone {
  readonly members: number;
  readonly orphans: OrphanUsers;
}

/**
 * Deletes the tenant's memberships, and counts or deletes who was a member of this tenant alone. Under the lock of the
 * tenant's row.
 */
export async function deleteMembers(
  tables: Tables,
  tenantId: string,
  policy: OrphanPolicy,
): Promise<MembersGone> {
  await lockOrphans(tables);
  if (policy === 'delete') {
    // Whoever makes somebody a member locks the user's row: they come before this lock, and are seen, or wait.
    await lockUsersOf(tables, tenantId);
    const { members, users } = await deleteMembersAndOrphans(tables, tenantId);
    return { members, orphans: { policy, found: users, deleted: users } };
  }
  const { members, users } = await deleteMembersAndCount(tables, tenantId);
  return { members, orphans: { policy, found: users, deleted: 0 } };
}

/**
 * By which policy a job purges. Nobody is deleted whom the job did not say to delete when it suspended the tenant: that is
 * what was shown and approved, and the configuration may be another one by now.
 */
export async function policyOfJob(
  tables: Tables,
  key: { readonly tenantId: string; readonly jobId: string },
  configured: OrphanPolicy,
): Promise<OrphanPolicy> {
  if (configured !== 'delete') return configured;
  const suspension = await tables.tenantSuspension.findUnique({
    where: { tenantId_jobId: { ...key } },
    select: { orphanPolicy: true },
  });
  // A job that suspends nobody erases again what came back.
  if (suspension === null) return configured;
  const shown = orphanPolicy.safeParse(suspension.orphanPolicy);
  return shown.success ? shown.data : 'report';
}

export function noMembers(policy: OrphanPolicy): MembersGone {
  return { members: 0, orphans: { policy, found: 0, deleted: 0 } };
}

/** Told before, and what was found now: a repeated purge gives the same numbers, rows from a backup are added. */
export function addedOrphans(before: unknown, now: OrphanUsers): OrphanUsers {
  const earlier = readOrphans(before);
  if (earlier === null) return now;
  return {
    policy: now.policy,
    found: earlier.found + now.found,
    deleted: earlier.deleted + now.deleted,
  };
}

/** As the ledger has it. */
export function readOrphans(stored: unknown): OrphanUsers | null {
  const parsed = orphanUsers.safeParse(stored);
  return parsed.success ? parsed.data : null;
}

const WHAT_BECOMES: Readonly<Record<OrphanPolicy, string>> = {
  report: 'They keep their accounts, and the number is told.',
  delete: 'They are deleted with it.',
  keep: 'They keep their accounts.',
};
const REMEDIES: Readonly<Record<OrphanPolicy, string>> = {
  report:
    'Decide what becomes of people without a tenant: ORPHAN_USERS of the tenant service (docs/what-is-erased.md).',
  delete:
    'Nothing, if they should go. Who should stay has to be a member of another tenant before the purge.',
  keep: 'Nothing, if they should stay.',
};

/** What the preview says of them; nothing where there are none. */
export async function orphanFindings(
  tables: Tables,
  tenantId: string,
  policy: OrphanPolicy,
): Promise<{ found: number; findings: Finding[] }> {
  const found = await countOrphans(tables, tenantId);
  if (found === 0) return { found, findings: [] };
  const members = found === 1 ? 'One member is a user' : `${found} members are users`;
  const finding: Finding = {
    code: 'orphan_users',
    severity: 'info',
    table: USERS,
    privilege: null,
    message: `${members} of no other tenant. ${WHAT_BECOMES[policy]}`,
    remedy: REMEDIES[policy],
  };
  return { found, findings: [finding] };
}
