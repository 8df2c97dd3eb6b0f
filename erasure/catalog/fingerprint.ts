/** Whether the catalog is still what it was: a fingerprint of every row of it that reading the catalog depends on. */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { Declaration } from '../declaration.js';
import { literal } from '../quote.js';

/** Tables of the schemas, tables that keys tie to them, and everything below these. */
const SCOPE = (schemas: string) => `
  own(oid) AS (
    SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY (ARRAY[${schemas}]::text[]) AND c.relkind IN ('r', 'p', 'f')
     UNION
    SELECT i.inhrelid FROM own o JOIN pg_catalog.pg_inherits i ON i.inhparent = o.oid
  ), tied(oid) AS (
    SELECT DISTINCT COALESCE(pg_catalog.pg_partition_root(e.oid)::oid, e.oid)
      FROM pg_catalog.pg_constraint k CROSS JOIN LATERAL (VALUES (k.conrelid), (k.confrelid)) AS e(oid)
     WHERE k.contype = 'f'
       AND (k.conrelid = ANY (ARRAY(SELECT o.oid FROM own o)) OR k.confrelid = ANY (ARRAY(SELECT o.oid FROM own o)))
  ), scope(oid) AS (
    SELECT o.oid FROM own o
     UNION SELECT t.oid FROM tied t
     UNION SELECT i.inhrelid FROM scope s JOIN pg_catalog.pg_inherits i ON i.inhparent = s.oid
  ), triggers AS (
    SELECT t.xmin, t.ctid, t.tgfoid FROM pg_catalog.pg_trigger t
     WHERE t.tgrelid = ANY (ARRAY(SELECT s.oid FROM scope s))
  ), columns AS (
    SELECT a.xmin, a.ctid, a.atttypid FROM pg_catalog.pg_attribute a
     WHERE a.attrelid = ANY (ARRAY(SELECT s.oid FROM scope s))
  )`;

// An array is looked up in an index, which a sub-select beside other conditions is not.
const IN_SCOPE = (column: string) => `${column} = ANY (ARRAY(SELECT s.oid FROM scope s))`;

// Objects below this number are PostgreSQL's own, and do not change.
const OURS = (column: string) => `${column} >= 16384`;

/**
 * Where the rows stand. A version of a row is known by the transaction that wrote it and by its place: whatever is
 * changed, renamed, granted or dropped leaves another one. Only statistics are written in place, and no plan holds any.
 */
const ROWS: readonly (readonly [source: string, condition: string])[] = [
  // Names, and rights to schemas. Those of sessions' temporary tables come and go.
  ['pg_catalog.pg_namespace r', `r.nspname NOT LIKE 'pg\\_t%'`],
  ['pg_catalog.pg_database r', 'r.datname = pg_catalog.current_database()'],
  // Tables with their rights, row security and replica identity; views that may be readers of them.
  ['pg_catalog.pg_class r', IN_SCOPE('r.oid')],
  ['pg_catalog.pg_class r', `r.relkind = 'm' AND ${OURS('r.oid')}`],
  ['pg_catalog.pg_inherits r', `${IN_SCOPE('r.inhrelid')} OR ${IN_SCOPE('r.inhparent')}`],
  ['columns r', 'true'],
  [
    'pg_catalog.pg_type r',
    `${OURS('r.oid')} AND ((r.typtype <> 'c' AND r.typcategory <> 'A') OR r.oid = ANY (ARRAY(SELECT DISTINCT c.atttypid FROM columns c)))`,
  ],
  ['pg_catalog.pg_constraint r', IN_SCOPE('r.conrelid')],
  ['pg_catalog.pg_constraint r', `r.contype = 'f' AND ${IN_SCOPE('r.confrelid')}`],
  ['pg_catalog.pg_operator r', OURS('r.oid')],
  ['pg_catalog.pg_index r', IN_SCOPE('r.indrelid')],
  ['triggers r', 'true'],
  // Where a trigger's function is says whether the trigger is ours.
  ['pg_catalog.pg_proc r', 'r.oid = ANY (ARRAY(SELECT t.tgfoid FROM triggers t))'],
  ['pg_catalog.pg_proc r', `r.oid = 'pg_catalog.pg_control_system()'::regprocedure`],
  // Rules, and what views read.
  ['pg_catalog.pg_rewrite r', OURS('r.oid')],
  [
    'pg_catalog.pg_depend r',
    `r.classid = 'pg_catalog.pg_class'::regclass AND r.deptype = 'e' AND ${IN_SCOPE('r.objid')}`,
  ],
  ['pg_catalog.pg_publication r', 'true'],
  ['pg_catalog.pg_publication_rel r', 'true'],
  ['pg_catalog.pg_publication_namespace r', 'true'],
  ['pg_catalog.pg_auth_members r', 'true'],
  ['pg_catalog.pg_parameter_acl r', 'true'],
];

// Whose attributes may not be read as rows of a catalog, and what changes with a restart.
const FACTS = `
  SELECT pg_catalog.hashtextextended(
           pg_catalog.concat_ws(' ', r.oid, r.rolname, r.rolsuper, r.rolinherit, r.rolbypassrls), 101) AS fact
    FROM pg_catalog.pg_roles r WHERE pg_catalog.pg_has_role(r.oid, 'MEMBER')
   UNION ALL
  SELECT pg_catalog.hashtextextended(
           pg_catalog.concat_ws(' ', current_user, d.oid, pg_catalog.pg_postmaster_start_time(),
                                pg_catalog.current_setting('server_version_num')), 102)
    FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()`;

// Hashes of 64 bits and their sum: to write each row as text and to sort them took longer than to find them.
const QUERY = (schemas: string) => `
  WITH RECURSIVE ${SCOPE(schemas)}
  SELECT pg_catalog.concat_ws(' ', pg_catalog.count(*), pg_catalog.sum(f.fact)) AS fingerprint
    FROM (
      ${ROWS.map(
        ([source, condition], place) =>
          `SELECT pg_catalog.hash_record_extended(ROW(r.xmin, r.ctid), ${place}) AS fact FROM ${source} WHERE ${condition}`,
      ).join('\n       UNION ALL ')}
       UNION ALL ${FACTS}
    ) AS f`;

/** Equal at two moments: `readCatalog` reads the same at both, and did so in between. */
export async function catalogFingerprint(
  client: pg.ClientBase,
  { schemas }: Pick<Declaration, 'schemas'>,
): Promise<string> {
  // By name and without parameters: PostgreSQL then plans it once a session, which takes longer than running it.
  const text = QUERY(schemas.map(literal).join(', '));
  const name = `lethe_fingerprint_${createHash('md5').update(text).digest('hex')}`;
  const { rows } = await client.query<{ fingerprint: string }>({ name, text });
  return rows[0]?.fingerprint ?? '';
}
