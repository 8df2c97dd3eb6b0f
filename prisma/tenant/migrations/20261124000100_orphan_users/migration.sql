-- Users whose only tenant goes: policy and numbers, kept with the job. That the service may delete them is a right which
-- nobody has by this migration; docs/what-is-erased.md has the grant.

-- AlterTable
ALTER TABLE "lethe_tenant"."deletion_ledger" ADD COLUMN     "orphan_users" JSONB,
ADD COLUMN     "plan_hash" TEXT;

-- AlterTable
ALTER TABLE "lethe_tenant"."tenant_suspensions" ADD COLUMN     "orphan_policy" TEXT;
