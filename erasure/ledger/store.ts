/** The ledger and the tombstones in the database. */
import type { Progress } from '../chunks/progress.js';
import type { Declaration } from '../declaration.js';
import type { Digests } from '../digest/types.js';
import type { BrokenGlass, LedgerState, Waiting } from '../engine-types.js';
import { LEDGER, TOMBSTONES } from '../install/ledger-sql.js';
import { qualified } from '../quote.js';
import type { Outcomes } from '../retention/outcome.js';
import type { Session } from '../session/session.js';
import type { Archive, LedgerRow, SavedReference, SkippedRows } from './record.js';
import { OPEN_STATES } from './transitions.js';

/** What a step of work changes in the ledger's row. */
export interface LedgerChange {
  readonly state?: LedgerRow['state'];
  readonly archives?: readonly Archive[];
  readonly savedReferences?: readonly SavedReference[];
  readonly skipped?: readonly SkippedRows[];
  readonly counts?: Readonly<Record<string, number>>;
  readonly outcome?: Outcomes;
  readonly rowsTotal?: number;
  readonly progress?: Progress | null;
  readonly upkeep?: readonly number[] | null;
  readonly notDone?: readonly string[];
  readonly digests?: Digests;
  readonly waiting?: Waiting | null;
  /** `now`: set to the time of this transaction. */
  readonly movedAt?: 'now';
  readonly stagedAt?: 'now';
  readonly restoredAt?: 'now';
  readonly purgedAt?: 'now';
  readonly horizonPassed?: true;
}

interface Stored extends Omit<LedgerRow, 'waiting'> {
  readonly waiting: { kind: Waiting['kind']; since: string; reason: string; blockers: string[] } | null;
}

// Transaction ids and OIDs mean something in one database of one cluster only.
const THIS_DATABASE = '(SELECT d.oid::int8 FROM pg_database d WHERE d.datname = current_database())';
const THIS_CLUSTER = `(CASE WHEN has_function_privilege('pg_control_system()', 'EXECUTE')
    THEN (SELECT c.system_identifier::text FROM pg_control_system() c) END)`;

const MOST_BROKEN_GLASS = 1_000;

/** Reads and writes both tables of one service. */
export class LedgerStore {
  readonly ledger: string;
  readonly tombstones: string;
  private readonly tenantType: string;

  constructor(declaration: Declaration) {
    this.ledger = qualified({ schema: declaration.letheSchema, name: LEDGER });
    this.tombstones = qualified({ schema: declaration.letheSchema, name: TOMBSTONES });
    this.tenantType = declaration.tenant.type;
  }

  private get columns(): string {
    return `id::text, tenant_id::text AS "tenantId", job_id::text AS "jobId", state, plan_hash AS "planHash",
      database_oid = ${THIS_DATABASE}
        AND COALESCE(system_identifier = ${THIS_CLUSTER}, true) AS "sameDatabase",
      archives, saved_references AS "savedReferences", skipped, counts, outcome, rows_total::float8 AS "rowsTotal", progress,
      horizon::text, horizon_passed_at IS NOT NULL AS "horizonPassed", waiting, upkeep, not_done AS "notDone", digests,
      moved_at AS "movedAt", staged_at AS "stagedAt", restored_at AS "restoredAt", purged_at AS "purgedAt"`;
  }

  private get ofTenant(): string {
    return `tenant_id = $1::${this.tenantType}`;
  }

  /** Throws where Lethe's schema is not there, or may not be used. */
  async check(session: Session): Promise<void> {
    await session.query(`SELECT FROM ${this.ledger} LIMIT 0`, [], { table: this.ledger });
  }

  /** `lock`: nobody else works on this job until the transaction ends. */
  async find(session: Session, tenantId: string, jobId: string, lock: boolean): Promise<LedgerRow | null> {
    const { rows } = await session.prepared<Stored>(
      lock ? 'lethe_ledger_row_locked' : 'lethe_ledger_row',
      `SELECT ${this.columns} FROM ${this.ledger} WHERE ${this.ofTenant} AND job_id = $2${lock ? ' FOR UPDATE' : ''}`,
      [tenantId, jobId],
      { table: this.ledger },
    );
    return rows[0] === undefined ? null : rowOf(rows[0]);
  }

  /** The open job of the tenant besides `jobId`, if there is one. */
  async findOther(session: Session, tenantId: string, jobId: string): Promise<LedgerRow | null> {
    const { rows } = await session.query<Stored>(
      `SELECT ${this.columns} FROM ${this.ledger}
        WHERE ${this.ofTenant} AND job_id <> $2 AND state = ANY ($3::text[]) FOR UPDATE`,
      [tenantId, jobId, OPEN_STATES],
      { table: this.ledger },
    );
    return rows[0] === undefined ? null : rowOf(rows[0]);
  }

  /** All rows of a tenant. */
  async ofTenantId(session: Session, tenantId: string): Promise<LedgerRow[]> {
    const { rows } = await session.query<Stored>(
      `SELECT ${this.columns} FROM ${this.ledger} WHERE ${this.ofTenant}`,
      [tenantId],
    );
    return rows.map(rowOf);
  }

  async openJobs(session: Session): Promise<{ tenantId: string; jobId: string; state: LedgerState }[]> {
    const { rows } = await session.query<{ tenantId: string; jobId: string; state: LedgerState }>(
      `SELECT tenant_id::text AS "tenantId", job_id::text AS "jobId", state FROM ${this.ledger}
        WHERE state = ANY ($1::text[]) ORDER BY created_at, id`,
      [OPEN_STATES],
    );
    return rows;
  }

  /** Writes down that somebody goes round the platform. */
  async noteBreakGlass(
    session: Session,
    {
      tenantId,
      jobId,
      ...entry
    }: Omit<BrokenGlass, 'at'> & {
      /** What was put aside, and where. */
      readonly skipped?: readonly {
        readonly table: string;
        readonly rows: number;
        readonly keptIn: string;
      }[];
    },
  ): Promise<void> {
    await session.query(
      `UPDATE ${this.ledger} SET break_glass = break_glass || jsonb_build_array($3::jsonb || jsonb_build_object('at', now()))
        WHERE ${this.ofTenant} AND job_id = $2`,
      [tenantId, jobId, JSON.stringify(entry)],
    );
  }

  /** Newest first. */
  async breakGlass(session: Session): Promise<BrokenGlass[]> {
    const { rows } = await session.query<Omit<BrokenGlass, 'at'> & { at: string }>(
      `SELECT l.tenant_id::text AS "tenantId", l.job_id::text AS "jobId", b.target, b.reason, b.by, b.at
         FROM ${this.ledger} l CROSS JOIN LATERAL
              jsonb_to_recordset(l.break_glass) AS b(target text, reason text, by text, at text)
        WHERE l.break_glass <> '[]' ORDER BY b.at::timestamptz DESC LIMIT ${MOST_BROKEN_GLASS}`,
    );
    return rows.map(({ at, ...entry }) => ({ ...entry, at: new Date(at) }));
  }

  /** False where the row is there already, or another open job of the tenant is. */
  async insert(
    session: Session,
    row: Pick<LedgerRow, 'tenantId' | 'jobId' | 'state' | 'planHash'> & { readonly outcome?: Outcomes },
    tables: readonly string[],
  ): Promise<boolean> {
    const counts = Object.fromEntries(tables.map((table) => [table, 0]));
    const { rowCount } = await session.query(
      `INSERT INTO ${this.ledger} (tenant_id, job_id, state, plan_hash, counts, outcome, database_oid, system_identifier, restored_at)
       VALUES ($1::${this.tenantType}, $2, $3, $4, $5, $6, ${THIS_DATABASE}, ${THIS_CLUSTER},
               CASE $3 WHEN 'restored' THEN now() END)
       ON CONFLICT DO NOTHING`,
      [
        row.tenantId,
        row.jobId,
        row.state,
        row.planHash,
        JSON.stringify(counts),
        JSON.stringify(row.outcome ?? {}),
      ],
      { table: this.ledger },
    );
    return rowCount === 1;
  }

  /** Work was done, so nothing is waited for, unless the change says so. */
  async update(session: Session, id: string, change: LedgerChange): Promise<void> {
    const values: unknown[] = [id];
    const assignments: string[] = [];
    const set = (column: string, value: unknown) => assignments.push(`${column} = $${values.push(value)}`);
    if (change.state !== undefined) set('state', change.state);
    if (change.archives) set('archives', JSON.stringify(change.archives));
    if (change.savedReferences) set('saved_references', JSON.stringify(change.savedReferences));
    if (change.skipped) set('skipped', JSON.stringify(change.skipped));
    if (change.counts) set('counts', JSON.stringify(change.counts));
    if (change.outcome) set('outcome', JSON.stringify(change.outcome));
    if (change.rowsTotal !== undefined) set('rows_total', change.rowsTotal);
    if (change.progress !== undefined) set('progress', change.progress && JSON.stringify(change.progress));
    if (change.upkeep !== undefined) set('upkeep', change.upkeep && JSON.stringify(change.upkeep));
    if (change.notDone) set('not_done', JSON.stringify(change.notDone));
    if (change.digests) set('digests', JSON.stringify(change.digests));
    set('waiting', change.waiting ? JSON.stringify(change.waiting) : null);
    if (change.movedAt) assignments.push('moved_at = now()');
    if (change.stagedAt) assignments.push('staged_at = now()');
    if (change.restoredAt) assignments.push('restored_at = now()');
    if (change.purgedAt) assignments.push('purged_at = COALESCE(purged_at, now())');
    if (change.horizonPassed) assignments.push('horizon_passed_at = now()');
    await session.query(`UPDATE ${this.ledger} SET ${assignments.join(', ')} WHERE id = $1`, values);
  }

  /** Takes the horizon: the transaction's own id, to be asked for in a transaction that does nothing else. */
  async takeHorizon(session: Session, id: string): Promise<void> {
    await session.query(
      `UPDATE ${this.ledger} SET horizon = pg_current_xact_id(), horizon_passed_at = NULL WHERE id = $1`,
      [id],
    );
  }

  /** Writes down that the row belongs to this database now. */
  async moveHere(session: Session, row: LedgerRow): Promise<void> {
    await session.query(
      `UPDATE ${this.ledger} SET archives = $2, saved_references = $3, horizon = NULL, horizon_passed_at = NULL,
              upkeep = NULL, progress = progress - 'at', database_oid = ${THIS_DATABASE}, system_identifier = ${THIS_CLUSTER} WHERE id = $1`,
      [row.id, JSON.stringify(row.archives), JSON.stringify(row.savedReferences)],
    );
  }

  /** Notes what is waited for, unless somebody else is at work on the row. Gives the row with the wait's beginning. */
  async noteWaiting(
    session: Session,
    tenantId: string,
    jobId: string,
    waiting: Omit<Waiting, 'since'>,
  ): Promise<LedgerRow | null> {
    const { rows } = await session.query<Stored>(
      `UPDATE ${this.ledger} SET waiting = jsonb_build_object('kind', $3::text, 'reason', $4::text, 'blockers', $5::jsonb,
              'since', CASE waiting->>'kind' WHEN $3 THEN waiting->>'since' ELSE to_json(clock_timestamp())#>>'{}' END)
        WHERE id = (SELECT id FROM ${this.ledger} WHERE ${this.ofTenant} AND job_id = $2 FOR UPDATE SKIP LOCKED)
       RETURNING ${this.columns}`,
      [tenantId, jobId, waiting.kind, waiting.reason, JSON.stringify(waiting.blockers)],
    );
    return rows[0] === undefined ? null : rowOf(rows[0]);
  }

  /** Ends another open job of the tenant in favour of this one, with its tombstone left in place. */
  async supersede(session: Session, id: string, by: string): Promise<void> {
    await session.query(
      `UPDATE ${this.ledger} SET state = 'purged', purged_at = now(), superseded_by = $2, waiting = NULL,
              archives = '[]', saved_references = '[]' WHERE id = $1`,
      [id, by],
    );
  }

  /** Rows that earlier jobs of the tenant could not bring back become this one's. */
  async takeSkipped(session: Session, tenantId: string, jobId: string): Promise<void> {
    await session.query(
      `WITH earlier AS (SELECT l.id, l.skipped FROM ${this.ledger} l
                         WHERE ${this.ofTenant} AND l.job_id <> $2 AND l.skipped <> '[]' FOR UPDATE),
            emptied AS (UPDATE ${this.ledger} l SET skipped = '[]' FROM earlier e WHERE l.id = e.id)
       UPDATE ${this.ledger} l SET skipped = l.skipped || (
         SELECT jsonb_agg(one) FROM earlier e CROSS JOIN LATERAL jsonb_array_elements(e.skipped) AS one)
        WHERE ${this.ofTenant} AND l.job_id = $2 AND EXISTS (SELECT FROM earlier)`,
      [tenantId, jobId],
    );
  }

  async setTombstone(session: Session, tenantId: string, jobId: string): Promise<void> {
    await session.query(
      `INSERT INTO ${this.tombstones} (tenant_id, job_id) VALUES ($1::${this.tenantType}, $2) ON CONFLICT DO NOTHING`,
      [tenantId, jobId],
      { table: this.tombstones },
    );
  }

  /** Of every job of the tenant that is not open; gives how many. */
  async liftEndedTombstones(session: Session, tenantId: string): Promise<number> {
    const { rowCount } = await session.query(
      `DELETE FROM ${this.tombstones} WHERE ${this.ofTenant} AND job_id NOT IN
         (SELECT job_id FROM ${this.ledger} WHERE ${this.ofTenant} AND state = ANY ($2::text[]))`,
      [tenantId, OPEN_STATES],
      { table: this.tombstones, privilege: 'DELETE' },
    );
    return rowCount ?? 0;
  }

  async liftTombstone(session: Session, tenantId: string, jobId: string): Promise<void> {
    await session.query(`DELETE FROM ${this.tombstones} WHERE ${this.ofTenant} AND job_id = $2`, [
      tenantId,
      jobId,
    ]);
  }
}

function rowOf({ waiting, ...row }: Stored): LedgerRow {
  return {
    ...row,
    waiting: waiting && { ...waiting, since: new Date(waiting.since) },
  };
}
