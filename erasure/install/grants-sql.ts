/** What the service's role may do: to the declared tables, to what they are tied to, and in Lethe's schema. */
import type { Declaration } from '../declaration.js';
import { ident, literal, qualified } from '../quote.js';
import { treeOf } from './fence-sql.js';
import { LEDGER, TOMBSTONES } from './ledger-sql.js';
import { dollarQuoted } from './text.js';

/** The owner's function that refreshes statistics and views where there is no MAINTAIN (before 17). */
export const UPKEEP = 'refresh_after_erasure';

/** Grants to `role`, which owns nothing of the service. */
export function grantsSql(declaration: Declaration, role: string): string {
  const { letheSchema } = declaration;
  const named = (name: string) => qualified({ schema: letheSchema, name });
  const schemas = [...new Set(declaration.schemas)].map(ident);
  const to = ident(role);
  return `-- The role that Lethe works with here: what it needs, and no more. It owns only the archives that it makes.
GRANT USAGE ON SCHEMA ${[...schemas, ident(letheSchema)].join(', ')} TO ${to};
GRANT CREATE ON SCHEMA ${ident(letheSchema)} TO ${to};
GRANT SELECT, INSERT, UPDATE ON ${named(LEDGER)} TO ${to};
GRANT SELECT, INSERT, DELETE ON ${named(TOMBSTONES)} TO ${to};

DO ${dollarQuoted(tableGrants(declaration, to))};

${upkeep(declaration, to)}`;
}

function tableGrants(declaration: Declaration, to: string): string {
  return `
DECLARE
    declared record;
    member regclass;
    rights text;
BEGIN
    FOR declared IN SELECT * FROM (VALUES ${declaredTables(declaration)}) AS d(name, action) LOOP
        IF to_regclass(declared.name) IS NULL THEN
            RAISE EXCEPTION 'Table % of the declaration does not exist', declared.name;
        END IF;
        rights := CASE declared.action WHEN 'delete' THEN 'SELECT, INSERT, UPDATE, DELETE' ELSE 'SELECT' END;
        -- Refreshing statistics, which keep samples of values, was the owner's alone before 17.
        IF declared.action = 'delete' AND current_setting('server_version_num')::int >= 170000 THEN
            rights := rights || ', MAINTAIN';
        END IF;
        FOR member IN ${treeOf('to_regclass(declared.name)')} LOOP
            EXECUTE format(${literal(`GRANT %s ON %s TO ${to}`)}, rights, member);
        END LOOP;
        -- To tell a conflict before it happens, both sides of a foreign key have to be read.
        FOR member IN
            SELECT tied.relation FROM pg_constraint k
             CROSS JOIN LATERAL (VALUES (k.conrelid::regclass), (k.confrelid::regclass)) AS tied(relation)
              JOIN pg_class c ON c.oid = tied.relation
             WHERE k.contype = 'f' AND to_regclass(declared.name) IN (k.conrelid, k.confrelid)
               AND c.relnamespace::regnamespace::text = ANY (ARRAY[${declaration.schemas
                 .map((schema) => `quote_ident(${literal(schema)})`)
                 .join(', ')}])
        LOOP
            EXECUTE format(${literal(`GRANT SELECT ON %s TO ${to}`)}, member);
        END LOOP;
    END LOOP;
END`;
}

function declaredTables(declaration: Declaration): string {
  const tables = Object.entries(declaration.tables).sort(([one], [other]) => (one < other ? -1 : 1));
  if (tables.length === 0)
    throw new TypeError(
      `The declaration of ${declaration.name} names no table; it has to name at least one.`,
    );
  return tables.map(([name, { action }]) => `(${literal(name)}, ${literal(action)})`).join(', ');
}

function upkeep(declaration: Declaration, to: string): string {
  const name = qualified({ schema: declaration.letheSchema, name: UPKEEP });
  const erased = Object.entries(declaration.tables)
    .filter(([, { action }]) => action === 'delete')
    .map(([table]) => literal(table))
    .sort();
  const body = `
BEGIN
    IF NOT EXISTS (SELECT FROM unnest(ARRAY[${erased.join(', ')}]::text[]) AS d(name)
                     JOIN LATERAL (${treeOf('to_regclass(d.name)')}) tree ON tree.relation = $1) THEN
        RAISE EXCEPTION '% is not a table that rows are erased from', $1 USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('ANALYZE %s', $1);
END`;
  return `-- Before 17 only the owner may refresh statistics; another's ANALYZE warns, and does nothing.
DO ${dollarQuoted(`
BEGIN
    IF current_setting('server_version_num')::int >= 170000 THEN
        RETURN;
    END IF;
    CREATE FUNCTION ${name}(regclass) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS ${literal(body)};
    REVOKE ALL ON FUNCTION ${name}(regclass) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION ${name}(regclass) TO ${to};
END`)};`;
}
