-- Approvals, legal holds, the halt of everything, and the cap on how many tenants go at once.

-- CreateEnum
CREATE TYPE "lethe_records"."approval_verdict" AS ENUM ('approved', 'rejected');

-- AlterTable
ALTER TABLE "lethe_records"."deletion_jobs" ADD COLUMN     "approval_basis" JSONB,
ADD COLUMN     "approval_change" TEXT,
ADD COLUMN     "approval_hash" TEXT,
ADD COLUMN     "approval_required" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "cap_slot_at" TIMESTAMPTZ(3),
ADD COLUMN     "continued_by" UUID;

-- CreateTable
CREATE TABLE "lethe_records"."job_approvals" (
    "approval_id" UUID NOT NULL,
    "job_id" UUID NOT NULL,
    "verdict" "lethe_records"."approval_verdict" NOT NULL,
    "approval_hash" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "given_by" TEXT NOT NULL,
    "given_role" TEXT NOT NULL,
    "given_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3),

    CONSTRAINT "job_approvals_pkey" PRIMARY KEY ("approval_id")
);

-- CreateTable
CREATE TABLE "lethe_records"."legal_holds" (
    "hold_id" UUID NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "placed_by" TEXT NOT NULL,
    "placed_at" TIMESTAMPTZ(3) NOT NULL,
    "lifted_by" TEXT,
    "lifted_at" TIMESTAMPTZ(3),
    "lift_reason" TEXT,

    CONSTRAINT "legal_holds_pkey" PRIMARY KEY ("hold_id")
);

-- CreateTable
CREATE TABLE "lethe_records"."deletion_halt" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "halted_at" TIMESTAMPTZ(3),
    "halted_by" TEXT,
    "reason" TEXT,

    CONSTRAINT "deletion_halt_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "lethe_records"."deletion_cap" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "locked_at" TIMESTAMPTZ(3),

    CONSTRAINT "deletion_cap_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "deletion_jobs_continued_by_key" ON "lethe_records"."deletion_jobs"("continued_by");

-- CreateIndex
CREATE INDEX "job_approvals_job_id_given_at_idx" ON "lethe_records"."job_approvals"("job_id", "given_at");

-- CreateIndex
CREATE INDEX "legal_holds_tenant_id_placed_at_idx" ON "lethe_records"."legal_holds"("tenant_id", "placed_at");

-- AddForeignKey
ALTER TABLE "lethe_records"."deletion_jobs" ADD CONSTRAINT "deletion_jobs_continued_by_fkey" FOREIGN KEY ("continued_by") REFERENCES "lethe_records"."deletion_jobs"("job_id") ON DELETE RESTRICT ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "lethe_records"."job_approvals" ADD CONSTRAINT "job_approvals_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "lethe_records"."deletion_jobs"("job_id") ON DELETE RESTRICT ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "lethe_records"."legal_holds" ADD CONSTRAINT "legal_holds_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "lethe_records"."tenant_gates"("tenant_id") ON DELETE RESTRICT ON UPDATE NO ACTION;


-- What follows is beyond Prisma's schema language.

-- One row each: whoever changes or heeds it locks it.
INSERT INTO "lethe_records"."deletion_halt" DEFAULT VALUES;
INSERT INTO "lethe_records"."deletion_cap" DEFAULT VALUES;
ALTER TABLE "lethe_records"."deletion_halt"
    ADD CONSTRAINT "deletion_halt_one_check" CHECK ("id" = 1),
    ADD CONSTRAINT "deletion_halt_whole_check" CHECK (num_nulls("halted_at", "halted_by", "reason") IN (0, 3));
ALTER TABLE "lethe_records"."deletion_cap" ADD CONSTRAINT "deletion_cap_one_check" CHECK ("id" = 1);

ALTER TABLE "lethe_records"."job_approvals"
    ADD CONSTRAINT "job_approvals_expiry_check" CHECK (("verdict" = 'approved') = ("expires_at" IS NOT NULL));
ALTER TABLE "lethe_records"."legal_holds"
    ADD CONSTRAINT "legal_holds_lifted_check" CHECK (num_nulls("lifted_by", "lifted_at", "lift_reason") IN (0, 3));

-- What is asked for before each suspension and each pivot.
CREATE INDEX "legal_holds_open_idx" ON "lethe_records"."legal_holds"("tenant_id") WHERE "lifted_at" IS NULL;
CREATE INDEX "deletion_jobs_proceeded_idx" ON "lethe_records"."deletion_jobs"("decided_at") WHERE "decision" = 'proceed';
CREATE INDEX "deletion_jobs_slot_idx" ON "lethe_records"."deletion_jobs"("cap_slot_at") WHERE "cap_slot_at" IS NOT NULL;

-- A hold that was lifted stays lifted; another one may be placed.
CREATE FUNCTION "lethe_records"."keep_lifted"() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF OLD.lifted_at IS NOT NULL THEN
        RAISE EXCEPTION 'Hold % has been lifted.', OLD.hold_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER "keep_lifted" BEFORE UPDATE ON "lethe_records"."legal_holds"
    FOR EACH ROW EXECUTE FUNCTION "lethe_records"."keep_lifted"();

REVOKE ALL ON FUNCTION "lethe_records"."keep_lifted"() FROM PUBLIC;
GRANT SELECT, INSERT ON "lethe_records"."job_approvals", "lethe_records"."legal_holds" TO "lethe_records";
GRANT SELECT ON "lethe_records"."deletion_halt", "lethe_records"."deletion_cap" TO "lethe_records";
GRANT UPDATE ("lifted_by", "lifted_at", "lift_reason") ON "lethe_records"."legal_holds" TO "lethe_records";
GRANT UPDATE ("halted_at", "halted_by", "reason") ON "lethe_records"."deletion_halt" TO "lethe_records";
-- Without the right to change something in it, a row cannot be locked.
GRANT UPDATE ("locked_at") ON "lethe_records"."deletion_cap" TO "lethe_records";
GRANT UPDATE ("approval_hash", "approval_basis", "approval_change", "cap_slot_at", "continued_by")
    ON "lethe_records"."deletion_jobs" TO "lethe_records";
