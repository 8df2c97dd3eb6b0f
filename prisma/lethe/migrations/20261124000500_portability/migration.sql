-- Exports of what is deleted, services that a job goes on without, and what receivers are told.

-- AlterTable
ALTER TABLE "lethe_records"."deletion_jobs" ADD COLUMN     "export" JSONB,
ADD COLUMN     "waivers" JSONB NOT NULL DEFAULT '[]';

-- CreateTable
CREATE TABLE "lethe_records"."service_waivers" (
    "waiver_id" UUID NOT NULL,
    "service" TEXT NOT NULL,
    "job_id" UUID,
    "reason" TEXT NOT NULL,
    "requested_by" TEXT NOT NULL,
    "requested_at" TIMESTAMPTZ(3) NOT NULL,
    "approved_by" TEXT,
    "approved_at" TIMESTAMPTZ(3),
    "withdrawn_by" TEXT,
    "withdrawn_at" TIMESTAMPTZ(3),
    "used_at" TIMESTAMPTZ(3),

    CONSTRAINT "service_waivers_pkey" PRIMARY KEY ("waiver_id")
);

-- CreateTable
CREATE TABLE "lethe_records"."notices" (
    "notice_id" BIGINT GENERATED ALWAYS AS IDENTITY,
    "message_id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "stream" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "job_id" UUID,
    "tenant_id" TEXT NOT NULL,
    "facts" JSONB NOT NULL DEFAULT '{}',
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "last_error" TEXT,
    "delivered_at" TIMESTAMPTZ(3),
    "given_up_at" TIMESTAMPTZ(3),

    CONSTRAINT "notices_pkey" PRIMARY KEY ("notice_id")
);

-- CreateIndex
CREATE INDEX "service_waivers_service_requested_at_idx" ON "lethe_records"."service_waivers"("service", "requested_at");

-- CreateIndex
CREATE INDEX "notices_at_idx" ON "lethe_records"."notices"("at");


-- What follows is beyond Prisma's schema language.

-- Exports that have to be removed, and notices that are still to be told, are few among many.
CREATE INDEX "deletion_jobs_kept_export_idx" ON "lethe_records"."deletion_jobs"((("export" ->> 'state')))
    WHERE "export" ->> 'state' = 'made';
CREATE INDEX "notices_pending_idx" ON "lethe_records"."notices"("stream", "notice_id")
    WHERE "delivered_at" IS NULL AND "given_up_at" IS NULL;

-- Nobody approves what they asked for themselves, whoever writes.
ALTER TABLE "lethe_records"."service_waivers"
    ADD CONSTRAINT "service_waivers_two_people_check" CHECK (
        ("approved_by" IS NULL) = ("approved_at" IS NULL) AND "approved_by" IS DISTINCT FROM "requested_by"
    ),
    ADD CONSTRAINT "service_waivers_withdrawn_check" CHECK (("withdrawn_by" IS NULL) = ("withdrawn_at" IS NULL));

-- What two persons have said, and what was done by it, is never taken back, whoever writes.
CREATE FUNCTION "lethe_records"."keep_waiver"() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (OLD.approved_at IS NOT NULL AND (NEW.approved_by, NEW.approved_at) IS DISTINCT FROM (OLD.approved_by, OLD.approved_at))
        OR (OLD.withdrawn_at IS NOT NULL
            AND (NEW.withdrawn_by, NEW.withdrawn_at) IS DISTINCT FROM (OLD.withdrawn_by, OLD.withdrawn_at))
        OR (OLD.used_at IS NOT NULL AND NEW.used_at IS DISTINCT FROM OLD.used_at) THEN
        RAISE EXCEPTION 'What was said of waiver % stays.', OLD.waiver_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER "keep_waiver" BEFORE UPDATE ON "lethe_records"."service_waivers"
    FOR EACH ROW EXECUTE FUNCTION "lethe_records"."keep_waiver"();

CREATE FUNCTION "lethe_records"."keep_waivers"() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT NEW.waivers @> OLD.waivers THEN
        RAISE EXCEPTION 'Job % has gone on without a service; that stays in its record.', OLD.job_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER "keep_waivers" BEFORE UPDATE OF "waivers" ON "lethe_records"."deletion_jobs"
    FOR EACH ROW EXECUTE FUNCTION "lethe_records"."keep_waivers"();

REVOKE ALL ON FUNCTION "lethe_records"."keep_waiver"(), "lethe_records"."keep_waivers"() FROM PUBLIC;

-- Whoever changes where a job stands tells of it in the same transaction: one may forget to, a trigger does not.
-- The job's row is locked by then, so the notices of a job are in its order.
CREATE FUNCTION "lethe_records"."tell_of_job"() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO lethe_records.notices (stream, kind, job_id, tenant_id, facts)
    VALUES (
        NEW.job_id::text,
        CASE
            WHEN NEW.ended_at IS NOT NULL THEN 'deletion_job.ended'
            WHEN NEW.status = 'needs_attention' THEN 'deletion_job.needs_attention'
            WHEN NEW.status = 'waiting' THEN 'deletion_job.waiting'
            ELSE 'deletion_job.status_changed'
        END,
        NEW.job_id,
        NEW.tenant_id,
        jsonb_build_object('status', NEW.status, 'phase', NEW.phase, 'waiting_for', NEW.waiting_for -> 'kind')
    );
    RETURN NULL;
END
$$;

CREATE TRIGGER "tell_of_job" AFTER UPDATE OF "status", "waiting_for" ON "lethe_records"."deletion_jobs"
    FOR EACH ROW WHEN (
        NEW.status IS DISTINCT FROM OLD.status
        OR (NEW.status = 'waiting' AND (NEW.waiting_for -> 'kind') IS DISTINCT FROM (OLD.waiting_for -> 'kind'))
    ) EXECUTE FUNCTION "lethe_records"."tell_of_job"();

REVOKE ALL ON FUNCTION "lethe_records"."tell_of_job"() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "lethe_records"."tell_of_job"() TO "lethe_records";
GRANT UPDATE ("export", "waivers") ON "lethe_records"."deletion_jobs" TO "lethe_records";
GRANT SELECT, INSERT ON "lethe_records"."service_waivers" TO "lethe_records";
GRANT UPDATE ("approved_by", "approved_at", "withdrawn_by", "withdrawn_at", "used_at")
    ON "lethe_records"."service_waivers" TO "lethe_records";
-- What was told long ago is of no use to anybody; the audit trail is elsewhere.
GRANT SELECT, INSERT, DELETE ON "lethe_records"."notices" TO "lethe_records";
GRANT UPDATE ("attempts", "next_at", "last_error", "delivered_at", "given_up_at")
    ON "lethe_records"."notices" TO "lethe_records";
