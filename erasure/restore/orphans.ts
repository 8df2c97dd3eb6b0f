/** Archived rows that referred to nothing when they went, by a key that is NOT VALID: they come back so, with triggers off. */
import { EngineError } from '../engine-types.js';
import { label } from '../quote.js';
import type { About, Session } from '../session/session.js';
import { type ArchiveView, liveRows, toleratedBy } from './archive-view.js';
import { keysOf } from './constraint-checks.js';
import type { Check } from './diagnose.js';

/** Rows `a` of an archive. */
export interface Some {
  /** Common table expressions that the conditions name. */
  readonly ctes?: readonly string[];
  /** None: all rows. */
  readonly where?: readonly string[];
}

export function withOf({ ctes = [] }: Some): string {
  return ctes.length === 0 ? '' : `WITH RECURSIVE ${ctes.join(', ')} `;
}

/** What stands after FROM. */
export function someOf({ source }: ArchiveView, { where = [] }: Some): string {
  return where.length === 0 ? source : `${source} WHERE ${where.join(' AND ')}`;
}

export async function countSome(
  session: Session,
  view: ArchiveView,
  some: Some,
  about: About = { table: label(view.table) },
): Promise<number> {
  const { rows } = await session.query<{ rows: number }>(
    `${withOf(some)}SELECT count(*)::float8 AS rows FROM ${someOf(view, some)}`,
    [],
    about,
  );
  return rows[0]?.rows ?? 0;
}

/** By the OID of its table, a condition on an archive's rows `a`. */
export type Orphans = ReadonlyMap<number, string>;

async function orphansOf(session: Session, views: readonly ArchiveView[]): Promise<Orphans> {
  const noted = views.filter(({ orphans }) => orphans.length > 0);
  if (noted.length === 0) return new Map();
  const keys = await keysOf(session, noted);
  return new Map(
    noted.flatMap((view): [number, string][] => {
      const own = keys.flatMap((key) => (key.table === view.table.oid ? (toleratedBy(view, key) ?? []) : []));
      return own.length === 0 ? [] : [[view.table.oid, `(${own.join(' OR ')})`]];
    }),
  );
}

/**
 * Which rows have to come back with triggers off. Keeps their keys from being validated until the transaction ends: a
 * VALIDATE that runs at the same time would not see them. Throws `restore_conflict` where they cannot come back.
 */
export async function returningOrphans(session: Session, views: readonly ArchiveView[]): Promise<Orphans> {
  for (const view of views.filter(({ orphans }) => orphans.length > 0)) {
    await session.query(`LOCK TABLE ${liveRows(view)} IN SHARE UPDATE EXCLUSIVE MODE`, [], {
      table: label(view.table),
      privilege: 'DELETE',
    });
  }
  const orphans = await orphansOf(session, views);
  for (const { view, places, why } of await checksOf(session, views, orphans)) {
    const rows = await countSome(session, view, { where: [`a.ctid IN (${places})`] });
    if (rows === 0) continue;
    const table = label(view.table);
    throw new EngineError('restore_conflict', `${table}: ${rows} rows cannot come back: ${why}.`, { table });
  }
  return orphans;
}

// A deferrable constraint is checked by a trigger, and one made for replicas would fire.
const OBSTACLES = `
  SELECT t.oid, NOT has_parameter_privilege('session_replication_role', 'SET') AS forbidden,
         EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = r.oid AND k.contype IN ('p', 'u', 'x') AND k.condeferrable)
           AS deferrable,
         EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = r.oid AND g.tgenabled = 'R' AND g.tgtype & 4 > 0) AS replica
    FROM unnest($1::oid[]) AS t(oid)
   CROSS JOIN LATERAL (SELECT t.oid UNION SELECT p.relid FROM pg_partition_tree(t.oid) p) AS r(oid)`;

interface Obstacle {
  readonly oid: number;
  readonly forbidden: boolean;
  readonly deferrable: boolean;
  readonly replica: boolean;
}

/** Orphans that cannot come back, since triggers cannot be off any more. */
export async function orphanChecks(session: Session, views: readonly ArchiveView[]): Promise<Check[]> {
  return checksOf(session, views, await orphansOf(session, views));
}

async function checksOf(session: Session, views: readonly ArchiveView[], orphans: Orphans): Promise<Check[]> {
  if (orphans.size === 0) return [];
  const { rows } = await session.query<Obstacle>(OBSTACLES, [[...orphans.keys()]]);
  return views.flatMap((view): Check[] => {
    const why = rows.filter(({ oid }) => oid === view.table.oid).flatMap((one) => whyOf(one) ?? [])[0];
    const among = orphans.get(view.table.oid);
    if (why === undefined || among === undefined) return [];
    const places = `SELECT a.ctid FROM ${view.source} WHERE ${among}`;
    return [{ view, places, why: `they refer to nothing, as before, which takes triggers off, and ${why}` }];
  });
}

function whyOf({ forbidden, deferrable, replica }: Obstacle): string | null {
  if (forbidden) return 'the role may not set session_replication_role any more: GRANT SET ON PARAMETER';
  if (deferrable) return 'a deferrable unique constraint of the table is checked by a trigger';
  return replica ? 'a trigger of the table fires where others are off' : null;
}
