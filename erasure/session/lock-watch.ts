/** Who blocks a statement of ours: looked up from a second connection while the statement waits. */
import type pg from 'pg';
import { label } from '../quote.js';

/** What was last seen of a wait. */
export interface SeenWait {
  readonly blockers: readonly string[];
  readonly table: string | null;
}

const LOOK_AGAIN_MS = 500;

const BLOCKERS = `
  SELECT b.pid, a.usename::text AS user, extract(epoch FROM now() - a.xact_start)::float8 AS age
    FROM unnest(pg_blocking_pids($1)) AS b(pid) LEFT JOIN pg_stat_activity a ON a.pid = b.pid
   GROUP BY b.pid, a.usename, a.xact_start ORDER BY b.pid`;

// A wait for a row's lock shows as a lock on the row, held, and one on a transaction, wanted.
const TABLE = `
  SELECT n.nspname::text AS schema, c.relname::text AS name
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE l.pid = $1 AND (NOT l.granted OR l.locktype = 'tuple')
     AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
   ORDER BY l.granted LIMIT 1`;

/** Runs `work`, a statement of the backend `pid`, and remembers whom it waited for. */
export async function watching<T>(
  observers: pg.Pool,
  pid: number,
  firstLookMs: number,
  work: () => Promise<T>,
  seen: (wait: SeenWait) => void,
): Promise<T> {
  let over = false;
  const look = async () => {
    try {
      const wait = await observe(observers, pid);
      if (!over && wait.blockers.length > 0) seen(wait);
    } catch {
      // Who blocks is good to know, and no reason to fail.
    }
    if (!over) timer = setTimeout(look, LOOK_AGAIN_MS);
  };
  let timer = setTimeout(look, firstLookMs);
  try {
    return await work();
  } finally {
    over = true;
    clearTimeout(timer);
  }
}

async function observe(observers: pg.Pool, pid: number): Promise<SeenWait> {
  // By name: whoever waits long is looked at again and again.
  const statement = { name: 'lethe_blockers', text: BLOCKERS, values: [pid] };
  const { rows } = await observers.query<Blocker>(statement);
  if (rows.length === 0) return { blockers: [], table: null };
  const tables = await observers.query<{ schema: string; name: string }>(TABLE, [pid]);
  const [table] = tables.rows;
  return { blockers: rows.map(blockerText), table: table === undefined ? null : label(table) };
}

export interface Blocker {
  readonly pid: number;
  readonly user: string | null;
  /** Seconds since its transaction began; null where the role may not see it. */
  readonly age: number | null;
}

/** A blocker as a person can find it. Never its query. */
export function blockerText({ pid, user, age }: Blocker): string {
  if (pid === 0) return 'a prepared transaction (see pg_prepared_xacts)';
  const since = age === null ? '' : `, transaction open for ${Math.round(age)} s`;
  return `pid ${pid}${user === null ? '' : ` (user ${user}${since})`}`;
}
