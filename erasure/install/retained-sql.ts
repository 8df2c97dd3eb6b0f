/** Where retained rows rest: a schema that neither the service nor the engine can read. */
import type { Declaration } from '../declaration.js';
import { ident, literal, type QualifiedName, qualified } from '../quote.js';
import { dollarQuoted, keyType } from './text.js';

/** Names in the schema of retained rows. */
export const RETAINED_ROWS = 'retained_rows';
export const RETAINED_SUMMARY = 'retained_summary';
export const ERASE_DUE = 'erase_due';

/** PostgreSQL cuts names at 63 bytes; the schema's own is plain. */
const LONGEST_PREFIX = 63 - '_retained_owner'.length;

/** The schema, beside Lethe's own. */
export function retainedSchema({ letheSchema }: Pick<Declaration, 'letheSchema'>): string {
  return `${letheSchema.slice(0, LONGEST_PREFIX)}_retained`;
}

/** Something in it. */
export function inRetained(declaration: Pick<Declaration, 'letheSchema'>, name: string): QualifiedName {
  return { schema: retainedSchema(declaration), name };
}

/** The login role that may read what is retained, for an auditor: made by whoever runs the database. */
export function retainedReader(role: string): string {
  return `${role.slice(0, 63 - '_retained'.length)}_retained`;
}

export function retains({ tables }: Pick<Declaration, 'tables'>): boolean {
  return Object.values(tables).some(({ action }) => action === 'retain');
}

/**
 * Schema, table and functions, owned by a role that nobody can log in as. `role` (the engine's) may put rows in, count
 * them and erase what is due, and can neither read nor change them. Can be run again.
 */
export function retainedSql(declaration: Declaration, role: string, reader = retainedReader(role)): string {
  const schema = retainedSchema(declaration);
  const owner = `${schema}_owner`;
  const rows = qualified({ schema, name: RETAINED_ROWS });
  const erasures = qualified({ schema, name: 'retained_erasures' });
  const summary = qualified({ schema, name: RETAINED_SUMMARY });
  const eraseDue = qualified({ schema, name: ERASE_DUE });
  return `-- Rows that have to be retained. They belong to a role that nobody logs in as. Lethe's own role puts them in, counts
-- them and erases what is due, and cannot read them; ${reader}, where it exists, reads them for an auditor.
DO ${dollarQuoted(`
BEGIN
    -- Roles are the cluster's: another database may have made it, even at this very moment.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(owner)}) THEN
        CREATE ROLE ${ident(owner)} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END`)};
CREATE SCHEMA IF NOT EXISTS ${ident(schema)};
REVOKE ALL ON SCHEMA ${ident(schema)} FROM PUBLIC;

CREATE TABLE IF NOT EXISTS ${rows} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id ${keyType(declaration.tenant.type)} NOT NULL,
    job_id uuid NOT NULL,
    table_name text NOT NULL,
    why text NOT NULL CHECK (why IN ('policy', 'referred_to')),
    ground text NOT NULL,
    period text NOT NULL,
    retain_until timestamptz NOT NULL,
    retained_at timestamptz NOT NULL DEFAULT now(),
    content jsonb NOT NULL,
    types jsonb NOT NULL
);
COMMENT ON TABLE ${rows} IS 'Rows of erased tenants that have to be retained: each column''s value as text, its type beside.';
CREATE INDEX IF NOT EXISTS retained_rows_due ON ${rows} (retain_until);
CREATE INDEX IF NOT EXISTS retained_rows_of ON ${rows} (tenant_id, job_id, table_name);

CREATE TABLE IF NOT EXISTS ${erasures} (
    run_id uuid NOT NULL,
    tenant_id ${keyType(declaration.tenant.type)} NOT NULL,
    job_id uuid NOT NULL,
    table_name text NOT NULL,
    ground text NOT NULL,
    rows bigint NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, tenant_id, job_id, table_name, ground)
);
COMMENT ON TABLE ${erasures} IS 'What was erased when it was due, by the run that did it: a lost answer can be had again.';

-- Counts, in order of tenant, job and table, after the place that is given. No content.
CREATE OR REPLACE FUNCTION ${summary}(of_tenant text, after_place text[], most int)
    RETURNS TABLE (tenant_id text, job_id text, table_name text, why text, ground text, period text, rows bigint,
                   first_due timestamptz, last_due timestamptz, retained_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS ${dollarQuoted(`
    SELECT g.* FROM (
        SELECT r.tenant_id::text AS tenant_id, r.job_id::text AS job_id, r.table_name, r.why, r.ground, r.period,
               count(*) AS rows, min(r.retain_until) AS first_due, max(r.retain_until) AS last_due,
               min(r.retained_at) AS retained_at
          FROM ${rows} r WHERE of_tenant IS NULL OR r.tenant_id = of_tenant::${keyType(declaration.tenant.type)}
         GROUP BY r.tenant_id, r.job_id, r.table_name, r.why, r.ground, r.period) g
     WHERE after_place IS NULL
        OR ARRAY[g.tenant_id, g.job_id, g.table_name, g.why, g.ground, g.period] COLLATE "C" > after_place
     ORDER BY ARRAY[g.tenant_id, g.job_id, g.table_name, g.why, g.ground, g.period] COLLATE "C" LIMIT most`)};

-- Erases at most so many rows whose date has come, whatever date is asked for. The same run again goes on, and gives
-- what it has erased in all.
CREATE OR REPLACE FUNCTION ${eraseDue}(run uuid, due_by timestamptz, except_tenants text[], except_jobs uuid[], most int)
    RETURNS TABLE (kind text, tenant_id text, job_id text, table_name text, ground text, rows bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS ${dollarQuoted(`
#variable_conflict use_column
DECLARE
    latest timestamptz := least(due_by, now());
    gone bigint;
BEGIN
    WITH due AS (
        SELECT r.id FROM ${rows} r
         WHERE r.retain_until <= latest AND r.tenant_id::text <> ALL (except_tenants) AND r.job_id <> ALL (except_jobs)
         ORDER BY r.retain_until, r.id LIMIT most FOR UPDATE SKIP LOCKED
    ), erased AS (
        DELETE FROM ${rows} r USING due WHERE r.id = due.id
        RETURNING r.tenant_id, r.job_id, r.table_name, r.ground
    ), counted AS (
        SELECT e.tenant_id, e.job_id, e.table_name, e.ground, count(*) AS rows FROM erased e GROUP BY 1, 2, 3, 4
    ), noted AS (
        INSERT INTO ${erasures} AS l (run_id, tenant_id, job_id, table_name, ground, rows)
        SELECT run, c.tenant_id, c.job_id, c.table_name, c.ground, c.rows FROM counted c
        ON CONFLICT (run_id, tenant_id, job_id, table_name, ground) DO UPDATE SET rows = l.rows + excluded.rows
    ) SELECT COALESCE(sum(c.rows), 0) INTO gone FROM counted c;
    RETURN QUERY SELECT 'erased'::text, l.tenant_id::text, l.job_id::text, l.table_name, l.ground, l.rows
      FROM ${erasures} l WHERE l.run_id = run ORDER BY 2, 3, 4, 5;
    RETURN QUERY SELECT 'held'::text, NULL::text, NULL::text, NULL::text, NULL::text, count(*) FROM ${rows} r
     WHERE r.retain_until <= latest AND (r.tenant_id::text = ANY (except_tenants) OR r.job_id = ANY (except_jobs));
    RETURN QUERY SELECT 'batch'::text, NULL::text, NULL::text, NULL::text, NULL::text, gone;
END`)};

ALTER SCHEMA ${ident(schema)} OWNER TO ${ident(owner)};
ALTER TABLE ${rows} OWNER TO ${ident(owner)};
ALTER TABLE ${erasures} OWNER TO ${ident(owner)};
ALTER FUNCTION ${summary}(text, text[], int) OWNER TO ${ident(owner)};
ALTER FUNCTION ${eraseDue}(uuid, timestamptz, text[], uuid[], int) OWNER TO ${ident(owner)};
REVOKE ALL ON FUNCTION ${summary}(text, text[], int), ${eraseDue}(uuid, timestamptz, text[], uuid[], int) FROM PUBLIC;
GRANT USAGE ON SCHEMA ${ident(schema)} TO ${ident(role)};
GRANT INSERT ON ${rows} TO ${ident(role)};
GRANT EXECUTE ON FUNCTION ${summary}(text, text[], int), ${eraseDue}(uuid, timestamptz, text[], uuid[], int) TO ${ident(role)};
DO ${dollarQuoted(`
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(reader)}) THEN
        GRANT USAGE ON SCHEMA ${ident(schema)} TO ${ident(reader)};
        GRANT SELECT ON ${rows} TO ${ident(reader)};
    END IF;
END`)};`;
}
