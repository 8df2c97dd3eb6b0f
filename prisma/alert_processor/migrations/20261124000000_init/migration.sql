-- Beyond Prisma's schema language are identity columns instead of serial ones (a serial's default needs a
-- privilege on its sequence) and generated columns.

-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "alert_processor";

-- CreateEnum
CREATE TYPE "alert_processor"."alert_severity" AS ENUM ('info', 'warning', 'urgent', 'critical');

-- CreateEnum
CREATE TYPE "alert_processor"."alert_kind" AS ENUM ('low_stock', 'expiring_stock', 'oven_temperature', 'late_delivery', 'demand_spike');

-- CreateEnum
CREATE TYPE "alert_processor"."interaction_kind" AS ENUM ('viewed', 'acknowledged', 'snoozed', 'resolved', 'dismissed');

-- CreateTable
CREATE TABLE "alert_processor"."alert_rules" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "kind" "alert_processor"."alert_kind" NOT NULL,
    "severity" "alert_processor"."alert_severity" NOT NULL,
    "condition" JSONB NOT NULL,
    "cooldown" interval NOT NULL DEFAULT '00:30:00'::interval,
    "channels" TEXT[],
    "is_enabled" BOOLEAN NOT NULL DEFAULT true,

    CONSTRAINT "alert_rules_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "alert_processor"."alerts" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "rule_id" UUID,
    "kind" "alert_processor"."alert_kind" NOT NULL,
    "severity" "alert_processor"."alert_severity" NOT NULL,
    "title" TEXT NOT NULL,
    "details" JSONB NOT NULL,
    "raisedAt" TIMESTAMPTZ(3) NOT NULL,
    "resolved_at" TIMESTAMPTZ(3),
    "is_open" BOOLEAN GENERATED ALWAYS AS ("resolved_at" IS NULL) STORED,

    CONSTRAINT "alerts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "alert_processor"."alert_interactions" (
    "id" BIGINT GENERATED ALWAYS AS IDENTITY,
    "tenant_id" UUID NOT NULL,
    "alert_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "kind" "alert_processor"."interaction_kind" NOT NULL,
    "from_ip" INET,
    "snoozed_for" interval,
    "interacted_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "alert_interactions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "alert_processor"."alert_comments" (
    "id" UUID NOT NULL,
    "interaction_id" BIGINT NOT NULL,
    "reply_to_id" UUID,
    "body" TEXT NOT NULL,
    "written_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "alert_comments_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "alert_processor"."alert_recipients" (
    "alert_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "seen_at" TIMESTAMPTZ(3),

    CONSTRAINT "alert_recipients_pkey" PRIMARY KEY ("alert_id","user_id")
);

-- CreateIndex
CREATE UNIQUE INDEX "alert_rules_tenant_id_name_key" ON "alert_processor"."alert_rules"("tenant_id", "name");

-- CreateIndex
CREATE INDEX "alerts_tenant_id_raisedAt_idx" ON "alert_processor"."alerts"("tenant_id", "raisedAt");

-- CreateIndex
CREATE INDEX "alerts_rule_id_idx" ON "alert_processor"."alerts"("rule_id");

-- CreateIndex
CREATE INDEX "alert_interactions_tenant_id_idx" ON "alert_processor"."alert_interactions"("tenant_id");

-- CreateIndex
CREATE INDEX "alert_interactions_alert_id_idx" ON "alert_processor"."alert_interactions"("alert_id");

-- CreateIndex
CREATE INDEX "alert_comments_interaction_id_idx" ON "alert_processor"."alert_comments"("interaction_id");

-- CreateIndex
CREATE INDEX "alert_comments_reply_to_id_idx" ON "alert_processor"."alert_comments"("reply_to_id");

-- AddForeignKey
ALTER TABLE "alert_processor"."alerts" ADD CONSTRAINT "alerts_rule_id_fkey" FOREIGN KEY ("rule_id") REFERENCES "alert_processor"."alert_rules"("id") ON DELETE SET NULL ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "alert_processor"."alert_interactions" ADD CONSTRAINT "alert_interactions_alert_id_fkey" FOREIGN KEY ("alert_id") REFERENCES "alert_processor"."alerts"("id") ON DELETE CASCADE ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "alert_processor"."alert_comments" ADD CONSTRAINT "alert_comments_interaction_id_fkey" FOREIGN KEY ("interaction_id") REFERENCES "alert_processor"."alert_interactions"("id") ON DELETE CASCADE ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "alert_processor"."alert_comments" ADD CONSTRAINT "alert_comments_reply_to_id_fkey" FOREIGN KEY ("reply_to_id") REFERENCES "alert_processor"."alert_comments"("id") ON DELETE CASCADE ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "alert_processor"."alert_recipients" ADD CONSTRAINT "alert_recipients_alert_id_fkey" FOREIGN KEY ("alert_id") REFERENCES "alert_processor"."alerts"("id") ON DELETE CASCADE ON UPDATE NO ACTION;

-- Screens show what is open; the rest is history.
CREATE INDEX "alerts_open_idx" ON "alert_processor"."alerts"("tenant_id", "severity") WHERE "is_open";
