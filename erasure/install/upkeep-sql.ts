/** The function that removes copies of erased values which PostgreSQL itself keeps. */
import type { Declaration } from '../declaration.js';
import { ident, literal, qualified } from '../quote.js';
import { treeOf } from './fence-sql.js';
import { dollarQuoted, regclassText } from './text.js';

/** Name of the owner's function that refreshes statistics and materialized views. */
export const UPKEEP = 'refresh_after_erasure';

/**
 * A function of the owner's, not a privilege: MAINTAIN exists from 17 on only, and nobody but a superuser can clear
 * the statistics of a table that is empty now, which ANALYZE leaves as they were.
 */
export function upkeepSql(declaration: Declaration, role: string): string {
  const name = qualified({ schema: declaration.letheSchema, name: UPKEEP });
  return `-- Statistics and materialized views hold values of rows that are gone. Lent by the owner, for these tables alone.
CREATE OR REPLACE FUNCTION ${name}(touched regclass) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS ${dollarQuoted(body(declaration))};
REVOKE ALL ON FUNCTION ${name}(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ${name}(regclass) TO ${ident(role)};`;
}

function body(declaration: Declaration): string {
  const erased = Object.entries(declaration.tables)
    .filter(([, { action }]) => action !== 'keep')
    .map(([table]) => literal(regclassText(table, declaration)))
    .sort();
  return `
DECLARE
    member regclass;
    has_rows boolean;
    has_rows_below boolean;
    cleared boolean := true;
BEGIN
    -- The tables that rows are erased from, and what reads them.
    IF NOT EXISTS (
        WITH RECURSIVE reader(oid) AS (
            SELECT tree.relation::oid FROM unnest(ARRAY[${erased.join(', ')}]::text[]) AS d(name)
             CROSS JOIN LATERAL (${treeOf('to_regclass(d.name)')}) AS tree
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
    FOR member IN ${treeOf('touched')} LOOP
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
END`;
}
