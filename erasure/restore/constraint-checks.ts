/** Questions to unique indexes and foreign keys: which archived rows would they refuse? */
import { ident, label, qualified, shown } from '../quote.js';
import type { Session } from '../session/session.js';
import { type ArchiveView, asTable, liveRows, notedOf, PLACE } from './archive-view.js';
import type { Check } from './diagnose.js';

interface UniqueIndex {
  readonly table: number;
  readonly name: string;
  readonly attnums: readonly number[];
  readonly expressions: readonly string[];
  readonly predicate: string | null;
  readonly nullsEqual: boolean;
  /** Of an exclusion constraint: what must not hold for all columns together. */
  readonly operators: readonly string[] | null;
}

const UNIQUE = `
  SELECT i.indrelid AS "table", x.relname::text AS name,
         ARRAY(SELECT d.refobjsubid FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid > 0
                UNION SELECT k FROM unnest(i.indkey::int2[]) AS k WHERE k > 0) AS attnums,
         ARRAY(SELECT pg_get_indexdef(i.indexrelid, place, false) FROM generate_series(1, i.indnkeyatts) AS place
                ORDER BY place) AS expressions,
         pg_get_expr(i.indpred, i.indrelid) AS predicate, i.indnullsnotdistinct AS "nullsEqual",
         (SELECT ARRAY(SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname)
                         FROM unnest(k.conexclop) WITH ORDINALITY AS e(op, place)
                         JOIN pg_operator o ON o.oid = e.op JOIN pg_namespace n ON n.oid = o.oprnamespace
                        ORDER BY e.place)
            FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conexclop IS NOT NULL) AS operators
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
   WHERE i.indrelid = ANY ($1::oid[]) AND (i.indisunique OR i.indisexclusion) AND i.indisvalid ORDER BY x.relname`;

/** Archived rows whose place was taken meanwhile. */
export async function uniqueChecks(session: Session, views: readonly ArchiveView[]): Promise<Check[]> {
  const { rows } = await session.query<UniqueIndex>(UNIQUE, [views.map(({ table }) => table.oid)]);
  return rows.flatMap((index) => {
    const view = views.find(({ table }) => table.oid === index.table);
    if (view === undefined || !index.attnums.every((attnum) => view.columns.has(attnum))) return [];
    const where = index.predicate === null ? '' : ` WHERE ${index.predicate}`;
    const values = index.expressions.map((expression, place) => `(${expression}) AS e${place}`).join(', ');
    const equal = index.expressions.map((_, place) =>
      index.nullsEqual
        ? `l.e${place} IS NOT DISTINCT FROM s.e${place}`
        : `l.e${place} ${index.operators?.[place] ?? '='} s.e${place}`,
    );
    return [
      {
        view,
        places: `SELECT s.${PLACE} FROM (SELECT v.${PLACE}, ${values} FROM ${asTable(view)} AS v${where}) AS s
               WHERE EXISTS (SELECT FROM (SELECT ${values} FROM ${liveRows(view)}${where}) AS l WHERE ${equal.join(' AND ')})`,
        why: `other rows have taken their place in ${shown(index.name)}`,
      },
    ];
  });
}

/** An enforced key of one of the tables. */
export interface Key {
  readonly oid: number;
  readonly table: number;
  readonly name: string;
  readonly attnums: readonly number[];
  readonly parent: number;
  readonly parentSchema: string;
  readonly parentName: string;
  readonly parentPartitioned: boolean;
  readonly parentAttnums: readonly number[];
  readonly parentColumns: readonly string[];
  readonly operators: readonly string[];
  readonly temporal: boolean;
  readonly validated: boolean;
  /** Whether the role may look at the referenced table. */
  readonly readable: boolean;
}

// As JSON, since `conenforced` is a column from 18 on only.
const KEYS = `
  SELECT k.oid, k.conrelid AS "table", k.conname::text AS name, k.conkey::int4[] AS attnums,
         k.confrelid AS parent, n.nspname::text AS "parentSchema", p.relname::text AS "parentName",
         p.relkind = 'p' AS "parentPartitioned", k.confkey::int4[] AS "parentAttnums",
         ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS c(attnum, place)
                 JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.attnum ORDER BY c.place)
           AS "parentColumns",
         ARRAY(SELECT format('OPERATOR(%I.%s)', s.nspname, o.oprname)
                 FROM unnest(k.conpfeqop) WITH ORDINALITY AS e(op, place)
                 JOIN pg_operator o ON o.oid = e.op JOIN pg_namespace s ON s.oid = o.oprnamespace ORDER BY e.place)
           AS operators,
         COALESCE((to_jsonb(k)->>'conperiod')::bool, false) AS temporal, k.convalidated AS validated,
         has_table_privilege(p.oid, 'SELECT') AS readable
    FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace n ON n.oid = p.relnamespace
   WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid = ANY ($1::oid[])
     AND COALESCE((to_jsonb(k)->>'conenforced')::bool, true) ORDER BY k.conname`;

export async function keysOf(session: Session, views: readonly Pick<ArchiveView, 'table'>[]): Promise<Key[]> {
  const { rows } = await session.query<Key>(KEYS, [views.map(({ table }) => table.oid)]);
  return rows;
}

/** Archived rows that refer to a row which is neither there nor comes back with them. */
export async function keyChecks(session: Session, views: readonly ArchiveView[]): Promise<Check[]> {
  const keys = await keysOf(session, views);
  return keys.flatMap((key) => {
    if (key.temporal || !key.readable) return [];
    const child = views.find(({ table }) => table.oid === key.table);
    const values = key.attnums.map((attnum) => child?.columns.get(attnum)?.value);
    if (child === undefined || values.includes(undefined)) return [];
    const parent = views.find(({ table }) => table.oid === key.parent);
    const name = { schema: key.parentSchema, name: key.parentName };
    const from = key.parentPartitioned ? qualified(name) : `ONLY ${qualified(name)}`;
    const matches = (alias: string) =>
      key.parentColumns
        .map((column, place) => `${alias}.${ident(column)} ${key.operators[place]} ${values[place]}`)
        .join(' AND ');
    const absent = [`NOT EXISTS (SELECT FROM ${from} AS p WHERE ${matches('p')})`];
    if (parent && key.parentAttnums.every((attnum) => parent.columns.has(attnum))) {
      absent.push(`NOT EXISTS (SELECT FROM ${asTable(parent)} AS q WHERE ${matches('q')})`);
    }
    const set = values.map((value) => `${value} IS NOT NULL`);
    const check = (why: string, ...more: string[]): Check => ({
      view: child,
      places: `SELECT a.ctid FROM ${child.source} WHERE ${[...set, ...absent, ...more].join(' AND ')}`,
      why,
    });
    const orphans = notedOf(child, key);
    const gone = `the rows of ${label(name)} that they refer to by ${shown(key.name)} are gone`;
    if (orphans === null) return [check(gone)];
    const binds = `they had none in ${label(name)} to refer to by ${shown(key.name)}, which has been validated since: drop it, and make it again as NOT VALID`;
    const all = [check(gone, `NOT ${orphans}`)];
    return key.validated ? [...all, check(binds, orphans)] : all;
  });
}
