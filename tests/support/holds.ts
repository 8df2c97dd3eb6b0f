/** Stops a deletion in the middle of a step by holding something that the step needs, as somebody else would. */
import pg from 'pg';
import { until } from './conditions.js';

export interface Hold {
  /** Of the session that holds. */
  readonly pid: number;
  /** Somebody waits for it: a session of the job's, where one is named. */
  waitedFor(jobId?: string): Promise<void>;
  /** So many sessions wait for it. */
  waitedForBy(sessions: number): Promise<void>;
  /** Lets go. */
  release(): Promise<void>;
}

const WAITING = `
  SELECT FROM pg_stat_activity
  WHERE datname = current_database() AND $1::int[] && pg_blocking_pids(pid)
    AND ($2::text IS NULL OR application_name LIKE 'lethe ' || $2 || '%')
    AND ($3::timestamptz IS NULL OR backend_start > $3)`;

export class Holds {
  readonly #open = new Set<Hold>();
  // Outside of the transactions that hold: within one, what runs is looked up only once.
  readonly #observer: pg.Pool;

  /** Superuser's URL. */
  constructor(readonly databaseUrl: string) {
    this.#observer = new pg.Pool({ connectionString: databaseUrl, max: 2 });
    this.#observer.on('error', () => undefined);
  }

  /** Without a transaction id, unless the mode is ACCESS EXCLUSIVE: nobody's horizon waits for it. */
  table(name: string, mode: 'ACCESS SHARE' | 'SHARE' | 'EXCLUSIVE' | 'ACCESS EXCLUSIVE'): Promise<Hold> {
    return this.#hold(`LOCK TABLE ${name} IN ${mode} MODE`);
  }

  /**
   * The gate of one tenant, which decides nothing meanwhile. A lock on a row has a transaction id: whoever stages in this
   * database waits for it.
   */
  gate(tenantId: string): Promise<Hold> {
    return this.#hold('SELECT FROM lethe_records.tenant_gates WHERE tenant_id = $1 FOR UPDATE', [tenantId]);
  }

  /** An archive of a staged job, as somebody who reads it: it cannot be dropped, by a restore or by a purge. */
  async archive(service: string, jobId: string): Promise<Hold> {
    const name = await this.#firstArchive(service, jobId);
    return this.table(`lethe_${service}."${name}"`, 'ACCESS SHARE');
  }

  async releaseAll(): Promise<void> {
    await Promise.all([...this.#open].map((hold) => hold.release()));
  }

  async close(): Promise<void> {
    await this.releaseAll();
    await this.#observer.end();
  }

  /** A session of the job's that is newer than `since` waits for whatever is held. */
  untilReached(jobId: string, since: Date): Promise<void> {
    const pids = [...this.#open].map(({ pid }) => pid);
    return this.#untilWaiting(pids, `whatever is held, for job ${jobId}`, { jobId, since });
  }

  async #untilWaiting(
    pids: number[],
    what: string,
    { jobId, since, by = 1 }: { jobId?: string | undefined; since?: Date; by?: number },
  ): Promise<void> {
    await until(
      async () => {
        const { rowCount } = await this.#observer.query(WAITING, [pids, jobId ?? null, since ?? null]);
        return (rowCount ?? 0) >= by;
      },
      { everyMs: 50, timeoutMs: 120_000, what: `somebody to wait for: ${what}` },
    );
  }

  async #firstArchive(service: string, jobId: string): Promise<string> {
    const { rows } = await this.#observer.query<{ name: string | null }>(
      `SELECT archives->0->>'archive' AS name FROM lethe_${service}.deletion_ledger WHERE job_id = $1`,
      [jobId],
    );
    const name = rows[0]?.name;
    if (!name) throw new Error(`${service} has no archive of job ${jobId}.`);
    return name;
  }

  async #hold(statement: string, values: readonly unknown[] = []): Promise<Hold> {
    const client = new pg.Client({ connectionString: this.databaseUrl, application_name: 'somebody else' });
    client.on('error', () => undefined);
    await client.connect();
    await client.query('BEGIN');
    await client.query(statement, [...values]);
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const pid = rows[0]?.pid ?? 0;
    const hold: Hold = {
      pid,
      waitedFor: (jobId) => this.#untilWaiting([pid], statement, { jobId }),
      waitedForBy: (by) => this.#untilWaiting([pid], statement, { by }),
      release: async () => {
        if (!this.#open.delete(hold)) return;
        await client.query('ROLLBACK').catch(() => undefined);
        await client.end();
      },
    };
    this.#open.add(hold);
    return hold;
  }
}
