/** Keeps what engines do in a database within bounds: write-ahead log a second, transactions and locks at once. */
import type { StepResult } from '../advance/step.js';
import { LOCK_TABLE_SIZE } from '../catalog/queries.js';
import { LockTimeout } from '../errors.js';
import type { LedgerRow } from '../ledger/record.js';
import type { AllLimits } from '../limits.js';
import type { Session } from '../session/session.js';
import type { Progress } from './progress.js';

/** Advisory locks of two numbers: this one, and the place's. The letters of "leth". */
const PLACES = 0x6c657468;

/** Null: this transaction may move rows. `oids`: the tables that it moves rows of. Asked before any of them is locked. */
export async function mayWork(
  session: Session,
  { progress }: Pick<LedgerRow, 'progress'>,
  limits: AllLimits,
  oids: readonly number[],
): Promise<StepResult | null> {
  const ms = await pauseLeftMs(session, progress?.notBefore);
  if (ms > 0) return { kind: 'pause', ms };
  return takePlaces(session, limits, oids, 'xact_');
}

/** The same for work outside of a transaction that reads these tables. Busy: it was not done. */
export async function whileInPlace<T>(
  session: Session,
  limits: AllLimits,
  oids: readonly number[],
  work: () => Promise<T>,
): Promise<T | Busy> {
  const busy = await takePlaces(session, limits, oids, '');
  const result = busy ?? (await work());
  // After a failure the session is closed, and its locks are gone with it.
  await session.query('SELECT pg_advisory_unlock_all()');
  return result;
}

export type Busy = Extract<StepResult, { kind: 'busy' }>;

/** Of the lock table, what all places together stand for. The rest is for everybody else's queries. */
const LOCKS_OF_ALL_PLACES = 0.5;

// The tables, all below them and every index: what a statement on them locks.
const TAKE_PLACES = (until: 'xact_' | '') => `
  WITH RECURSIVE relation(oid) AS (
    SELECT unnest($3::oid[]) UNION SELECT i.inhrelid FROM relation r JOIN pg_inherits i ON i.inhparent = r.oid
  ), locks AS (
    SELECT count(*) + (SELECT count(*) FROM pg_index i WHERE i.indrelid = ANY (ARRAY(SELECT r.oid FROM relation r))) AS count
      FROM relation
  ), wanted AS MATERIALIZED (
    SELECT GREATEST(1, LEAST($2::int, ceil($2::int * l.count / (${LOCK_TABLE_SIZE} * ${LOCKS_OF_ALL_PLACES}))))::int AS places
      FROM locks l
  )
  SELECT w.places AS wanted FROM wanted w CROSS JOIN generate_series(1, $2::int) AS place
   WHERE CASE WHEN w.places = 1 OR w.places * 2 <= $2::int THEN pg_try_advisory_${until}lock($1, place)
              ELSE pg_advisory_${until}lock($1, $2::int + 1 - place) IS NOT NULL END
   LIMIT (SELECT places FROM wanted)`;

/**
 * Takes one of the database's places for transactions that move rows, until this one, or the session, ends; or several,
 * where tables have so many partitions and indexes that few such transactions at once would fill the lock table, which
 * fails everybody's queries. Null: they are taken; else there are too few free. Whoever dies gives them back.
 *
 * Who wants more than half would hardly find so many free at once: it waits for each, all in the same order and before
 * anything else is locked, and nobody gets one in between. Small ones begin at the other end.
 */
async function takePlaces(
  session: Session,
  { concurrentWork }: AllLimits,
  oids: readonly number[],
  until: 'xact_' | '',
): Promise<Busy | null> {
  const values = [PLACES, concurrentWork, oids];
  const { rows } = await session
    .prepared<{ wanted: number }>(`lethe_places_${until}`, TAKE_PLACES(until), values)
    .catch((error: unknown) => {
      if (!(error instanceof LockTimeout)) throw error;
      throw new LockTimeout(
        `So many locks are needed for its partitions and indexes that it counts as more than half of the ${concurrentWork} transactions of deletions that may be at work in this database (CONCURRENT_WORK), and others are at work.`,
        error.blockers,
      );
    });
  const wanted = rows[0]?.wanted ?? 1;
  return rows.length === wanted ? null : { kind: 'busy', places: wanted };
}

/** Where the log stood when a chunk began. */
export interface LogMark {
  readonly lsn: string;
}

/** Null where nobody asks for a limit. */
export async function markLog(session: Session, limits: AllLimits): Promise<LogMark | null> {
  if (limits.walBytesPerSecond === null) return null;
  const { rows } = await session.query<LogMark>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
  return rows[0] ?? null;
}

/** What others write at one stroke must not stop a deletion for long. */
const LONGEST_PAUSE = '30 seconds';

/**
 * The time before which the next chunk may not begin, so that the log has grown within its limit until then. Others'
 * writing during the chunk counts, too; and engines that are at work at the same time share the limit.
 */
export async function pauseAfter(
  session: Session,
  limits: AllLimits,
  mark: LogMark | null,
): Promise<{ readonly notBefore?: string }> {
  if (mark === null || limits.walBytesPerSecond === null) return {};
  const { rows } = await session.query<{ until: string | null }>(
    `SELECT to_json(clock_timestamp() + LEAST(wait, interval '${LONGEST_PAUSE}'))#>>'{}' AS until FROM (
       SELECT (pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::pg_lsn) * GREATEST(1, (
                SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                 WHERE l.locktype = 'advisory' AND l.classid = $2::int8::oid AND d.datname = current_database()))
                / $3::float8) * interval '1 second' - (clock_timestamp() - now()) AS wait) AS w
      WHERE wait > interval '0'`,
    [mark.lsn, PLACES, limits.walBytesPerSecond],
  );
  const until = rows[0]?.until;
  return until ? { notBefore: until } : {};
}

/** How long that is still. By the database's clock, which whoever wrote it had, too. */
async function pauseLeftMs(session: Session, notBefore: string | undefined): Promise<number> {
  if (notBefore === undefined) return 0;
  const { rows } = await session.query<{ ms: number }>(
    'SELECT extract(epoch FROM $1::timestamptz - clock_timestamp())::float8 * 1000 AS ms',
    [notBefore],
  );
  return Math.max(0, rows[0]?.ms ?? 0);
}

const WAL_BYTES_PER_ROW = 500;

/** Rows that go in one transaction: no more, either, than the log may grow by in two seconds. */
export function wholeRows({ singleTransactionRows, walBytesPerSecond }: AllLimits): number {
  if (walBytesPerSecond === null) return singleTransactionRows;
  return Math.min(singleTransactionRows, Math.ceil((2 * walBytesPerSecond) / WAL_BYTES_PER_ROW));
}

/** A chunk that takes far too long is cancelled, and made smaller, where it can be. */
export function withinChunk<T>(
  session: Session,
  { chunkMs }: AllLimits,
  progress: Progress,
  work: () => Promise<T>,
): Promise<T> {
  if (progress.whole || progress.blocks <= 1) return work();
  return session.within(Math.max(10 * chunkMs, 5_000), work);
}
