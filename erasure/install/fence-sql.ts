/** The fence: triggers that refuse new rows for a tenant who has a tombstone. */
import type { Declaration } from '../declaration.js';
import { literal, qualified } from '../quote.js';
import { TOMBSTONES } from './ledger-sql.js';
import { dollarQuoted, regclassText } from './text.js';

/** A relation with everything below it: partitions at every level, and inheritance children. `root` is an expression. */
export function treeOf(root: string): string {
  return `WITH RECURSIVE tree(oid) AS (
        SELECT (${root})::oid
         UNION
        SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid
    ) SELECT tree.oid::regclass AS relation FROM tree JOIN pg_class c ON c.oid = tree.oid AND c.relkind IN ('r', 'p', 'm')`;
}

/** The functions, the procedure that fences one table, and its call for every declared table. */
export function fenceSql(declaration: Declaration): string {
  const fenceTable = qualified({ schema: declaration.letheSchema, name: 'fence_table' });
  const tables = Object.keys(declaration.tables)
    .map((name) => regclassText(name, declaration))
    .sort();
  return `${fenceFunctionsSql(declaration)}

DO ${dollarQuoted(`
DECLARE
    declared text;
BEGIN
    -- Behind one open writer a waiting CREATE TRIGGER stops every later insert: rather fail, and be run again.
    PERFORM set_config('lock_timeout', '2s', true);
    FOREACH declared IN ARRAY ARRAY[${tables.map(literal).join(', ')}]::text[] LOOP
        IF to_regclass(declared) IS NULL THEN
            RAISE EXCEPTION 'Table % of the declaration does not exist', declared;
        END IF;
        CALL ${fenceTable}(to_regclass(declared));
    END LOOP;
END`)};`;
}

/** The functions alone; no table is touched. Can be run again. */
export function fenceFunctionsSql(declaration: Declaration): string {
  const schema = declaration.letheSchema;
  const named = (name: string) => qualified({ schema, name });
  return `-- The fence. Statement-level, since a transition table costs far less than a call per row; two triggers, since one
-- with a transition table serves one event; on every partition too, since a statement that names a partition fires
-- the partition's triggers alone. They run as their owner: who writes rows has no business in Lethe's schema.
${fenceFunction(named('refuse_new_rows'), NEW_ROWS(declaration))}

${fenceFunction(named('refuse_changed_rows'), CHANGED_ROWS(declaration))}

-- Fences one table and all below it: what a new partition needs. To be called by the table's owner.
CREATE OR REPLACE PROCEDURE ${named('fence_table')}(relation regclass)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS ${dollarQuoted(fenceTable(declaration))};

REVOKE ALL ON FUNCTION ${named('refuse_new_rows')}(), ${named('refuse_changed_rows')}() FROM PUBLIC;
REVOKE ALL ON PROCEDURE ${named('fence_table')}(regclass) FROM PUBLIC;`;
}

function fenceFunction(name: string, question: string): string {
  return `CREATE OR REPLACE FUNCTION ${name}() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS ${dollarQuoted(`
DECLARE
    refused boolean;
BEGIN
    IF current_setting('lethe.engine', true) = 'on' THEN
        RETURN NULL;
    END IF;
    EXECUTE replace(${literal(question)}, '<column>', quote_ident(TG_ARGV[0])) INTO refused;
    IF refused THEN
        RAISE EXCEPTION 'The tenant is being or has been erased: rows of it can no longer be written to %.%',
            quote_ident(TG_TABLE_SCHEMA), quote_ident(TG_TABLE_NAME)
            USING ERRCODE = 'check_violation',
                  HINT = 'Lethe keeps late writes of an erased tenant out. A tenant that comes back gets a new id.';
    END IF;
    RETURN NULL;
END`)};`;
}

/** `<column>` becomes the tenant column. */
const NEW_ROWS = (declaration: Declaration) =>
  `SELECT EXISTS (SELECT FROM new_rows r JOIN ${tombstones(declaration)} t ON t.tenant_id = ${key(declaration)})`;

// A kept row of an erased tenant may be changed; it may not become one more.
const CHANGED_ROWS = (declaration: Declaration) => {
  const rows = (transition: string) =>
    `SELECT ${key(declaration)} AS tenant, count(*) AS rows FROM ${transition} r
      WHERE ${key(declaration)} IN (SELECT t.tenant_id FROM ${tombstones(declaration)} t) GROUP BY 1`;
  return `SELECT EXISTS (SELECT FROM (${rows('new_rows')}) n LEFT JOIN (${rows('old_rows')}) o ON o.tenant = n.tenant
    WHERE n.rows > COALESCE(o.rows, 0))`;
};

function key({ tenant }: Declaration): string {
  return tenant.type === 'text' ? 'r.<column>::text COLLATE "C"' : 'r.<column>';
}

function tombstones({ letheSchema }: Declaration): string {
  return qualified({ schema: letheSchema, name: TOMBSTONES });
}

function fenceTable(declaration: Declaration): string {
  const { letheSchema: schema } = declaration;
  const columns = columnsOf(declaration);
  return `
DECLARE
    member regclass;
    tenant_column text;
BEGIN
    FOR member IN ${treeOf('relation')} LOOP
        -- The first of the declared columns that the table has says whose a row is.
        SELECT a.attname INTO tenant_column FROM pg_attribute a
         WHERE a.attrelid = member AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY (${columns})
         ORDER BY array_position(${columns}, a.attname::text) LIMIT 1;
        CONTINUE WHEN tenant_column IS NULL;
        -- A column that cannot be compared with a tenant's key fails here, not at somebody's insert.
        EXECUTE replace(format(${literal(
          `SELECT FROM ${tombstones(declaration)} t JOIN %s r ON t.tenant_id = ${key(declaration)} LIMIT 0`,
        )}, member), '<column>', quote_ident(tenant_column));
        IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = member AND tgname = 'lethe_fence_insert') THEN
            EXECUTE format('CREATE TRIGGER lethe_fence_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows
                FOR EACH STATEMENT EXECUTE FUNCTION %I.refuse_new_rows(%L)', member, ${literal(schema)}, tenant_column);
        END IF;
        IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = member AND tgname = 'lethe_fence_update') THEN
            EXECUTE format('CREATE TRIGGER lethe_fence_update AFTER UPDATE ON %s
                REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
                FOR EACH STATEMENT EXECUTE FUNCTION %I.refuse_changed_rows(%L)', member, ${literal(schema)}, tenant_column);
        END IF;
    END LOOP;
END`;
}

/** An expression for the names of the columns that may hold the tenant's key of `relation`. */
function columnsOf(declaration: Declaration): string {
  const { tenant } = declaration;
  const array = (names: readonly string[]) => `ARRAY[${names.map(literal).join(', ')}]::text[]`;
  const own = { ...tenant.columnsOf, ...(tenant.root && { [tenant.root.table]: [tenant.root.key] }) };
  const cases = Object.entries(own).map(
    ([table, names]) => `WHEN to_regclass(${literal(regclassText(table, declaration))}) THEN ${array(names)}`,
  );
  return cases.length === 0
    ? array(tenant.columns)
    : `CASE relation ${cases.join(' ')} ELSE ${array(tenant.columns)} END`;
}
