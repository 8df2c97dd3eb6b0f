/** The queries that a catalog is read with. Each is about a whole set of tables, `$1`, not about one of them. */

const ROOT = (column: string) => `COALESCE(pg_partition_root(${column})::oid, ${column})`;

/** Locks that all sessions of the cluster together have room for. */
export const LOCK_TABLE_SIZE = `(current_setting('max_locks_per_transaction')::int8
           * (current_setting('max_connections')::int8 + current_setting('max_prepared_transactions')::int8))::float8`;

export const DATABASE = `
  SELECT current_setting('server_version_num')::int AS "serverVersion",
         d.oid AS "databaseOid",
         current_user::text AS role,
         ${LOCK_TABLE_SIZE} AS "lockTableSize",
         has_function_privilege('pg_control_system()', 'EXECUTE') AS "maySeeIdentifier",
         has_parameter_privilege('session_replication_role', 'SET') AS "maySilenceTriggers",
         n.oid IS NOT NULL AS "letheExists",
         COALESCE(has_schema_privilege(n.oid, 'USAGE'), false) AS "letheUsage",
         COALESCE(has_schema_privilege(n.oid, 'CREATE'), false) AS "letheCreate",
         ARRAY(SELECT p.pubname::text FROM pg_publication p
                WHERE p.puballtables
                   OR EXISTS (SELECT FROM pg_publication_namespace pn WHERE pn.pnpubid = p.oid AND pn.pnnspid = n.oid)
                ORDER BY p.pubname) AS "publicationsCoveringArchives"
    FROM pg_database d LEFT JOIN pg_namespace n ON n.nspname = $1
   WHERE d.datname = current_database()`;

export const SYSTEM_IDENTIFIER = 'SELECT system_identifier::text AS id FROM pg_control_system()';

/** `$1`: names of schemas. Keys that stand on one of their tables or point to one. */
export function foreignKeys(serverVersion: number): string {
  const since18 = (column: string, before: string) => (serverVersion >= 180000 ? `con.${column}` : before);
  const names = (relation: string, numbers: string) => `ARRAY(
           SELECT a.attname::text FROM unnest(${numbers}) WITH ORDINALITY AS k(attnum, place)
             JOIN pg_attribute a ON a.attrelid = ${relation} AND a.attnum = k.attnum ORDER BY k.place)`;
  return `
  SELECT con.oid, con.conname::text AS name,
         k.child AS "childOid", k.parent AS "parentOid",
         ${names('con.conrelid', 'con.conkey')} AS "childColumns",
         ${names('con.confrelid', 'con.confkey')} AS "parentColumns",
         ${names('con.conrelid', 'con.confdelsetcols')} AS "setColumns",
         CASE WHEN child.relispartition
              THEN json_build_object('schema', cn.nspname, 'name', child.relname) END AS "childPartition",
         CASE WHEN parent.relispartition
              THEN json_build_object('schema', pn.nspname, 'name', parent.relname) END AS "parentPartition",
         ARRAY(SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname)
                 FROM unnest(con.conpfeqop) WITH ORDINALITY AS k(op, place)
                 JOIN pg_operator o ON o.oid = k.op JOIN pg_namespace n ON n.oid = o.oprnamespace
                ORDER BY k.place) AS operators,
         con.confmatchtype AS match, con.confdeltype AS "onDelete", con.confupdtype AS "onUpdate",
         con.condeferrable AS deferrable, con.condeferred AS "initiallyDeferred",
         con.convalidated AS validated,
         ${since18('conenforced', 'true')} AS enforced, ${since18('conperiod', 'false')} AS temporal
    FROM pg_constraint con
    JOIN pg_class child ON child.oid = con.conrelid
    JOIN pg_namespace cn ON cn.oid = child.relnamespace
    JOIN pg_class parent ON parent.oid = con.confrelid
    JOIN pg_namespace pn ON pn.oid = parent.relnamespace
   CROSS JOIN LATERAL (SELECT ${ROOT('con.conrelid')} AS child, ${ROOT('con.confrelid')} AS parent) k
    JOIN pg_class cr ON cr.oid = k.child JOIN pg_namespace crn ON crn.oid = cr.relnamespace
    JOIN pg_class pr ON pr.oid = k.parent JOIN pg_namespace prn ON prn.oid = pr.relnamespace
   WHERE con.contype = 'f' AND con.conparentid = 0
     AND (crn.nspname = ANY ($1::text[]) OR prn.nspname = ANY ($1::text[]))
   ORDER BY crn.nspname, cr.relname, con.conname, con.oid`;
}

/** `$1`: names of schemas; `$2`: tables elsewhere. */
export const TABLES = `
  SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind AS kind,
         n.nspname = ANY ($1::text[]) AS declared,
         ARRAY(SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = c.oid ORDER BY i.inhseqno)::int8[]::text[]
           AS "parentOids",
         ARRAY(SELECT r.rulename::text FROM pg_rewrite r
                WHERE r.ev_class = c.oid AND r.ev_type <> '1' AND r.ev_enabled <> 'D' ORDER BY r.rulename) AS rules,
         (SELECT ARRAY(SELECT a.attname::text FROM unnest(pk.conkey) WITH ORDINALITY AS k(attnum, place)
                         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum ORDER BY k.place)
            FROM pg_constraint pk WHERE pk.conrelid = c.oid AND pk.contype = 'p') AS "primaryKey",
         EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x') AND k.condeferrable)
           AS "deferrableUnique",
         EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                    AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e') AS "extensionOwned"
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
     AND (n.nspname = ANY ($1::text[]) OR c.oid = ANY ($2::oid[]))
   ORDER BY n.nspname, c.relname`;

/**
 * `$1`: tables; `$2`: Lethe's schema. The tables themselves and everything below them in partition trees. They are walked
 * here since `pg_partition_tree` would lock them all.
 */
export const RELATIONS = `
  WITH RECURSIVE published AS (
    SELECT t.relid FROM pg_publication p CROSS JOIN LATERAL pg_get_publication_tables(p.pubname::text) t
     WHERE p.pubdelete
  ), relation(root, oid) AS (
    SELECT t.oid, t.oid FROM unnest($1::oid[]) AS t(oid)
     UNION
    SELECT r.root, i.inhrelid FROM relation r JOIN pg_class p ON p.oid = r.oid AND p.relkind = 'p'
      JOIN pg_inherits i ON i.inhparent = r.oid AND NOT i.inhdetachpending
  )
  SELECT r.root, c.oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind AS kind,
         c.reltuples::float8 AS "estimatedRows",
         c.relrowsecurity AS "rowSecurity", c.relforcerowsecurity AS "rowSecurityForced",
         row_security_active(c.oid) AS filtered,
         1 + (SELECT count(*)::int FROM pg_index i WHERE i.indrelid = c.oid) AS locks,
         has_schema_privilege(n.oid, 'USAGE') AS "schemaUsage",
         has_table_privilege(c.oid, 'SELECT') AS select, has_table_privilege(c.oid, 'INSERT') AS insert,
         has_table_privilege(c.oid, 'UPDATE') AS update, has_table_privilege(c.oid, 'DELETE') AS delete,
         (SELECT COALESCE(bool_or(t.tgtype & 4 > 0) AND bool_or(t.tgtype & 16 > 0), false)
            FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid JOIN pg_namespace fn ON fn.oid = f.pronamespace
           WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 1 = 0
             AND fn.nspname = $2) AS fenced,
         c.relkind IN ('r', 'f')
           AND (c.relreplident = 'n'
            OR (c.relreplident = 'd'
                AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))
            OR (c.relreplident = 'i'
                AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident)))
           AND EXISTS (SELECT FROM published p WHERE p.relid = c.oid OR p.relid IN
                         (SELECT a.relid FROM pg_partition_ancestors(c.oid) a)) AS "replicaIdentityMissing"
    FROM relation r JOIN pg_class c ON c.oid = r.oid JOIN pg_namespace n ON n.oid = c.relnamespace
   ORDER BY n.nspname, c.relname`;

/** `$1`: tables. */
export const COLUMNS = `
  WITH RECURSIVE base(oid, type) AS (
    SELECT t.oid, t.oid FROM pg_type t WHERE t.typtype <> 'd'
     UNION ALL
    SELECT t.oid, b.type FROM pg_type t JOIN base b ON b.oid = t.typbasetype WHERE t.typtype = 'd'
  )
  SELECT a.attrelid AS "table", a.attnum, a.attname::text AS name,
         format_type(a.atttypid, a.atttypmod) AS type, format_type(b.type, NULL) AS "baseType",
         a.attnotnull AND NOT EXISTS (SELECT FROM pg_constraint v WHERE v.conrelid = a.attrelid
                                         AND v.contype = 'n' AND NOT v.convalidated AND v.conkey = ARRAY[a.attnum])
           AS "notNull",
         a.attgenerated <> '' AS generated,
         CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'default' END AS identity,
         t.oid < 16384 AND t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype IN ('b', 'r', 'm')
           AND COALESCE(e.typtype IN ('b', 'r', 'm'), true) AS "builtIn",
         CASE WHEN t.typnamespace <> 'pg_catalog'::regnamespace
              THEN json_build_object('name', tn.nspname, 'usage', has_schema_privilege(tn.oid, 'USAGE')) END AS "typeSchema",
         a.atthasdef AND a.attgenerated = '' AS "hasDefault"
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN base b ON b.oid = t.oid
    JOIN pg_namespace tn ON tn.oid = t.typnamespace
    LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typelem <> 0
   WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
   ORDER BY a.attrelid, a.attnum`;

/** `$1`: tables. Only indexes that serve equality; columns up to the first expression. */
export const INDEXES = `
  SELECT i.indrelid AS "table", i.indisunique AS "unique", i.indpred IS NOT NULL AS partial,
         ARRAY(SELECT a.attname::text FROM generate_series(0, i.indnkeyatts - 1) AS place
                 JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[place]
                WHERE NOT 0 = ANY ((i.indkey::int2[])[0:place]) ORDER BY place) AS columns
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am am ON am.oid = x.relam
   WHERE i.indrelid = ANY ($1::oid[]) AND i.indisvalid AND am.amname IN ('btree', 'hash')
   ORDER BY i.indrelid, x.relname`;

/** `$1`: tables and all below them; `$2`: Lethe's schema. Clones of a root's trigger on its partitions are left out. */
export const TRIGGERS = `
  SELECT t.tgrelid AS relation, t.tgname::text AS name, t.tgtype AS type, t.tgenabled AS enabled,
         fn.nspname = $2 AS ours
    FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid JOIN pg_namespace fn ON fn.oid = f.pronamespace
   WHERE t.tgrelid = ANY ($1::oid[]) AND NOT t.tgisinternal AND t.tgparentid = 0
   ORDER BY t.tgrelid, t.tgname`;

/** `$1`: tables and all below them. Also those that read a table through views. */
export const MATERIALIZED_VIEWS = `
  WITH RECURSIVE reader(source, reader) AS (
    SELECT d.refobjid, r.ev_class FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
     WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
       AND d.refobjid = ANY ($1::oid[]) AND r.ev_class <> d.refobjid
     UNION
    SELECT x.source, r.ev_class FROM reader x
      JOIN pg_depend d ON d.refobjid = x.reader AND d.classid = 'pg_rewrite'::regclass
                      AND d.refclassid = 'pg_class'::regclass
      JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> d.refobjid
  )
  SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name,
         array_agg(DISTINCT ${ROOT('x.source')}::int8)::text[] AS "tableOids"
    FROM reader x JOIN pg_class c ON c.oid = x.reader AND c.relkind = 'm' JOIN pg_namespace n ON n.oid = c.relnamespace
   GROUP BY c.oid, n.nspname, c.relname ORDER BY n.nspname, c.relname`;

/** `$1`: the schema of retained rows, `$2`: their table. A schema that may not be used shows nothing of it. */
export const RETAINED_PLACE = `
  SELECT c.oid IS NOT NULL AS exists,
         COALESCE(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'INSERT'), false) AS insert
    FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = $2
   WHERE n.nspname = $1`;
