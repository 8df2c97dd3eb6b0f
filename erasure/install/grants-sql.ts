/** What the service's role may do: to the declared tables, to what they are tied to, and in Lethe's schema. */
import type { Declaration } from '../declaration.js';
import { ident, literal, qualified } from '../quote.js';
import { treeOf } from './fence-sql.js';
import { LEDGER, TOMBSTONES } from './ledger-sql.js';
import { dollarQuoted, regclassText } from './text.js';

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

DO ${dollarQuoted(tableGrants(declaration, to))};`;
}

function tableGrants(declaration: Declaration, to: string): string {
  const schemas = declaration.schemas.map(literal).join(', ');
  const references = Object.entries(declaration.references ?? {})
    .filter(([, decision]) => decision === 'reference')
    .map(([name]) => literal(name))
    .sort()
    .join(', ');
  return `
DECLARE
    declared record;
    tied record;
    member regclass;
    rights text;
BEGIN
    FOR declared IN SELECT * FROM (VALUES ${declaredTables(declaration)}) AS d(name, action) LOOP
        IF to_regclass(declared.name) IS NULL THEN
            RAISE EXCEPTION 'Table % of the declaration does not exist', declared.name;
        END IF;
        rights := CASE declared.action WHEN 'keep' THEN 'SELECT' WHEN 'anonymize' THEN 'SELECT, UPDATE'
                                       ELSE 'SELECT, INSERT, UPDATE, DELETE' END;
        FOR member IN ${treeOf('to_regclass(declared.name)')} LOOP
            EXECUTE format(${literal(`GRANT %s ON %s TO ${to}`)}, rights, member);
        END LOOP;
        -- To tell a conflict before it happens, both sides of a foreign key have to be read; and where rows that stay
        -- refer to rows that go by a reference that is nulled, it has to be set back.
        FOR tied IN
            SELECT k.conrelid = to_regclass(declared.name) AS refers,
                   CASE k.conrelid WHEN to_regclass(declared.name) THEN k.confrelid ELSE k.conrelid END AS other,
                   k.confdeltype IN ('n', 'd')
                     OR ${nameOf('name')} = ANY (ARRAY[${references}]::text[])
                     OR ${nameOf(shownInSql('name'))} = ANY (ARRAY[${references}]::text[]) AS nulled
              FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE k.contype = 'f' AND to_regclass(declared.name) IN (k.conrelid, k.confrelid)
        LOOP
            CONTINUE WHEN NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                                       WHERE c.oid = tied.other AND n.nspname = ANY (ARRAY[${schemas}]::text[]));
            rights := CASE WHEN declared.action IN ('delete', 'retain') AND NOT tied.refers AND tied.nulled
                           THEN 'SELECT, UPDATE' ELSE 'SELECT' END;
            FOR member IN ${treeOf('tied.other')} LOOP
                EXECUTE format(${literal(`GRANT %s ON %s TO ${to}`)}, rights, member);
            END LOOP;
        END LOOP;
    END LOOP;
END`;
}

/** A key as a declaration names it: `schema.table.column[,column…]`, `part` being how each part is written. */
function nameOf(part: string): string {
  const written = (name: string) => part.replaceAll('name', name);
  return `concat(${written('n.nspname')}, '.', ${written('c.relname')}, '.',
                       (SELECT string_agg(${written('a.attname')}, ',' ORDER BY u.place)
                          FROM unnest(k.conkey) WITH ORDINALITY AS u(attnum, place)
                          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum))`;
}

/** Quoted where it has to be, as `shown` does it. */
function shownInSql(name: string): string {
  return `CASE WHEN ${name} ~ '^[a-z_][a-z0-9_]*$' THEN ${name}::text ELSE concat('"', replace(${name}, '"', '""'), '"') END`;
}

function declaredTables(declaration: Declaration): string {
  const tables = Object.entries(declaration.tables).sort(([one], [other]) => (one < other ? -1 : 1));
  if (tables.length === 0)
    throw new TypeError(
      `The declaration of ${declaration.name} names no table; it has to name at least one.`,
    );
  return tables
    .map(([name, { action }]) => `(${literal(regclassText(name, declaration))}, ${literal(action)})`)
    .join(', ');
}
