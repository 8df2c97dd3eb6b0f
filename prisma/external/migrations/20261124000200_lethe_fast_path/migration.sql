-- Made by `npm run generate` from services/external/declaration.ts.

-- Lets Lethe move rows with triggers off, its own sessions alone and for the moving statements alone, and check
-- foreign keys set by set afterwards. It is faster, and the result is the same: where the role may not, triggers stay on.
-- With this right, whoever logs in as the role could write past triggers and foreign keys in the tables that it may
-- write to. To take it back, at any time and without a restart:
--   REVOKE SET ON PARAMETER session_replication_role FROM "lethe_external";
DO $lethe$
BEGIN
    -- The grant is the whole cluster's: another database may have made it already.
    IF NOT has_parameter_privilege('lethe_external', 'session_replication_role', 'SET') THEN
        EXECUTE 'GRANT SET ON PARAMETER session_replication_role TO "lethe_external"';
    END IF;
EXCEPTION WHEN insufficient_privilege OR internal_error THEN
    RAISE NOTICE 'Not granted, so triggers stay on: %', SQLERRM;
END
$lethe$;
