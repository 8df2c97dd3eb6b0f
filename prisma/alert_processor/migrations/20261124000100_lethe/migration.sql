-- Made by `npm run generate` from services/alert_processor/declaration.ts.

-- Lethe's own schema: the ledger, the tombstones and, while a job is open, its archives.
CREATE SCHEMA IF NOT EXISTS "lethe_alert_processor";
REVOKE ALL ON SCHEMA "lethe_alert_processor" FROM PUBLIC;

CREATE TABLE "lethe_alert_processor"."deletion_ledger" (
    id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    tenant_id uuid NOT NULL,
    job_id uuid NOT NULL,
    state text NOT NULL
        CHECK (state IN ('staging', 'staged', 'restoring', 'restored', 'purging', 'purged')),
    plan_hash text,
    database_oid bigint NOT NULL,
    system_identifier text,
    archives jsonb NOT NULL DEFAULT '[]',
    saved_references jsonb NOT NULL DEFAULT '[]',
    skipped jsonb NOT NULL DEFAULT '[]',
    counts jsonb NOT NULL DEFAULT '{}',
    outcome jsonb NOT NULL DEFAULT '{}',
    rows_total bigint,
    progress jsonb,
    horizon xid8,
    horizon_passed_at timestamptz,
    waiting jsonb,
    upkeep jsonb,
    not_done jsonb NOT NULL DEFAULT '[]',
    digests jsonb,
    superseded_by uuid,
    break_glass jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    moved_at timestamptz,
    staged_at timestamptz,
    restored_at timestamptz,
    purged_at timestamptz,
    PRIMARY KEY (tenant_id, job_id)
);
COMMENT ON TABLE "lethe_alert_processor"."deletion_ledger" IS 'What each deletion job has done to each tenant here. Written by Lethe alone.';
-- Two requests at once open one job, not two.
CREATE UNIQUE INDEX deletion_ledger_one_open ON "lethe_alert_processor"."deletion_ledger" (tenant_id)
    WHERE state IN ('staging', 'staged', 'restoring', 'purging');

CREATE TABLE "lethe_alert_processor"."tenant_tombstones" (
    tenant_id uuid NOT NULL,
    job_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, job_id)
);
COMMENT ON TABLE "lethe_alert_processor"."tenant_tombstones" IS 'Tenants that are being or have been erased. Written by Lethe alone.';

-- The fence. Statement-level, since a transition table costs far less than a call per row; two triggers, since one
-- with a transition table serves one event; on every partition too, since a statement that names a partition fires
-- the partition's triggers alone. They run as their owner: who writes rows has no business in Lethe's schema.
CREATE OR REPLACE FUNCTION "lethe_alert_processor"."refuse_new_rows"() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $lethe$
DECLARE
    refused boolean;
BEGIN
    IF current_setting('lethe.engine', true) = 'on' THEN
        RETURN NULL;
    END IF;
    EXECUTE replace('SELECT EXISTS (SELECT FROM new_rows r JOIN "lethe_alert_processor"."tenant_tombstones" t ON t.tenant_id = r.<column>)', '<column>', quote_ident(TG_ARGV[0])) INTO refused;
    IF refused THEN
        RAISE EXCEPTION 'The tenant is being or has been erased: rows of it can no longer be written to %.%',
            quote_ident(TG_TABLE_SCHEMA), quote_ident(TG_TABLE_NAME)
            USING ERRCODE = 'check_violation',
                  HINT = 'Lethe keeps late writes of an erased tenant out. A tenant that comes back gets a new id.';
    END IF;
    RETURN NULL;
END
$lethe$;

CREATE OR REPLACE FUNCTION "lethe_alert_processor"."refuse_changed_rows"() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $lethe$
DECLARE
    refused boolean;
BEGIN
    IF current_setting('lethe.engine', true) = 'on' THEN
        RETURN NULL;
    END IF;
    EXECUTE replace('SELECT EXISTS (SELECT FROM (SELECT r.<column> AS tenant, count(*) AS rows FROM new_rows r
      WHERE r.<column> IN (SELECT t.tenant_id FROM "lethe_alert_processor"."tenant_tombstones" t) GROUP BY 1) n LEFT JOIN (SELECT r.<column> AS tenant, count(*) AS rows FROM old_rows r
      WHERE r.<column> IN (SELECT t.tenant_id FROM "lethe_alert_processor"."tenant_tombstones" t) GROUP BY 1) o ON o.tenant = n.tenant
    WHERE n.rows > COALESCE(o.rows, 0))', '<column>', quote_ident(TG_ARGV[0])) INTO refused;
    IF refused THEN
        RAISE EXCEPTION 'The tenant is being or has been erased: rows of it can no longer be written to %.%',
            quote_ident(TG_TABLE_SCHEMA), quote_ident(TG_TABLE_NAME)
            USING ERRCODE = 'check_violation',
                  HINT = 'Lethe keeps late writes of an erased tenant out. A tenant that comes back gets a new id.';
    END IF;
    RETURN NULL;
END
$lethe$;

-- Fences one table and all below it: what a new partition needs. To be called by the table's owner.
CREATE OR REPLACE PROCEDURE "lethe_alert_processor"."fence_table"(relation regclass)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $lethe$
DECLARE
    member regclass;
    tenant_column text;
BEGIN
    FOR member IN WITH RECURSIVE tree(oid) AS (
        SELECT (relation)::oid
         UNION
        SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
    ) SELECT tree.oid::regclass AS relation FROM tree JOIN pg_class c ON c.oid = tree.oid AND c.relkind IN ('r', 'p', 'm') LOOP
        -- The first of the declared columns that the table has says whose a row is.
        SELECT a.attname INTO tenant_column FROM pg_attribute a
         WHERE a.attrelid = member AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY (ARRAY['tenant_id']::text[])
         ORDER BY array_position(ARRAY['tenant_id']::text[], a.attname::text) LIMIT 1;
        CONTINUE WHEN tenant_column IS NULL;
        -- A column that cannot be compared with a tenant's key fails here, not at somebody's insert.
        EXECUTE replace(format('SELECT FROM "lethe_alert_processor"."tenant_tombstones" t JOIN %s r ON t.tenant_id = r.<column> LIMIT 0', member), '<column>', quote_ident(tenant_column));
        IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = member AND tgname = 'lethe_fence_insert') THEN
            EXECUTE format('CREATE TRIGGER lethe_fence_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows
                FOR EACH STATEMENT EXECUTE FUNCTION %I.refuse_new_rows(%L)', member, 'lethe_alert_processor', tenant_column);
        END IF;
        IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = member AND tgname = 'lethe_fence_update') THEN
            EXECUTE format('CREATE TRIGGER lethe_fence_update AFTER UPDATE ON %s
                REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
                FOR EACH STATEMENT EXECUTE FUNCTION %I.refuse_changed_rows(%L)', member, 'lethe_alert_processor', tenant_column);
        END IF;
    END LOOP;
END
$lethe$;

REVOKE ALL ON FUNCTION "lethe_alert_processor"."refuse_new_rows"(), "lethe_alert_processor"."refuse_changed_rows"() FROM PUBLIC;
REVOKE ALL ON PROCEDURE "lethe_alert_processor"."fence_table"(regclass) FROM PUBLIC;

DO $lethe$
DECLARE
    declared text;
BEGIN
    -- Behind one open writer a waiting CREATE TRIGGER stops every later insert: rather fail, and be run again.
    PERFORM set_config('lock_timeout', '2s', true);
    FOREACH declared IN ARRAY ARRAY['alert_processor.alert_comments', 'alert_processor.alert_interactions', 'alert_processor.alert_recipients', 'alert_processor.alert_rules', 'alert_processor.alerts']::text[] LOOP
        IF to_regclass(declared) IS NULL THEN
            RAISE EXCEPTION 'Table % of the declaration does not exist', declared;
        END IF;
        CALL "lethe_alert_processor"."fence_table"(to_regclass(declared));
    END LOOP;
END
$lethe$;

-- The role that Lethe works with here: what it needs, and no more. It owns only the archives that it makes.
GRANT USAGE ON SCHEMA "alert_processor", "lethe_alert_processor" TO "lethe_alert_processor";
GRANT CREATE ON SCHEMA "lethe_alert_processor" TO "lethe_alert_processor";
GRANT SELECT, INSERT, UPDATE ON "lethe_alert_processor"."deletion_ledger" TO "lethe_alert_processor";
GRANT SELECT, INSERT, DELETE ON "lethe_alert_processor"."tenant_tombstones" TO "lethe_alert_processor";

DO $lethe$
DECLARE
    declared record;
    tied record;
    member regclass;
    rights text;
BEGIN
    FOR declared IN SELECT * FROM (VALUES ('alert_processor.alert_comments', 'delete'), ('alert_processor.alert_interactions', 'delete'), ('alert_processor.alert_recipients', 'delete'), ('alert_processor.alert_rules', 'delete'), ('alert_processor.alerts', 'delete')) AS d(name, action) LOOP
        IF to_regclass(declared.name) IS NULL THEN
            RAISE EXCEPTION 'Table % of the declaration does not exist', declared.name;
        END IF;
        rights := CASE declared.action WHEN 'keep' THEN 'SELECT' WHEN 'anonymize' THEN 'SELECT, UPDATE'
                                       ELSE 'SELECT, INSERT, UPDATE, DELETE' END;
        FOR member IN WITH RECURSIVE tree(oid) AS (
        SELECT (to_regclass(declared.name))::oid
         UNION
        SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
    ) SELECT tree.oid::regclass AS relation FROM tree JOIN pg_class c ON c.oid = tree.oid AND c.relkind IN ('r', 'p', 'm') LOOP
            EXECUTE format('GRANT %s ON %s TO "lethe_alert_processor"', rights, member);
        END LOOP;
        -- To tell a conflict before it happens, both sides of a foreign key have to be read; and where rows that stay
        -- refer to rows that go by a reference that is nulled, it has to be set back.
        FOR tied IN
            SELECT k.conrelid = to_regclass(declared.name) AS refers,
                   CASE k.conrelid WHEN to_regclass(declared.name) THEN k.confrelid ELSE k.conrelid END AS other,
                   k.confdeltype IN ('n', 'd')
                     OR concat(n.nspname, '.', c.relname, '.',
                       (SELECT string_agg(a.attname, ',' ORDER BY u.place)
                          FROM unnest(k.conkey) WITH ORDINALITY AS u(attnum, place)
                          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum)) = ANY (ARRAY[]::text[])
                     OR concat(CASE WHEN n.nspname ~ '^[a-z_][a-z0-9_]*$' THEN n.nspname::text ELSE concat('"', replace(n.nspname, '"', '""'), '"') END, '.', CASE WHEN c.relname ~ '^[a-z_][a-z0-9_]*$' THEN c.relname::text ELSE concat('"', replace(c.relname, '"', '""'), '"') END, '.',
                       (SELECT string_agg(CASE WHEN a.attname ~ '^[a-z_][a-z0-9_]*$' THEN a.attname::text ELSE concat('"', replace(a.attname, '"', '""'), '"') END, ',' ORDER BY u.place)
                          FROM unnest(k.conkey) WITH ORDINALITY AS u(attnum, place)
                          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum)) = ANY (ARRAY[]::text[]) AS nulled
              FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE k.contype = 'f' AND to_regclass(declared.name) IN (k.conrelid, k.confrelid)
        LOOP
            CONTINUE WHEN NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                                       WHERE c.oid = tied.other AND n.nspname = ANY (ARRAY['alert_processor']::text[]));
            rights := CASE WHEN declared.action IN ('delete', 'retain') AND NOT tied.refers AND tied.nulled
                           THEN 'SELECT, UPDATE' ELSE 'SELECT' END;
            FOR member IN WITH RECURSIVE tree(oid) AS (
        SELECT (tied.other)::oid
         UNION
        SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
    ) SELECT tree.oid::regclass AS relation FROM tree JOIN pg_class c ON c.oid = tree.oid AND c.relkind IN ('r', 'p', 'm') LOOP
                EXECUTE format('GRANT %s ON %s TO "lethe_alert_processor"', rights, member);
            END LOOP;
        END LOOP;
    END LOOP;
END
$lethe$;

-- Statistics and materialized views hold values of rows that are gone. Lent by the owner, for these tables alone.
CREATE OR REPLACE FUNCTION "lethe_alert_processor"."refresh_after_erasure"(touched regclass) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $lethe$
DECLARE
    member regclass;
    has_rows boolean;
    has_rows_below boolean;
    cleared boolean := true;
BEGIN
    -- The tables that rows are erased from, and what reads them.
    IF NOT EXISTS (
        WITH RECURSIVE reader(oid) AS (
            SELECT tree.relation::oid FROM unnest(ARRAY['alert_processor.alert_comments', 'alert_processor.alert_interactions', 'alert_processor.alert_recipients', 'alert_processor.alert_rules', 'alert_processor.alerts']::text[]) AS d(name)
             CROSS JOIN LATERAL (WITH RECURSIVE tree(oid) AS (
        SELECT (to_regclass(d.name))::oid
         UNION
        SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
    ) SELECT tree.oid::regclass AS relation FROM tree JOIN pg_class c ON c.oid = tree.oid AND c.relkind IN ('r', 'p', 'm')) AS tree
             UNION
            SELECT w.ev_class FROM reader
              JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = reader.oid
                              AND d.classid = 'pg_rewrite'::regclass
              JOIN pg_rewrite w ON w.oid = d.objid
        ) SELECT FROM reader WHERE reader.oid = touched
    ) THEN
        RAISE EXCEPTION '% is no table that rows are erased from, and reads none', touched
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF (SELECT relkind FROM pg_class WHERE oid = touched) = 'm' THEN
        EXECUTE format('REFRESH MATERIALIZED VIEW %s', touched);
    END IF;
    EXECUTE format('ANALYZE %s', touched);
    FOR member IN WITH RECURSIVE tree(oid) AS (
        SELECT (touched)::oid
         UNION
        SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
    ) SELECT tree.oid::regclass AS relation FROM tree JOIN pg_class c ON c.oid = tree.oid AND c.relkind IN ('r', 'p', 'm') LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s), EXISTS (SELECT FROM %s)', member, member)
            INTO has_rows, has_rows_below;
        CONTINUE WHEN has_rows AND has_rows_below;
        -- ANALYZE leaves the statistics of an empty table as they were, and only a superuser can clear them.
        BEGIN
            DELETE FROM pg_statistic s
             WHERE (s.starelid = member OR s.starelid IN (SELECT indexrelid FROM pg_index WHERE indrelid = member))
               AND NOT CASE WHEN s.stainherit THEN has_rows_below ELSE has_rows END;
            DELETE FROM pg_statistic_ext_data d USING pg_statistic_ext e
             WHERE e.oid = d.stxoid AND e.stxrelid = member
               AND NOT CASE WHEN d.stxdinherit THEN has_rows_below ELSE has_rows END;
        EXCEPTION WHEN insufficient_privilege THEN
            cleared := false;
        END;
    END LOOP;
    RETURN cleared;
END
$lethe$;
REVOKE ALL ON FUNCTION "lethe_alert_processor"."refresh_after_erasure"(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "lethe_alert_processor"."refresh_after_erasure"(regclass) TO "lethe_alert_processor";
