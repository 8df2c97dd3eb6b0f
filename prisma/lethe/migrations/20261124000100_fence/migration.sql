-- What keeps late writes out of a service while a tenant is erased, as its manifest said at the check.
ALTER TABLE "lethe_records"."deletion_job_services" ADD COLUMN "fence" TEXT;

GRANT UPDATE ("fence") ON "lethe_records"."deletion_job_services" TO "lethe_records";
