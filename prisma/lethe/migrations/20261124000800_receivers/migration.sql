-- Several receivers of notices, each told at its own pace.

-- AlterTable
ALTER TABLE "lethe_records"."notices" ADD COLUMN     "receiver" TEXT;

-- What follows is beyond Prisma's schema language.

DROP INDEX "lethe_records"."notices_pending_idx";
CREATE INDEX "notices_pending_idx" ON "lethe_records"."notices"("stream", "receiver", "notice_id")
    WHERE "delivered_at" IS NULL AND "given_up_at" IS NULL;

GRANT UPDATE ("receiver") ON "lethe_records"."notices" TO "lethe_records";
