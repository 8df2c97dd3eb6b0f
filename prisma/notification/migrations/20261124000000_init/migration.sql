-- Beyond Prisma's schema language are identity columns instead of serial ones (a serial's default needs a
-- privilege on its sequence) and a unique index in which the templates without a tenant count as one owner.

-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "notification";

-- CreateEnum
CREATE TYPE "notification"."notification_channel" AS ENUM ('email', 'sms', 'push', 'whatsapp');

-- CreateEnum
CREATE TYPE "notification"."notification_status" AS ENUM ('pending', 'sent', 'delivered', 'failed');

-- CreateEnum
CREATE TYPE "notification"."delivery_event_kind" AS ENUM ('accepted', 'delivered', 'opened', 'clicked', 'bounced');

-- CreateTable
CREATE TABLE "notification"."notification_templates" (
    "id" UUID NOT NULL,
    "tenant_id" UUID,
    "code" TEXT NOT NULL,
    "channel" "notification"."notification_channel" NOT NULL,
    "locale" TEXT NOT NULL,
    "subject" TEXT,
    "body" TEXT NOT NULL,
    "placeholders" TEXT[],
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "notification_templates_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "notification"."notifications" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "template_id" UUID,
    "recipient_user_id" UUID NOT NULL,
    "channel" "notification"."notification_channel" NOT NULL,
    "status" "notification"."notification_status" NOT NULL DEFAULT 'pending',
    "subject" TEXT,
    "variables" JSONB NOT NULL,
    "scheduled_at" TIMESTAMPTZ(3) NOT NULL,
    "sent_at" TIMESTAMPTZ(3),

    CONSTRAINT "notifications_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "notification"."notification_deliveries" (
    "id" BIGINT GENERATED ALWAYS AS IDENTITY,
    "notification_id" UUID NOT NULL,
    "attempt" SMALLINT NOT NULL,
    "provider" TEXT NOT NULL,
    "providerRef" TEXT,
    "relay_ip" INET,
    "took" interval,
    "attempted_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "notification_deliveries_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "notification"."delivery_events" (
    "delivery_id" BIGINT NOT NULL,
    "occurred_at" TIMESTAMPTZ(3) NOT NULL,
    "kind" "notification"."delivery_event_kind" NOT NULL,
    "details" JSONB,

    CONSTRAINT "delivery_events_pkey" PRIMARY KEY ("delivery_id","occurred_at","kind")
);

-- CreateTable
CREATE TABLE "notification"."notification_attachments" (
    "notification_id" UUID NOT NULL,
    "position" SMALLINT NOT NULL,
    "file_name" TEXT NOT NULL,
    "media_type" TEXT NOT NULL,
    "content" BYTEA NOT NULL,

    CONSTRAINT "notification_attachments_pkey" PRIMARY KEY ("notification_id","position")
);

-- CreateTable
CREATE TABLE "notification"."notification_preferences" (
    "tenant_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "channel" "notification"."notification_channel" NOT NULL,
    "is_enabled" BOOLEAN NOT NULL DEFAULT true,
    "topics" TEXT[],
    "quiet_from" TIME(0),
    "quiet_until" TIME(0),
    "timeZone" TEXT NOT NULL DEFAULT 'Europe/Madrid',

    CONSTRAINT "notification_preferences_pkey" PRIMARY KEY ("tenant_id","user_id","channel")
);

-- CreateIndex
CREATE UNIQUE INDEX "notification_templates_tenant_id_code_channel_locale_key" ON "notification"."notification_templates"("tenant_id", "code", "channel", "locale") NULLS NOT DISTINCT;

-- CreateIndex
CREATE INDEX "notifications_tenant_id_scheduled_at_idx" ON "notification"."notifications"("tenant_id", "scheduled_at");

-- CreateIndex
CREATE INDEX "notifications_template_id_idx" ON "notification"."notifications"("template_id");

-- CreateIndex
CREATE UNIQUE INDEX "notification_deliveries_notification_id_attempt_key" ON "notification"."notification_deliveries"("notification_id", "attempt");

-- AddForeignKey
ALTER TABLE "notification"."notifications" ADD CONSTRAINT "notifications_template_id_fkey" FOREIGN KEY ("template_id") REFERENCES "notification"."notification_templates"("id") ON DELETE SET NULL ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "notification"."notification_deliveries" ADD CONSTRAINT "notification_deliveries_notification_id_fkey" FOREIGN KEY ("notification_id") REFERENCES "notification"."notifications"("id") ON DELETE CASCADE ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "notification"."delivery_events" ADD CONSTRAINT "delivery_events_delivery_id_fkey" FOREIGN KEY ("delivery_id") REFERENCES "notification"."notification_deliveries"("id") ON DELETE CASCADE ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "notification"."notification_attachments" ADD CONSTRAINT "notification_attachments_notification_id_fkey" FOREIGN KEY ("notification_id") REFERENCES "notification"."notifications"("id") ON DELETE CASCADE ON UPDATE NO ACTION;

ALTER TABLE "notification"."notification_attachments" ADD CONSTRAINT "notification_attachments_position_check" CHECK ("position" > 0);
