-- Beyond Prisma's schema language are identity columns instead of serial ones (a serial's default needs a
-- privilege on its sequence) and generated columns.

-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "production";

-- CreateEnum
CREATE TYPE "production"."equipment_kind" AS ENUM ('oven', 'mixer', 'proofer', 'sheeter', 'cooler');

-- CreateEnum
CREATE TYPE "production"."shift" AS ENUM ('night', 'early', 'late');

-- CreateEnum
CREATE TYPE "production"."run_status" AS ENUM ('planned', 'running', 'finished', 'aborted');

-- CreateEnum
CREATE TYPE "production"."measurement" AS ENUM ('temperature', 'humidity', 'weight', 'acidity');

-- CreateEnum
CREATE TYPE "production"."check_result" AS ENUM ('passed', 'passed_with_remarks', 'failed');

-- CreateEnum
CREATE TYPE "production"."defect_severity" AS ENUM ('minor', 'major', 'critical');

-- CreateTable
CREATE TABLE "production"."equipment" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "kind" "production"."equipment_kind" NOT NULL,
    "serialNumber" TEXT NOT NULL,
    "capacity_kg" REAL,
    "network_address" INET,
    "maintenance_every" interval,
    "purchased_on" DATE,
    "settings" JSONB NOT NULL DEFAULT '{}',

    CONSTRAINT "equipment_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "production"."production_schedules" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "day" DATE NOT NULL,
    "shift" "production"."shift" NOT NULL,
    "starts_at" TIME(0) NOT NULL,
    "ends_at" TIME(0) NOT NULL,
    "staff" UUID[],
    "notes" TEXT,

    CONSTRAINT "production_schedules_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "production"."production_runs" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "schedule_id" UUID,
    "equipment_id" UUID,
    "recipe_id" UUID NOT NULL,
    "recipe_name" TEXT NOT NULL,
    "batch_number" TEXT NOT NULL,
    "status" "production"."run_status" NOT NULL DEFAULT 'planned',
    "planned_during" tstzrange NOT NULL,
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),
    "duration" interval GENERATED ALWAYS AS ("finished_at" - "started_at") STORED,
    "planned_quantity" DECIMAL(12,3) NOT NULL,
    "produced_quantity" DECIMAL(12,3),
    "yield_share" DECIMAL(7,4) GENERATED ALWAYS AS (round("produced_quantity" / "planned_quantity", 4)) STORED,
    "cost" DECIMAL(12,2),

    CONSTRAINT "production_runs_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "production"."run_ingredients" (
    "run_id" UUID NOT NULL,
    "ingredient_id" UUID NOT NULL,
    "ingredient_name" TEXT NOT NULL,
    "lot_numbers" TEXT[],
    "planned_quantity" DECIMAL(12,4) NOT NULL,
    "used_quantity" DECIMAL(12,4),
    "unit" TEXT NOT NULL,

    CONSTRAINT "run_ingredients_pkey" PRIMARY KEY ("run_id","ingredient_id")
);

-- CreateTable
CREATE TABLE "production"."run_steps" (
    "run_id" UUID NOT NULL,
    "step_number" SMALLINT NOT NULL,
    "instruction" TEXT NOT NULL,
    "done_by" UUID,
    "took_place" tstzrange,
    "remarks" TEXT,

    CONSTRAINT "run_steps_pkey" PRIMARY KEY ("run_id","step_number")
);

-- CreateTable
CREATE TABLE "production"."step_measurements" (
    "id" BIGINT GENERATED ALWAYS AS IDENTITY,
    "run_id" UUID NOT NULL,
    "step_number" SMALLINT NOT NULL,
    "measurement" "production"."measurement" NOT NULL,
    "value" DOUBLE PRECISION NOT NULL,
    "sensor_address" INET,
    "measured_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "step_measurements_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "production"."quality_checks" (
    "id" UUID NOT NULL,
    "run_id" UUID NOT NULL,
    "result" "production"."check_result" NOT NULL,
    "score" DECIMAL(4,1),
    "checklist" JSONB NOT NULL,
    "checked_by" UUID NOT NULL,
    "checked_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "quality_checks_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "production"."quality_defects" (
    "id" UUID NOT NULL,
    "check_id" UUID NOT NULL,
    "severity" "production"."defect_severity" NOT NULL,
    "description" TEXT NOT NULL,
    "affected" int4range,
    "photo" BYTEA,

    CONSTRAINT "quality_defects_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "production"."corrective_actions" (
    "defect_id" UUID NOT NULL,
    "position" SMALLINT NOT NULL,
    "action" TEXT NOT NULL,
    "assigned_to" UUID,
    "due_on" DATE,
    "done_at" TIMESTAMPTZ(3),

    CONSTRAINT "corrective_actions_pkey" PRIMARY KEY ("defect_id","position")
);

-- CreateIndex
CREATE UNIQUE INDEX "equipment_tenant_id_serialNumber_key" ON "production"."equipment"("tenant_id", "serialNumber");

-- CreateIndex
CREATE UNIQUE INDEX "production_schedules_tenant_id_day_shift_key" ON "production"."production_schedules"("tenant_id", "day", "shift");

-- CreateIndex
CREATE INDEX "production_runs_schedule_id_idx" ON "production"."production_runs"("schedule_id");

-- CreateIndex
CREATE INDEX "production_runs_equipment_id_idx" ON "production"."production_runs"("equipment_id");

-- CreateIndex
CREATE UNIQUE INDEX "production_runs_tenant_id_batch_number_key" ON "production"."production_runs"("tenant_id", "batch_number");

-- CreateIndex
CREATE INDEX "step_measurements_run_id_step_number_idx" ON "production"."step_measurements"("run_id", "step_number");

-- CreateIndex
CREATE INDEX "quality_checks_run_id_idx" ON "production"."quality_checks"("run_id");

-- CreateIndex
CREATE INDEX "quality_defects_check_id_idx" ON "production"."quality_defects"("check_id");

-- AddForeignKey
ALTER TABLE "production"."production_runs" ADD CONSTRAINT "production_runs_schedule_id_fkey" FOREIGN KEY ("schedule_id") REFERENCES "production"."production_schedules"("id") ON DELETE SET NULL ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "production"."production_runs" ADD CONSTRAINT "production_runs_equipment_id_fkey" FOREIGN KEY ("equipment_id") REFERENCES "production"."equipment"("id") ON DELETE NO ACTION ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "production"."run_ingredients" ADD CONSTRAINT "run_ingredients_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "production"."production_runs"("id") ON DELETE CASCADE ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "production"."run_steps" ADD CONSTRAINT "run_steps_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "production"."production_runs"("id") ON DELETE NO ACTION ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "production"."step_measurements" ADD CONSTRAINT "step_measurements_run_id_step_number_fkey" FOREIGN KEY ("run_id", "step_number") REFERENCES "production"."run_steps"("run_id", "step_number") ON DELETE NO ACTION ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "production"."quality_checks" ADD CONSTRAINT "quality_checks_run_id_fkey" FOREIGN KEY ("run_id") REFERENCES "production"."production_runs"("id") ON DELETE NO ACTION ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "production"."quality_defects" ADD CONSTRAINT "quality_defects_check_id_fkey" FOREIGN KEY ("check_id") REFERENCES "production"."quality_checks"("id") ON DELETE NO ACTION ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "production"."corrective_actions" ADD CONSTRAINT "corrective_actions_defect_id_fkey" FOREIGN KEY ("defect_id") REFERENCES "production"."quality_defects"("id") ON DELETE NO ACTION ON UPDATE NO ACTION;

ALTER TABLE "production"."production_runs" ADD CONSTRAINT "production_runs_planned_quantity_check" CHECK ("planned_quantity" > 0);

ALTER TABLE "production"."production_runs" ADD CONSTRAINT "production_runs_finished_at_check" CHECK ("finished_at" >= "started_at");

ALTER TABLE "production"."quality_checks" ADD CONSTRAINT "quality_checks_score_check" CHECK ("score" BETWEEN 0 AND 10);

-- The bakery's screens show what is baked next; finished runs are history.
CREATE INDEX "production_runs_open_idx" ON "production"."production_runs"("tenant_id", "planned_during") WHERE "status" IN ('planned', 'running');
