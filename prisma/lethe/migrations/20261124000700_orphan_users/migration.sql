-- Users whose only tenant went, as its directory told: policy and numbers, nobody by id.

-- AlterTable
ALTER TABLE "lethe_records"."deletion_job_services" ADD COLUMN     "orphan_users" JSONB;

GRANT UPDATE ("orphan_users") ON "lethe_records"."deletion_job_services" TO "lethe_records";
