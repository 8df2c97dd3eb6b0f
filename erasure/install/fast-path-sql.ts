/** The right to turn triggers off: for speed alone, and in a migration of its own. */
import { ident, literal } from '../quote.js';
import { dollarQuoted } from './text.js';

/** Nothing depends on it, so it fails nothing: where whoever runs it may not grant it, triggers stay on. */
export function fastPathSql(role: string): string {
  const grant = `GRANT SET ON PARAMETER session_replication_role TO ${ident(role)}`;
  return `-- Lets Lethe move rows with triggers off, its own sessions alone and for the moving statements alone, and check
-- foreign keys set by set afterwards. It is faster, and the result is the same: where the role may not, triggers stay on.
-- With this right, whoever logs in as the role could write past triggers and foreign keys in the tables that it may
-- write to. To take it back, at any time and without a restart:
--   REVOKE SET ON PARAMETER session_replication_role FROM ${ident(role)};
DO ${dollarQuoted(`
BEGIN
    -- The grant is the whole cluster's: another database may have made it already.
    IF NOT has_parameter_privilege(${literal(role)}, 'session_replication_role', 'SET') THEN
        EXECUTE ${literal(grant)};
    END IF;
EXCEPTION WHEN insufficient_privilege OR internal_error THEN
    RAISE NOTICE 'Not granted, so triggers stay on: %', SQLERRM;
END`)};
`;
}
