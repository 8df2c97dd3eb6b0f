/** Which tables can be restored with triggers off: those whose every reference stays within what is restored. */
import { EngineError } from '../engine-types.js';
import { countEach } from '../preview/counts.js';
import { ident, label, qualified, shown } from '../quote.js';
import type { Session } from '../session/session.js';
import { type ArchiveView, asTable, toleratedBy } from './archive-view.js';
import { type Key, keysOf } from './constraint-checks.js';
import { countSome, type Some, someOf, withOf } from './orphans.js';

// A trigger that is no foreign key's and not our fence's has to fire, and a deferrable constraint is checked by one.
const OBSTACLES = `
  SELECT t.oid FROM unnest($1::oid[]) AS t(oid)
   WHERE NOT has_parameter_privilege('session_replication_role', 'SET')
      OR EXISTS (
        SELECT FROM (SELECT t.oid UNION SELECT p.relid FROM pg_partition_tree(t.oid) p) AS r(oid)
         WHERE EXISTS (SELECT FROM pg_trigger g JOIN pg_proc f ON f.oid = g.tgfoid JOIN pg_namespace n ON n.oid = f.pronamespace
                  WHERE g.tgrelid = r.oid AND (g.tgenabled IN ('R', 'A')
                     OR (g.tgtype & 4 > 0 AND NOT g.tgisinternal AND g.tgenabled <> 'D' AND n.nspname <> $2)))
            OR EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = r.oid
                  AND ((k.contype IN ('p', 'u', 'x') AND k.condeferrable)
                    OR (k.contype = 'f' AND k.conparentid = 0 AND k.conrelid <> t.oid))))`;

const STORED = `
  SELECT c.relname::text AS archive, a.attname::text AS stored, format_type(a.atttypid, a.atttypmod) AS type
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
   WHERE n.nspname = $1 AND c.relname = ANY ($2::text[]) AND a.attnum > 0 AND NOT a.attisdropped`;

/**
 * OIDs of tables into which rows can be inserted with triggers off. What their rows refer to is inserted in the same
 * transaction, so that nobody else can see it, let alone delete it, before all is committed: there is nothing to lock.
 */
export async function silentlyRestorable(
  session: Session,
  views: readonly ArchiveView[],
  letheSchema: string,
): Promise<ReadonlySet<number>> {
  const obstacles = await session.query<{ oid: number }>(OBSTACLES, [
    views.map(({ table }) => table.oid),
    letheSchema,
  ]);
  const silent = new Set(views.map(({ table }) => table.oid));
  for (const { oid } of obstacles.rows) silent.delete(oid);
  if (silent.size === 0) return silent;

  const keys = await keysOf(session, views);
  const sameTypes = await unchangedTypes(session, views, letheSchema);
  const within = keys.map((key) => referringOutside(key, views, sameTypes));
  const asked = within.filter((source) => source !== null);
  const counts = await session.run((client) => countEach(client, asked, ''));
  let place = 0;
  keys.forEach((key, at) => {
    const inside = within[at] !== null && (counts[place++] ?? 1) === 0;
    if (!inside) silent.delete(key.table);
  });
  // A table whose triggers fire may change what is inserted: what refers to its rows has to be checked.
  for (let size = -1; size !== silent.size; ) {
    size = silent.size;
    for (const key of keys) if (!silent.has(key.parent)) silent.delete(key.table);
  }
  return silent;
}

const FIRING = `
  SELECT t.oid FROM unnest($1::oid[]) AS t(oid)
   WHERE EXISTS (SELECT FROM pg_trigger g JOIN pg_proc f ON f.oid = g.tgfoid JOIN pg_namespace n ON n.oid = f.pronamespace
                  WHERE (g.tgrelid = t.oid OR g.tgrelid IN (SELECT p.relid FROM pg_partition_tree(t.oid) p))
                    AND g.tgtype & 4 > 0 AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A') AND n.nspname <> $2)`;

/** Those of the tables on which somebody's trigger would fire when rows come back. */
export async function withInsertTriggers(
  session: Session,
  oids: readonly number[],
  letheSchema: string,
): Promise<ReadonlySet<number>> {
  if (oids.length === 0) return new Set();
  const { rows } = await session.query<{ oid: number }>(FIRING, [oids, letheSchema]);
  return new Set(rows.map(({ oid }) => oid));
}

/** Archived rows that come back without a trigger that would check them: all of an archive, or some. */
export interface Unchecked extends Some {
  readonly view: ArchiveView;
  /** Archives whose rows are as good as there: they come in the same transaction. */
  readonly alongside?: readonly ArchiveView[];
}

/**
 * What a foreign key's trigger would have done for rows that come back without it: locks what they refer to, and throws
 * `restore_conflict` where it is not there. Noted orphans refer to nothing, as they did. Asked once all other rows are
 * back, or are known to come along.
 */
export async function assertReferencesHold(session: Session, all: readonly Unchecked[]): Promise<void> {
  if (all.length === 0) return;
  const keys = await keysOf(
    session,
    all.map(({ view }) => view),
  );
  for (const key of keys) {
    const one = all.find(({ view }) => view.table.oid === key.table);
    const values = key.attnums.map((attnum) => one?.view.columns.get(attnum)?.value);
    if (one === undefined || values.includes(undefined)) continue;
    const { view, alongside = [] } = one;
    const tolerated = toleratedBy(view, key);
    const set = values.map((value) => `${value} IS NOT NULL`);
    const some = {
      ...one,
      where: [...(one.where ?? []), ...set, ...(tolerated ? [`NOT ${tolerated}`] : [])],
    };
    // There is nothing to lock, which would take a right that nobody may have needed so far.
    if (tolerated !== null && (await countSome(session, view, some)) === 0) continue;
    const name = { schema: key.parentSchema, name: key.parentName };
    const parent = `${key.parentPartitioned ? '' : 'ONLY '}${qualified(name)} AS p`;
    const same = key.parentColumns
      .map((column, place) => `p.${ident(column)} ${key.operators[place]} ${values[place]}`)
      .join(' AND ');
    const about = { table: label(name), privilege: 'UPDATE' };
    await session.query(
      `${withOf(some)}SELECT count(*) FROM (SELECT FROM ${parent} WHERE EXISTS (SELECT FROM ${someOf(view, some)} AND ${same})
         FOR KEY SHARE OF p) AS locked`,
      [],
      about,
    );
    const absent = [`NOT EXISTS (SELECT FROM ${parent} WHERE ${same})`];
    for (const other of alongside.filter(({ table }) => table.oid === key.parent)) {
      if (!key.parentAttnums.every((attnum) => other.columns.has(attnum))) continue;
      const equal = key.parentAttnums.map(
        (attnum, place) => `q.${other.columns.get(attnum)?.name} ${key.operators[place]} ${values[place]}`,
      );
      absent.push(`NOT EXISTS (SELECT FROM ${asTable(other)} AS q WHERE ${equal.join(' AND ')})`);
    }
    const missing = await countSome(session, view, { ...some, where: [...some.where, ...absent] }, about);
    if (missing === 0) continue;
    throw new EngineError(
      'restore_conflict',
      `${label(view.table)}: ${missing} rows cannot come back: the rows of ${label(name)} that they refer to by ${shown(key.name)} are gone.`,
      { table: label(view.table) },
    );
  }
}

/** Archived rows that refer to one which is not archived with them; null where that cannot be told from archives. */
function referringOutside(
  key: Key,
  views: readonly ArchiveView[],
  sameTypes: (view: ArchiveView, attnum: number) => boolean,
): string | null {
  const child = views.find(({ table }) => table.oid === key.table);
  const parent = views.find(({ table }) => table.oid === key.parent);
  if (child === undefined || parent === undefined || key.temporal) return null;
  const known =
    key.attnums.every((attnum) => sameTypes(child, attnum)) &&
    key.parentAttnums.every((attnum) => sameTypes(parent, attnum));
  if (!known) return null;
  const values = key.attnums.map((attnum) => child.columns.get(attnum)?.value ?? 'NULL');
  const tolerated = toleratedBy(child, key);
  const same = key.parentAttnums.map(
    (attnum, place) => `q.${parent.columns.get(attnum)?.name} ${key.operators[place]} ${values[place]}`,
  );
  return `${child.source} WHERE $1::pg_catalog.text IS NOT NULL AND ${values.map((value) => `${value} IS NOT NULL`).join(' AND ')}
    AND NOT EXISTS (SELECT FROM ${asTable(parent)} AS q WHERE ${same.join(' AND ')})${tolerated === null ? '' : ` AND NOT ${tolerated}`}`;
}

/** Whether a column still takes archived values as they are. */
async function unchangedTypes(
  session: Session,
  views: readonly ArchiveView[],
  letheSchema: string,
): Promise<(view: ArchiveView, attnum: number) => boolean> {
  const { rows } = await session.query<{ archive: string; stored: string; type: string }>(STORED, [
    letheSchema,
    views.map(({ archive }) => archive.archive),
  ]);
  const types = new Map(rows.map(({ archive, stored, type }) => [`${archive}.${stored}`, type]));
  return ({ archive, table, columns }, attnum) => {
    const archived = archive.columns.find((column) => column.attnum === attnum);
    const live = table.columns.find((column) => column.attnum === attnum);
    if (archived === undefined || live === undefined || !columns.has(attnum)) return false;
    return !archived.asText && types.get(`${archive.archive}.${archived.stored}`) === live.type;
  };
}
