-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "lethe_records";

-- CreateEnum
CREATE TYPE "lethe_records"."job_status" AS ENUM ('pending', 'in_progress', 'waiting', 'needs_attention', 'compensating', 'completed', 'compensated', 'cancelled', 'refused');

-- CreateEnum
CREATE TYPE "lethe_records"."job_phase" AS ENUM ('open', 'date', 'check', 'approval', 'suspend', 'stage', 'export', 'window', 'pivot', 'purge', 'directory', 'verify', 'restore', 'ended');

-- CreateEnum
CREATE TYPE "lethe_records"."decision" AS ENUM ('abort', 'proceed');

-- CreateEnum
CREATE TYPE "lethe_records"."abort_cause" AS ENUM ('cancel', 'failure', 'refusal');

-- CreateEnum
CREATE TYPE "lethe_records"."service_role" AS ENUM ('participant', 'tenant_directory');

-- CreateEnum
CREATE TYPE "lethe_records"."ledger_state" AS ENUM ('absent', 'staging', 'staged', 'restoring', 'restored', 'purging', 'purged');

-- CreateEnum
CREATE TYPE "lethe_records"."actor_kind" AS ENUM ('user', 'system');

-- CreateTable
CREATE TABLE "lethe_records"."tenant_gates" (
    "tenant_id" TEXT NOT NULL,
    "latest_job_id" UUID,
    "erased_at" TIMESTAMPTZ(3),
    "erased_by" UUID,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "tenant_gates_pkey" PRIMARY KEY ("tenant_id")
);

-- CreateTable
CREATE TABLE "lethe_records"."deletion_jobs" (
    "job_id" UUID NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "status" "lethe_records"."job_status" NOT NULL DEFAULT 'pending',
    "phase" "lethe_records"."job_phase" NOT NULL DEFAULT 'open',
    "decision" "lethe_records"."decision",
    "abort_cause" "lethe_records"."abort_cause",
    "decided_at" TIMESTAMPTZ(3),
    "epoch" INTEGER NOT NULL DEFAULT 0,
    "write_number" BIGINT NOT NULL DEFAULT 0,
    "waiting_for" JSONB,
    "outcome" TEXT,
    "reason" TEXT,
    "options" JSONB NOT NULL,
    "restore_window_ms" BIGINT NOT NULL,
    "preview_hash" TEXT,
    "rows_total" BIGINT,
    "requested_by" TEXT NOT NULL,
    "requested_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "start_at" TIMESTAMPTZ(3),
    "due_at" TIMESTAMPTZ(3),
    "staged_at" TIMESTAMPTZ(3),
    "replay_requested_at" TIMESTAMPTZ(3),
    "ended_at" TIMESTAMPTZ(3),
    "replay_of" UUID,

    CONSTRAINT "deletion_jobs_pkey" PRIMARY KEY ("job_id")
);

-- CreateTable
CREATE TABLE "lethe_records"."deletion_job_services" (
    "job_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "role" "lethe_records"."service_role" NOT NULL DEFAULT 'participant',
    "reversible" BOOLEAN NOT NULL DEFAULT true,
    "state" "lethe_records"."ledger_state" NOT NULL DEFAULT 'absent',
    "plan_hash" TEXT,
    "stage_requested_at" TIMESTAMPTZ(3),
    "counts" JSONB NOT NULL DEFAULT '[]',
    "rows_done" BIGINT NOT NULL DEFAULT 0,
    "rows_total" BIGINT,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "last_error" JSONB,
    "waiting_for" JSONB,
    "verified_at" TIMESTAMPTZ(3),
    "epoch" INTEGER NOT NULL DEFAULT 0,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "deletion_job_services_pkey" PRIMARY KEY ("job_id","name")
);

-- CreateTable
CREATE TABLE "lethe_records"."deletion_job_readers" (
    "job_id" UUID NOT NULL,
    "user_id" TEXT NOT NULL,

    CONSTRAINT "deletion_job_readers_pkey" PRIMARY KEY ("job_id","user_id")
);

-- CreateTable
CREATE TABLE "lethe_records"."deletion_job_runs" (
    "job_id" UUID NOT NULL,
    "run_id" TEXT NOT NULL,
    "epoch" INTEGER NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "deletion_job_runs_pkey" PRIMARY KEY ("job_id","run_id")
);

-- CreateTable
CREATE TABLE "lethe_records"."audit_events" (
    "event_id" BIGINT GENERATED ALWAYS AS IDENTITY,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "action" TEXT NOT NULL,
    "actor_kind" "lethe_records"."actor_kind" NOT NULL,
    "actor_id" TEXT NOT NULL,
    "actor_role" TEXT NOT NULL,
    "request_id" TEXT,
    "job_id" UUID,
    "tenant_id" TEXT,
    "details" JSONB NOT NULL DEFAULT '{}',

    CONSTRAINT "audit_events_pkey" PRIMARY KEY ("event_id")
);

-- CreateIndex
CREATE UNIQUE INDEX "tenant_gates_latest_job_id_key" ON "lethe_records"."tenant_gates"("latest_job_id");

-- CreateIndex
CREATE INDEX "deletion_jobs_requested_at_job_id_idx" ON "lethe_records"."deletion_jobs"("requested_at", "job_id");

-- CreateIndex
CREATE INDEX "deletion_jobs_tenant_id_requested_at_job_id_idx" ON "lethe_records"."deletion_jobs"("tenant_id", "requested_at", "job_id");

-- CreateIndex
CREATE INDEX "deletion_jobs_status_requested_at_job_id_idx" ON "lethe_records"."deletion_jobs"("status", "requested_at", "job_id");

-- CreateIndex
CREATE INDEX "deletion_job_services_name_job_id_idx" ON "lethe_records"."deletion_job_services"("name", "job_id");

-- CreateIndex
CREATE INDEX "deletion_job_readers_user_id_job_id_idx" ON "lethe_records"."deletion_job_readers"("user_id", "job_id");

-- CreateIndex
CREATE UNIQUE INDEX "deletion_job_runs_job_id_epoch_key" ON "lethe_records"."deletion_job_runs"("job_id", "epoch");

-- CreateIndex
CREATE INDEX "audit_events_job_id_event_id_idx" ON "lethe_records"."audit_events"("job_id", "event_id");

-- CreateIndex
CREATE INDEX "audit_events_tenant_id_event_id_idx" ON "lethe_records"."audit_events"("tenant_id", "event_id");

-- AddForeignKey
ALTER TABLE "lethe_records"."tenant_gates" ADD CONSTRAINT "tenant_gates_latest_job_id_fkey" FOREIGN KEY ("latest_job_id") REFERENCES "lethe_records"."deletion_jobs"("job_id") ON DELETE RESTRICT ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "lethe_records"."deletion_jobs" ADD CONSTRAINT "deletion_jobs_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "lethe_records"."tenant_gates"("tenant_id") ON DELETE RESTRICT ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "lethe_records"."deletion_jobs" ADD CONSTRAINT "deletion_jobs_replay_of_fkey" FOREIGN KEY ("replay_of") REFERENCES "lethe_records"."deletion_jobs"("job_id") ON DELETE RESTRICT ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "lethe_records"."deletion_job_services" ADD CONSTRAINT "deletion_job_services_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "lethe_records"."deletion_jobs"("job_id") ON DELETE RESTRICT ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "lethe_records"."deletion_job_readers" ADD CONSTRAINT "deletion_job_readers_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "lethe_records"."deletion_jobs"("job_id") ON DELETE RESTRICT ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "lethe_records"."deletion_job_runs" ADD CONSTRAINT "deletion_job_runs_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "lethe_records"."deletion_jobs"("job_id") ON DELETE RESTRICT ON UPDATE NO ACTION;


-- What follows is beyond Prisma's schema language.

-- At most one open job per tenant.
CREATE UNIQUE INDEX "deletion_jobs_one_open" ON "lethe_records"."deletion_jobs"("tenant_id") WHERE "ended_at" IS NULL;

-- What the reconciler asks for every minute, and what is late.
CREATE INDEX "deletion_jobs_open_due_at_idx" ON "lethe_records"."deletion_jobs"("due_at") WHERE "ended_at" IS NULL;

-- A decision is whole, and a job ends as its decision says.
ALTER TABLE "lethe_records"."deletion_jobs"
    ADD CONSTRAINT "deletion_jobs_decision_check" CHECK (
        ("decision" IS NULL) = ("decided_at" IS NULL)
        AND ("abort_cause" IS NOT NULL) = ("decision" IS NOT DISTINCT FROM 'abort')
    ),
    ADD CONSTRAINT "deletion_jobs_end_check" CHECK (
        ("ended_at" IS NOT NULL) = ("status" IN ('completed', 'compensated', 'cancelled', 'refused'))
        AND CASE "status"
            WHEN 'completed' THEN "decision" IS NOT DISTINCT FROM 'proceed'
            WHEN 'cancelled' THEN "abort_cause" IS NOT DISTINCT FROM 'cancel'
            WHEN 'compensated' THEN "abort_cause" IS NOT NULL AND "abort_cause" <> 'cancel'
            WHEN 'refused' THEN "abort_cause" IS NOT NULL AND "abort_cause" <> 'cancel'
            ELSE true
        END
    );

ALTER TABLE "lethe_records"."tenant_gates"
    ADD CONSTRAINT "tenant_gates_erased_check" CHECK (("erased_at" IS NULL) = ("erased_by" IS NULL));

-- The database itself keeps what must never be taken back, whoever writes.
CREATE FUNCTION "lethe_records"."keep_decision_and_end"() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF OLD.decision IS NOT NULL
        AND (NEW.decision, NEW.abort_cause, NEW.decided_at)
            IS DISTINCT FROM (OLD.decision, OLD.abort_cause, OLD.decided_at) THEN
        RAISE EXCEPTION 'Job % has been decided: %.', OLD.job_id, OLD.decision USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.ended_at IS NOT NULL
        AND (NEW.status, NEW.ended_at) IS DISTINCT FROM (OLD.status, OLD.ended_at) THEN
        RAISE EXCEPTION 'Job % has ended: %.', OLD.job_id, OLD.status USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER "keep_decision_and_end" BEFORE UPDATE ON "lethe_records"."deletion_jobs"
    FOR EACH ROW EXECUTE FUNCTION "lethe_records"."keep_decision_and_end"();

CREATE FUNCTION "lethe_records"."keep_erased"() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF OLD.erased_at IS NOT NULL
        AND (NEW.erased_at, NEW.erased_by) IS DISTINCT FROM (OLD.erased_at, OLD.erased_by) THEN
        RAISE EXCEPTION 'Tenant % has been erased.', OLD.tenant_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER "keep_erased" BEFORE UPDATE ON "lethe_records"."tenant_gates"
    FOR EACH ROW EXECUTE FUNCTION "lethe_records"."keep_erased"();

-- The platform's role: owner of nothing, removes nothing, and changes only what changes in a job's life.
REVOKE ALL ON SCHEMA "lethe_records" FROM PUBLIC;
REVOKE ALL ON FUNCTION "lethe_records"."keep_decision_and_end"(), "lethe_records"."keep_erased"() FROM PUBLIC;
GRANT USAGE ON SCHEMA "lethe_records" TO "lethe_records";
GRANT SELECT, INSERT ON
    "lethe_records"."tenant_gates",
    "lethe_records"."deletion_jobs",
    "lethe_records"."deletion_job_services",
    "lethe_records"."deletion_job_readers",
    "lethe_records"."deletion_job_runs",
    "lethe_records"."audit_events"
TO "lethe_records";
GRANT UPDATE ("latest_job_id", "erased_at", "erased_by") ON "lethe_records"."tenant_gates" TO "lethe_records";
GRANT UPDATE (
    "status", "phase", "decision", "abort_cause", "decided_at", "epoch", "write_number", "waiting_for", "outcome",
    "preview_hash", "rows_total", "start_at", "staged_at", "replay_requested_at", "ended_at"
) ON "lethe_records"."deletion_jobs" TO "lethe_records";
GRANT UPDATE (
    "role", "reversible", "state", "plan_hash", "stage_requested_at", "counts", "rows_done", "rows_total", "attempts",
    "last_error", "waiting_for", "verified_at", "epoch", "updated_at"
) ON "lethe_records"."deletion_job_services" TO "lethe_records";
