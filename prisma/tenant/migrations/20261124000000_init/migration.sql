-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "lethe_tenant";

-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "tenant";

-- CreateEnum
CREATE TYPE "tenant"."member_role" AS ENUM ('owner', 'admin', 'member');

-- CreateEnum
CREATE TYPE "tenant"."tenant_plan" AS ENUM ('starter', 'professional', 'enterprise');

-- CreateTable
CREATE TABLE "tenant"."tenants" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "slug" TEXT NOT NULL,
    "plan" "tenant"."tenant_plan" NOT NULL DEFAULT 'starter',
    "city" TEXT,
    "timezone" TEXT NOT NULL DEFAULT 'Europe/Madrid',
    "currency" CHAR(3) NOT NULL DEFAULT 'EUR',
    "settings" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "tenants_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "tenant"."users" (
    "id" UUID NOT NULL,
    "email" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "locale" TEXT NOT NULL DEFAULT 'en',
    "last_login_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "tenant"."tenant_members" (
    "tenant_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "role" "tenant"."member_role" NOT NULL,
    "since" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "tenant_members_pkey" PRIMARY KEY ("tenant_id","user_id")
);

-- CreateTable
CREATE TABLE "lethe_tenant"."tenant_suspensions" (
    "tenant_id" UUID NOT NULL,
    "job_id" UUID NOT NULL,
    "suspended_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lifted_at" TIMESTAMPTZ(3),

    CONSTRAINT "tenant_suspensions_pkey" PRIMARY KEY ("tenant_id","job_id")
);

-- CreateTable
CREATE TABLE "lethe_tenant"."deletion_ledger" (
    "tenant_id" UUID NOT NULL,
    "job_id" UUID NOT NULL,
    "state" TEXT NOT NULL,
    "counts" JSONB NOT NULL,
    "purged_at" TIMESTAMPTZ(3),
    "horizon" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "deletion_ledger_pkey" PRIMARY KEY ("tenant_id","job_id")
);

-- CreateTable
CREATE TABLE "lethe_tenant"."tenant_tombstones" (
    "tenant_id" UUID NOT NULL,
    "job_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "tenant_tombstones_pkey" PRIMARY KEY ("tenant_id")
);

-- CreateIndex
CREATE UNIQUE INDEX "tenants_slug_key" ON "tenant"."tenants"("slug");

-- CreateIndex
CREATE UNIQUE INDEX "users_email_key" ON "tenant"."users"("email");

-- CreateIndex
CREATE INDEX "tenant_members_user_id_idx" ON "tenant"."tenant_members"("user_id");

-- AddForeignKey
ALTER TABLE "tenant"."tenant_members" ADD CONSTRAINT "tenant_members_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"."tenants"("id") ON DELETE RESTRICT ON UPDATE NO ACTION;

-- AddForeignKey
ALTER TABLE "tenant"."tenant_members" ADD CONSTRAINT "tenant_members_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "tenant"."users"("id") ON DELETE RESTRICT ON UPDATE NO ACTION;

-- What follows is beyond Prisma's schema language.

-- One owner at most. That a tenant is never without one is the business of the service's transactions.
CREATE UNIQUE INDEX "tenant_members_one_owner" ON "tenant"."tenant_members"("tenant_id") WHERE "role" = 'owner';

ALTER TABLE "tenant"."tenants" ADD CONSTRAINT "tenants_slug_check" CHECK ("slug" ~ '^[a-z0-9]+(-[a-z0-9]+)*$');

ALTER TABLE "lethe_tenant"."deletion_ledger" ADD CONSTRAINT "deletion_ledger_state_check" CHECK ("state" IN ('purging', 'purged'));

-- The fence: a tenant that was erased does not come back, whoever writes it. The function runs as its owner, since
-- those who write tenants have no business in Lethe's schema.
CREATE FUNCTION "lethe_tenant"."refuse_erased_tenant"() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM lethe_tenant.tenant_tombstones WHERE tenant_id = NEW.id) THEN
        RAISE EXCEPTION 'Tenant % has been erased.', NEW.id
            USING ERRCODE = 'check_violation', HINT = 'A tenant that comes back gets a new id.';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER "lethe_fence" BEFORE INSERT OR UPDATE OF "id" ON "tenant"."tenants"
    FOR EACH ROW EXECUTE FUNCTION "lethe_tenant"."refuse_erased_tenant"();

-- The service's own role: what it needs and no more; it owns nothing. Users stay, so it cannot change them.
REVOKE ALL ON SCHEMA "tenant", "lethe_tenant" FROM PUBLIC;
REVOKE ALL ON FUNCTION "lethe_tenant"."refuse_erased_tenant"() FROM PUBLIC;
GRANT USAGE ON SCHEMA "tenant", "lethe_tenant" TO "lethe_tenant";
GRANT SELECT, UPDATE, DELETE ON "tenant"."tenants" TO "lethe_tenant";
GRANT SELECT, INSERT, UPDATE, DELETE ON "tenant"."tenant_members" TO "lethe_tenant";
GRANT SELECT ON "tenant"."users" TO "lethe_tenant";
GRANT SELECT, INSERT, UPDATE, DELETE ON "lethe_tenant"."tenant_suspensions", "lethe_tenant"."deletion_ledger", "lethe_tenant"."tenant_tombstones" TO "lethe_tenant";
