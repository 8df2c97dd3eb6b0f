-- The audit trail in chains, signed heads over all of them, people by pseudonym, and certificates.

-- The step that signs what was verified.
ALTER TYPE "lethe_records"."job_phase" ADD VALUE 'certificate' AFTER 'verify';

-- CreateTable
CREATE TABLE "lethe_records"."people" (
    "pseudonym" UUID NOT NULL DEFAULT gen_random_uuid(),
    "user_id" TEXT NOT NULL,
    "since" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "people_pkey" PRIMARY KEY ("pseudonym")
);

-- CreateTable
CREATE TABLE "lethe_records"."audit_chains" (
    "chain" TEXT NOT NULL,
    "length" BIGINT NOT NULL DEFAULT 0,
    "hash" TEXT NOT NULL DEFAULT repeat('0'::text, 64),
    "last_at" TIMESTAMPTZ(3),
    "signed_length" BIGINT NOT NULL DEFAULT 0,
    "signed_hash" TEXT,
    "removed_at" TIMESTAMPTZ(3),

    CONSTRAINT "audit_chains_pkey" PRIMARY KEY ("chain")
);

-- CreateTable
CREATE TABLE "lethe_records"."audit_heads" (
    "sequence" INTEGER NOT NULL,
    "signed_at" TIMESTAMPTZ(3) NOT NULL,
    "kid" TEXT NOT NULL,
    "jws" TEXT NOT NULL,

    CONSTRAINT "audit_heads_pkey" PRIMARY KEY ("sequence")
);

-- CreateTable
CREATE TABLE "lethe_records"."certificates" (
    "certificate_id" UUID NOT NULL,
    "job_id" UUID NOT NULL,
    "tenant_id" TEXT NOT NULL,
    "issued_at" TIMESTAMPTZ(3) NOT NULL,
    "kid" TEXT NOT NULL,
    "jws" TEXT NOT NULL,

    CONSTRAINT "certificates_pkey" PRIMARY KEY ("certificate_id")
);

-- AlterTable
-- No release had events without a chain; what a laptop's have is not carried over.
TRUNCATE "lethe_records"."audit_events";
ALTER TABLE "lethe_records"."audit_events"
    ADD COLUMN "chain" TEXT NOT NULL,
    ADD COLUMN "position" BIGINT NOT NULL,
    ADD COLUMN "previous_hash" TEXT NOT NULL,
    ADD COLUMN "hash" TEXT NOT NULL,
    ALTER COLUMN "at" DROP DEFAULT;

-- AlterTable
ALTER TABLE "lethe_records"."deletion_job_services"
    ADD COLUMN "horizon" TEXT,
    ADD COLUMN "digests" JSONB NOT NULL DEFAULT '[]',
    ADD COLUMN "purged_at" TIMESTAMPTZ(3);

-- CreateIndex
CREATE UNIQUE INDEX "people_user_id_key" ON "lethe_records"."people"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "certificates_job_id_key" ON "lethe_records"."certificates"("job_id");

-- CreateIndex
CREATE INDEX "certificates_tenant_id_idx" ON "lethe_records"."certificates"("tenant_id");

-- CreateIndex
CREATE UNIQUE INDEX "audit_events_chain_position_key" ON "lethe_records"."audit_events"("chain", "position");


-- What follows is beyond Prisma's schema language.

-- Which chain an event belongs to, and its head, locked: the last lock of a transaction. A job's events have a chain of
-- their own; others are in the tenant's or the platform's chain of the month, so that old ones can go as a whole.
CREATE FUNCTION "lethe_records"."lock_audit_chain"("of_job" uuid, "of_tenant" text)
    RETURNS TABLE ("chain" text, "length" bigint, "hash" text, "now" timestamptz)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    month text := to_char(transaction_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM');
    name text;
BEGIN
    IF EXISTS (SELECT FROM lethe_records.deletion_jobs AS j WHERE j.job_id = of_job) THEN
        name := 'job/' || of_job;
    ELSIF EXISTS (SELECT FROM lethe_records.tenant_gates AS g WHERE g.tenant_id = of_tenant) THEN
        name := 'tenant/' || month || '/' || of_tenant;
    ELSE
        name := 'platform/' || month;
    END IF;
    INSERT INTO lethe_records.audit_chains AS c (chain) VALUES (name) ON CONFLICT DO NOTHING;
    RETURN QUERY
        SELECT c.chain, c.length, c.hash, date_trunc('milliseconds', clock_timestamp())
        FROM lethe_records.audit_chains AS c WHERE c.chain = name FOR UPDATE;
END
$$;

-- The head moves with the event, and by an event alone: the platform's role cannot write it.
CREATE FUNCTION "lethe_records"."append_to_chain"() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE lethe_records.audit_chains AS c
    SET length = NEW.position, hash = NEW.hash, last_at = greatest(c.last_at, NEW.at)
    WHERE c.chain = NEW.chain AND c.length = NEW.position - 1 AND c.hash = NEW.previous_hash
        AND c.removed_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'Event % of the chain % does not follow its head.', NEW.position, NEW.chain
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER "append_to_chain" AFTER INSERT ON "lethe_records"."audit_events"
    FOR EACH ROW EXECUTE FUNCTION "lethe_records"."append_to_chain"();

-- Whoever writes: what is written stays, until a whole chain is older than the records are kept.
CREATE FUNCTION "lethe_records"."keep_audit"() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('lethe_records.removes_old', true) = 'yes' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is never changed: % refused.', TG_TABLE_NAME, TG_OP USING ERRCODE = 'check_violation';
END
$$;

CREATE TRIGGER "keep_audit" BEFORE UPDATE OR DELETE ON "lethe_records"."audit_events"
    FOR EACH ROW EXECUTE FUNCTION "lethe_records"."keep_audit"();
CREATE TRIGGER "keep_audit_whole" BEFORE TRUNCATE ON "lethe_records"."audit_events"
    FOR EACH STATEMENT EXECUTE FUNCTION "lethe_records"."keep_audit"();
CREATE TRIGGER "keep_audit_heads" BEFORE UPDATE OR DELETE ON "lethe_records"."audit_heads"
    FOR EACH ROW EXECUTE FUNCTION "lethe_records"."keep_audit"();
CREATE TRIGGER "keep_certificates" BEFORE UPDATE OR DELETE ON "lethe_records"."certificates"
    FOR EACH ROW EXECUTE FUNCTION "lethe_records"."keep_audit"();

-- No job is completed without its certificate.
CREATE FUNCTION "lethe_records"."demand_certificate"() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM lethe_records.certificates AS c WHERE c.job_id = NEW.job_id) THEN
        RAISE EXCEPTION 'Job % has no certificate.', NEW.job_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER "demand_certificate" BEFORE UPDATE ON "lethe_records"."deletion_jobs"
    FOR EACH ROW WHEN (NEW."status" = 'completed' AND OLD."status" <> 'completed')
    EXECUTE FUNCTION "lethe_records"."demand_certificate"();

-- The pseudonym of a user, made where there is none.
CREATE FUNCTION "lethe_records"."pseudonym_of"("of_user" text) RETURNS uuid
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO lethe_records.people (user_id) VALUES (of_user) ON CONFLICT DO NOTHING;
    RETURN (SELECT p.pseudonym FROM lethe_records.people AS p WHERE p.user_id = of_user);
END
$$;

-- Forgets who a pseudonym is. Columns that hold a user's id as it is are named user_id, or end in _by: they get the
-- pseudonym in its place, and so do texts in JSON that are this id. Null where the user is not known.
CREATE FUNCTION "lethe_records"."forget_person"("of_user" text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    known boolean := EXISTS (SELECT FROM lethe_records.people AS p WHERE p.user_id = of_user);
    forgotten uuid := lethe_records.pseudonym_of(of_user);
    place record;
    changed bigint;
BEGIN
    FOR place IN
        SELECT c.table_name, c.column_name, c.data_type, EXISTS (
            SELECT FROM pg_trigger AS g
            WHERE NOT g.tgisinternal AND g.tgrelid = format('lethe_records.%I', c.table_name)::regclass
        ) AS guarded
        FROM information_schema.columns AS c
        JOIN information_schema.tables AS t USING (table_schema, table_name)
        WHERE c.table_schema = 'lethe_records' AND t.table_type = 'BASE TABLE'
            AND c.table_name NOT IN ('people', 'audit_events') AND (
                (c.data_type = 'text' AND (c.column_name = 'user_id' OR c.column_name LIKE '%\_by'))
                OR c.data_type = 'jsonb'
            )
    LOOP
        EXECUTE format(
            CASE place.data_type
                WHEN 'text' THEN 'SELECT count(*) FROM lethe_records.%I WHERE %I = $1'
                ELSE 'SELECT count(*) FROM lethe_records.%I WHERE strpos(%I::text, to_json($1)::text) > 0'
            END, place.table_name, place.column_name) INTO changed USING of_user;
        CONTINUE WHEN changed = 0;
        known := true;
        -- What keeps rows as they are is about what was decided, not about the name of who did.
        IF place.guarded THEN
            EXECUTE format('ALTER TABLE lethe_records.%I DISABLE TRIGGER USER', place.table_name);
        END IF;
        EXECUTE format(
            CASE place.data_type
                WHEN 'text' THEN 'UPDATE lethe_records.%1$I SET %2$I = $1 WHERE %2$I = $2'
                ELSE 'UPDATE lethe_records.%1$I
                    SET %2$I = replace(%2$I::text, to_json($2)::text, to_json($1)::text)::jsonb
                    WHERE strpos(%2$I::text, to_json($2)::text) > 0'
            END, place.table_name, place.column_name) USING forgotten::text, of_user;
        IF place.guarded THEN
            EXECUTE format('ALTER TABLE lethe_records.%I ENABLE TRIGGER USER', place.table_name);
        END IF;
    END LOOP;
    DELETE FROM lethe_records.people AS p WHERE p.pseudonym = forgotten;
    RETURN CASE WHEN known THEN forgotten END;
END
$$;

-- Removes what is older than the records are kept: jobs with all that hangs on them, and whole chains. What shows that
-- a tenant is erased stays (tenant_gates), and so does the last signed head. Never anything younger than a month, whose
-- chains are still written; so the role that may call this cannot make recent events go.
CREATE FUNCTION "lethe_records"."remove_old_records"("older_than" timestamptz, "certificates_older_than" timestamptz)
    RETURNS TABLE ("jobs" bigint, "events" bigint, "certificates" bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    old_jobs uuid[];
    old_chains text[];
    place record;
BEGIN
    IF older_than > now() - interval '32 days' OR certificates_older_than > now() - interval '32 days' THEN
        RAISE EXCEPTION 'Records are kept for at least 32 days.' USING ERRCODE = 'check_violation';
    END IF;
    PERFORM set_config('lethe_records.removes_old', 'yes', true);

    -- A job that another one still names stays with it.
    WITH RECURSIVE kept AS (
        SELECT j.job_id, j.replay_of, j.continued_by FROM lethe_records.deletion_jobs AS j
        LEFT JOIN lethe_records.audit_chains AS c ON c.chain = 'job/' || j.job_id
        WHERE j.ended_at IS NULL OR j.ended_at >= older_than OR c.last_at >= older_than
        UNION
        SELECT j.job_id, j.replay_of, j.continued_by FROM lethe_records.deletion_jobs AS j
        JOIN kept AS k ON j.job_id IN (k.replay_of, k.continued_by)
    )
    SELECT coalesce(array_agg(j.job_id), '{}') INTO old_jobs
    FROM lethe_records.deletion_jobs AS j WHERE NOT EXISTS (SELECT FROM kept AS k WHERE k.job_id = j.job_id);

    SELECT coalesce(array_agg(c.chain), '{}') INTO old_chains
    FROM lethe_records.audit_chains AS c
    WHERE c.removed_at IS NULL AND c.last_at < older_than AND (
        c.chain NOT LIKE 'job/%'
        OR c.chain IN (SELECT 'job/' || o.job_id FROM unnest(old_jobs) AS o(job_id))
        OR NOT EXISTS (SELECT FROM lethe_records.deletion_jobs AS j WHERE 'job/' || j.job_id = c.chain)
    );

    UPDATE lethe_records.tenant_gates SET latest_job_id = NULL WHERE latest_job_id = ANY (old_jobs);
    -- Whatever hangs on a job: every table that refers to it.
    FOR place IN
        SELECT k.conrelid::regclass AS name, a.attname AS of_job
        FROM pg_constraint AS k
        JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
        WHERE k.contype = 'f' AND k.confrelid = 'lethe_records.deletion_jobs'::regclass
            AND k.conrelid NOT IN
                ('lethe_records.deletion_jobs'::regclass, 'lethe_records.tenant_gates'::regclass)
    LOOP
        EXECUTE format('DELETE FROM %s WHERE %I = ANY ($1)', place.name, place.of_job) USING old_jobs;
    END LOOP;
    DELETE FROM lethe_records.legal_holds AS h WHERE h.lifted_at < older_than;
    DELETE FROM lethe_records.returned_rows AS r WHERE r.cleared_at < older_than;
    DELETE FROM lethe_records.tombstone_releases AS r WHERE r.closed_at < older_than;
    DELETE FROM lethe_records.deletion_jobs AS j WHERE j.job_id = ANY (old_jobs);
    GET DIAGNOSTICS jobs = ROW_COUNT;
    DELETE FROM lethe_records.audit_events AS e WHERE e.chain = ANY (old_chains);
    GET DIAGNOSTICS events = ROW_COUNT;
    DELETE FROM lethe_records.certificates AS c WHERE c.issued_at < certificates_older_than;
    GET DIAGNOSTICS certificates = ROW_COUNT;

    -- A chain's name stays until a head has been signed that says that it was removed.
    DELETE FROM lethe_records.audit_chains AS c WHERE c.removed_at IS NOT NULL AND c.signed_hash IS NULL;
    UPDATE lethe_records.audit_chains AS c SET removed_at = clock_timestamp() WHERE c.chain = ANY (old_chains);
    DELETE FROM lethe_records.audit_heads AS h
    WHERE h.signed_at < older_than AND h.sequence < (SELECT max(l.sequence) FROM lethe_records.audit_heads AS l);
    PERFORM set_config('lethe_records.removes_old', '', true);
    RETURN NEXT;
END
$$;

REVOKE ALL ON FUNCTION
    "lethe_records"."lock_audit_chain"(uuid, text),
    "lethe_records"."append_to_chain"(),
    "lethe_records"."keep_audit"(),
    "lethe_records"."demand_certificate"(),
    "lethe_records"."pseudonym_of"(text),
    "lethe_records"."forget_person"(text),
    "lethe_records"."remove_old_records"(timestamptz, timestamptz)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    "lethe_records"."lock_audit_chain"(uuid, text),
    "lethe_records"."pseudonym_of"(text),
    "lethe_records"."forget_person"(text),
    "lethe_records"."remove_old_records"(timestamptz, timestamptz)
TO "lethe_records";
GRANT SELECT, INSERT ON
    "lethe_records"."people",
    "lethe_records"."audit_heads",
    "lethe_records"."certificates"
TO "lethe_records";
GRANT SELECT ON "lethe_records"."audit_chains" TO "lethe_records";
GRANT UPDATE ("signed_length", "signed_hash") ON "lethe_records"."audit_chains" TO "lethe_records";
GRANT UPDATE ("horizon", "digests", "purged_at") ON "lethe_records"."deletion_job_services" TO "lethe_records";
