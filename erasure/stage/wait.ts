/** Waiting until no transaction is left that began before the fence. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineContext, Slice } from '../context.js';
import type { Waiting } from '../engine-types.js';
import { blockerText } from '../session/lock-watch.js';
import type { Session } from '../session/session.js';

// Asked without a transaction id of our own, which the snapshot would count. Transaction ids are the cluster's: one
// that runs in another database, as those who look at it say, writes nothing here; one that nobody knows of is waited
// for. A transaction that has a snapshot and no id yet shows only in backend_xmin; autovacuum's workers, which have no
// user, and physical standbys, which are in no database, write nothing of a tenant's.
const PASSED = `
  WITH now AS MATERIALIZED (SELECT pg_current_snapshot() AS snapshot)
  SELECT pg_snapshot_xmax(now.snapshot) >= $1::xid8
     AND NOT EXISTS (
       SELECT FROM pg_snapshot_xip(now.snapshot) AS running(id)
        WHERE running.id < $1::xid8
          AND NOT EXISTS (SELECT FROM pg_stat_activity a
            WHERE a.backend_xid = running.id::xid AND a.datname <> current_database())
          AND NOT EXISTS (SELECT FROM pg_prepared_xacts p
            WHERE p.transaction = running.id::xid AND p.database <> current_database()))
     AND NOT EXISTS (
       SELECT FROM pg_stat_activity a
        WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.usesysid IS NOT NULL
          AND age(a.backend_xmin) > age($1::xid8::xid)) AS passed
    FROM now`;

const BLOCKERS = `
  SELECT a.pid, a.usename::text AS user, extract(epoch FROM now() - a.xact_start)::float8 AS age
    FROM pg_stat_activity a
   WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.usesysid IS NOT NULL
     AND (age(a.backend_xid) > age($1::xid8::xid) OR age(a.backend_xmin) > age($1::xid8::xid))
   ORDER BY a.pid LIMIT 20`;

const PREPARED = `
  SELECT p.gid, p.owner::text AS owner, p.database::text AS database FROM pg_prepared_xacts p
   WHERE p.database = current_database() AND age(p.transaction) > age($1::xid8::xid) ORDER BY p.prepared LIMIT 20`;

/** Whether every transaction of this database that began before the horizon has ended. */
export async function hasPassed(session: Session, horizon: string): Promise<boolean> {
  const { rows } = await session.prepared<{ passed: boolean }>('lethe_horizon_passed', PASSED, [horizon]);
  return rows[0]?.passed === true;
}

/** Who holds the horizon up, as a person can find them. */
export async function olderTransactions(session: Session, horizon: string): Promise<Omit<Waiting, 'since'>> {
  const running = await session.query<{ pid: number; user: string | null; age: number | null }>(BLOCKERS, [
    horizon,
  ]);
  const prepared = await session.query<{ gid: string; owner: string; database: string }>(PREPARED, [horizon]);
  const blockers = [
    ...running.rows.map(blockerText),
    ...prepared.rows.map(
      ({ gid, owner, database }) =>
        `prepared transaction ${JSON.stringify(gid.slice(0, 80))} (user ${owner}, database ${database})`,
    ),
  ];
  return {
    kind: 'older_transaction',
    reason:
      'Transactions that began before the tenant was fenced are still open and may yet write rows of it. They have to end: by commit, rollback or pg_terminate_backend.',
    blockers,
  };
}

const FIRST_POLL_MS = 10;
const LONGEST_POLL_MS = 250;

/** Waits as long as the slice lasts. Null: the horizon has passed. */
export async function waitForOlder(
  context: EngineContext,
  slice: Slice,
  horizon: string,
): Promise<Omit<Waiting, 'since'> | null> {
  return context.sessions.session(slice, async (session) => {
    const since = Date.now();
    for (;;) {
      if (await hasPassed(session, horizon)) return null;
      // A share of what it has waited for already: so much later at most does it notice.
      const share = (Date.now() - since) / 8;
      const pause = Math.min(Math.max(share, FIRST_POLL_MS), LONGEST_POLL_MS);
      if (Date.now() + pause >= slice.deadline) return olderTransactions(session, horizon);
      await sleep(pause);
    }
  });
}
