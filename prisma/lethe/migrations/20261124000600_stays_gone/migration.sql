-- What keeps erased tenants gone: marks that were imported, erasures again, what came back, releases, housekeeping.

ALTER TABLE "lethe_records"."tenant_gates"
    ADD COLUMN "imported_at" TIMESTAMPTZ(3),
    -- The tenant's key is not known here, only the hash that stands for it elsewhere.
    ADD COLUMN "key_hashed" BOOLEAN NOT NULL DEFAULT false;

ALTER TABLE "lethe_records"."deletion_jobs"
    ADD COLUMN "reapplies" UUID,
    ADD COLUMN "scope" TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[];

-- CreateTable
CREATE TABLE "lethe_records"."returned_rows" (
    "finding_id" UUID NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "service" TEXT NOT NULL,
    "rows" BIGINT NOT NULL,
    "tables" JSONB NOT NULL,
    "first_seen_at" TIMESTAMPTZ(3) NOT NULL,
    "last_seen_at" TIMESTAMPTZ(3) NOT NULL,
    "cleared_at" TIMESTAMPTZ(3),
    "reapplied_by" UUID,

    CONSTRAINT "returned_rows_pkey" PRIMARY KEY ("finding_id")
);

-- CreateTable
CREATE TABLE "lethe_records"."tombstone_releases" (
    "release_id" UUID NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "erased_at" TIMESTAMPTZ(3) NOT NULL,
    "erased_by" UUID NOT NULL,
    "requested_by" TEXT NOT NULL,
    "requested_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "approved_by" TEXT,
    "approved_at" TIMESTAMPTZ(3),
    "services" JSONB NOT NULL DEFAULT '{}',
    "completed_at" TIMESTAMPTZ(3),
    "closed_at" TIMESTAMPTZ(3),

    CONSTRAINT "tombstone_releases_pkey" PRIMARY KEY ("release_id")
);

-- CreateTable
CREATE TABLE "lethe_records"."housekeeping_runs" (
    "step" TEXT NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "finished_at" TIMESTAMPTZ(3),
    "succeeded_at" TIMESTAMPTZ(3),
    "outcome" JSONB NOT NULL DEFAULT '{}',
    "error" TEXT,

    CONSTRAINT "housekeeping_runs_pkey" PRIMARY KEY ("step")
);

-- CreateIndex
CREATE INDEX "tenant_gates_erased_at_erased_by_idx" ON "lethe_records"."tenant_gates"("erased_at", "erased_by");

-- CreateIndex
CREATE INDEX "returned_rows_tenant_id_service_idx" ON "lethe_records"."returned_rows"("tenant_id", "service");

-- CreateIndex
CREATE INDEX "tombstone_releases_tenant_id_requested_at_idx" ON "lethe_records"."tombstone_releases"("tenant_id", "requested_at");


-- What follows is beyond Prisma's schema language.

-- One finding per tenant and service, until it is gone again.
CREATE UNIQUE INDEX "returned_rows_one_open" ON "lethe_records"."returned_rows"("tenant_id", "service")
    WHERE "cleared_at" IS NULL;

-- One release per tenant under way, and nobody approves their own.
CREATE UNIQUE INDEX "tombstone_releases_one_open" ON "lethe_records"."tombstone_releases"("tenant_id")
    WHERE "closed_at" IS NULL;

ALTER TABLE "lethe_records"."tombstone_releases"
    ADD CONSTRAINT "tombstone_releases_approval_check" CHECK (
        ("approved_by" IS NULL) = ("approved_at" IS NULL)
        AND ("approved_by" IS NULL OR "approved_by" <> "requested_by")
        AND ("completed_at" IS NULL OR ("approved_at" IS NOT NULL AND "closed_at" IS NOT NULL))
    );

-- The scope says which services an erasure again is about; another job is about all.
ALTER TABLE "lethe_records"."deletion_jobs"
    ADD CONSTRAINT "deletion_jobs_scope_check" CHECK (("reapplies" IS NULL) = (cardinality("scope") = 0));

-- The mark of an erased tenant is lifted by an approved release of just this mark, and by nothing else. It is known by
-- the job: under a hash, the tenant's key is not known here.
CREATE OR REPLACE FUNCTION "lethe_records"."keep_erased"() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF OLD.erased_at IS NULL OR (NEW.erased_at, NEW.erased_by) IS NOT DISTINCT FROM (OLD.erased_at, OLD.erased_by) THEN
        RETURN NEW;
    END IF;
    IF NEW.erased_at IS NULL AND EXISTS (
        SELECT FROM lethe_records.tombstone_releases r
         WHERE r.erased_by = OLD.erased_by AND r.approved_at IS NOT NULL AND r.closed_at IS NULL
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'Tenant % has been erased.', OLD.tenant_id USING ERRCODE = 'check_violation';
END
$$;

CREATE FUNCTION "lethe_records"."keep_release"() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF OLD.closed_at IS NOT NULL
        OR (OLD.approved_at IS NOT NULL
            AND (NEW.approved_by, NEW.approved_at) IS DISTINCT FROM (OLD.approved_by, OLD.approved_at)) THEN
        RAISE EXCEPTION 'Release % is decided.', OLD.release_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER "keep_release" BEFORE UPDATE ON "lethe_records"."tombstone_releases"
    FOR EACH ROW EXECUTE FUNCTION "lethe_records"."keep_release"();

REVOKE ALL ON FUNCTION "lethe_records"."keep_release"() FROM PUBLIC;

GRANT UPDATE ("imported_at", "key_hashed") ON "lethe_records"."tenant_gates" TO "lethe_records";
GRANT SELECT, INSERT ON
    "lethe_records"."returned_rows",
    "lethe_records"."tombstone_releases",
    "lethe_records"."housekeeping_runs"
TO "lethe_records";
GRANT UPDATE ("rows", "tables", "last_seen_at", "cleared_at", "reapplied_by")
    ON "lethe_records"."returned_rows" TO "lethe_records";
GRANT UPDATE ("approved_by", "approved_at", "services", "completed_at", "closed_at")
    ON "lethe_records"."tombstone_releases" TO "lethe_records";
GRANT UPDATE ON "lethe_records"."housekeeping_runs" TO "lethe_records";
