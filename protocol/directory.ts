/** What the tenant directory is asked beyond the deletion protocol. */
import { z } from 'zod';
import { jobId, rowCount, tenantId, timestamp, userId } from './common.js';

export const memberRole = z.enum(['owner', 'admin', 'member']);
export type MemberRole = z.infer<typeof memberRole>;

export const directoryTenant = z.strictObject({
  tenant_id: tenantId,
  name: z.string().max(500),
  status: z.enum(['active', 'suspended']),
  owner_user_id: userId,
  admin_user_ids: z.array(userId).max(1000),
  created_at: timestamp,
  /** Users of the tenant, whatever their role; a directory that does not count them leaves it out. */
  members: rowCount.optional(),
  /** When somebody of the tenant was last active; null where nobody ever was. */
  last_activity_at: timestamp.nullable().optional(),
});
export type DirectoryTenant = z.infer<typeof directoryTenant>;

/** Kept per job; a job that lifted its suspension cannot set it again. */
export const suspensionRequest = z.strictObject({ job_id: jobId, suspended: z.boolean() });
export const suspensionState = z.strictObject({
  tenant_id: tenantId,
  job_id: jobId,
  suspended: z.boolean(),
});
export type SuspensionState = z.infer<typeof suspensionState>;

export const transferOwnershipRequest = z.strictObject({ new_owner_user_id: userId });

export const tenantAdmins = z.strictObject({
  tenant_id: tenantId,
  admins: z
    .array(z.strictObject({ user_id: userId, role: z.enum(['owner', 'admin']), since: timestamp }))
    .max(1000),
});
export type TenantAdmins = z.infer<typeof tenantAdmins>;

/** Who gets the tenants of which the leaving user is the only owner. */
export const removeMembershipsQuery = z.strictObject({ transfer_ownership_to: userId.optional() });
export const removedMemberships = z.strictObject({
  user_id: userId,
  removed: z.array(z.strictObject({ tenant_id: tenantId, role: memberRole })).max(100_000),
  transferred: z.array(z.strictObject({ tenant_id: tenantId, new_owner_user_id: userId })).max(100_000),
});
export type RemovedMemberships = z.infer<typeof removedMemberships>;
