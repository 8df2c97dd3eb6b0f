/** Connections of the engine: one pool for the work, one connection that looks on. */
import pg from 'pg';
import { LockTimeout, noteSubject, Overrun, spoken, sqlstateOf } from '../errors.js';
import { watching } from './lock-watch.js';
import { settingsQuery } from './settings.js';

/** What the engine tells while it works; pino's loggers fit. */
export interface EngineLogger {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

export interface SessionOptions {
  readonly databaseUrl: string;
  readonly name: string;
  readonly poolSize: number;
  /** Longest wait for one lock. */
  readonly lockTimeoutMs: number;
  /** Longest statement. */
  readonly statementTimeoutMs: number;
}

/** How long work may go on, and for which job. */
export interface Scope {
  readonly jobId: string | null;
  /** By `Date.now()`. Waits for locks end by then; a statement that runs may overrun it. */
  readonly deadline: number;
  /** Longest statement, where it should be shorter than usual. */
  readonly statementTimeoutMs?: number;
}

/** What a statement is about, for its error. */
export interface About {
  readonly table?: string;
  readonly privilege?: string;
}

const LEAST_LOCK_TIMEOUT_MS = 50;
const CONNECT_TIMEOUT_MS = 10_000;
/** A new connection reads the catalog anew before it does anything: those of one job serve its next step, too. */
const IDLE_MS = 60_000;

/** A connection while a transaction, or a single statement, has it. */
export class Session {
  private lockTimeoutMs: number;
  private overran = false;

  constructor(
    private readonly client: pg.ClientBase,
    private readonly pid: number,
    private readonly scope: Scope,
    private readonly options: SessionOptions,
    private readonly observers: pg.Pool,
    lockTimeoutMs: number,
  ) {
    this.lockTimeoutMs = lockTimeoutMs;
  }

  /** Runs one statement. A wait for a lock that lasts too long is a `LockTimeout`. */
  query<Row extends pg.QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
    about: About = {},
  ): Promise<pg.QueryResult<Row>> {
    return this.run((client) => client.query<Row>(text, [...values]), about);
  }

  /**
   * The same, prepared by name: it is planned once a connection, for what is asked so often that planning it takes longer
   * than the answer. A name stands for one text.
   */
  prepared<Row extends pg.QueryResultRow>(
    name: string,
    text: string,
    values: readonly unknown[],
    about: About = {},
  ): Promise<pg.QueryResult<Row>> {
    return this.run((client) => client.query<Row>({ name, text, values: [...values] }), about);
  }

  /** The same for those who bring their own statements. */
  async run<T>(work: (client: pg.ClientBase) => Promise<T>, about: About = {}): Promise<T> {
    if (this.overran) throw new Overrun();
    await this.shortenLockTimeout();
    let blockers: readonly string[] = [];
    let waitedFor = about.table ?? null;
    const firstLookMs = Math.min(this.lockTimeoutMs / 3, 500);
    try {
      return await watching(
        this.observers,
        this.pid,
        firstLookMs,
        () => work(this.client),
        (wait) => {
          blockers = wait.blockers;
          // A statement about several tables waits for one of them, and what was seen says for which.
          waitedFor = wait.table ?? about.table ?? null;
        },
      );
    } catch (error) {
      noteSubject(error, about);
      if (sqlstateOf(error) !== '55P03') throw error;
      const on = waitedFor === null ? '' : ` on ${waitedFor}`;
      throw new LockTimeout(`${spoken(error, '55P03')} (55P03)${on}`, blockers);
    }
  }

  /**
   * Statements that may take so long together. Then whatever runs is cancelled, the session does nothing any more, and
   * an `Overrun` is thrown: the transaction is over.
   */
  async within<T>(ms: number, work: () => Promise<T>): Promise<T> {
    let cancelled: Promise<unknown> | undefined;
    const timer = setTimeout(() => {
      this.overran = true;
      cancelled = this.observers.query('SELECT pg_cancel_backend($1)', [this.pid]).catch(() => undefined);
    }, ms);
    try {
      const result = await work();
      if (this.overran) throw new Overrun();
      return result;
    } catch (error) {
      throw this.overran ? new Overrun({ cause: error }) : error;
    } finally {
      clearTimeout(timer);
      await cancelled;
    }
  }

  private async shortenLockTimeout(): Promise<void> {
    const wanted = lockTimeout(this.options, this.scope);
    if (wanted > this.lockTimeoutMs * 0.8) return;
    this.lockTimeoutMs = wanted;
    await this.client.query(`SELECT set_config('lock_timeout', $1, false)`, [`${wanted}ms`]);
  }
}

function lockTimeout(options: SessionOptions, { deadline }: Scope): number {
  const left = Math.max(Math.round(deadline - Date.now()), LEAST_LOCK_TIMEOUT_MS);
  return Math.min(options.lockTimeoutMs, left);
}

/** Gives sessions out, each set up anew. */
export class Sessions {
  private readonly pool: pg.Pool;
  private readonly observers: pg.Pool;

  constructor(private readonly options: SessionOptions) {
    const config = {
      connectionString: options.databaseUrl,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      idleTimeoutMillis: IDLE_MS,
      keepAlive: true,
      options: '-c search_path=pg_catalog',
      fallback_application_name: `lethe ${options.name}`,
    };
    this.pool = new pg.Pool({ ...config, max: options.poolSize });
    this.observers = new pg.Pool({ ...config, max: 1, statement_timeout: 5_000 });
    for (const pool of [this.pool, this.observers]) {
      pool.on('error', () => undefined);
      // A connection that breaks tells so at its next statement; on its own it must not end the process.
      pool.on('connect', (client) => client.on('error', () => undefined));
    }
  }

  /** Statements that each stand for themselves. */
  async session<T>(scope: Scope, work: (session: Session) => Promise<T>): Promise<T> {
    const { client, session } = await this.open(scope);
    let failed = true;
    try {
      const result = await work(session);
      failed = false;
      return result;
    } finally {
      // After a failure the session's state is not known for sure: a new one costs little.
      client.release(failed || undefined);
    }
  }

  private async open(scope: Scope): Promise<{ client: pg.PoolClient; session: Session }> {
    const client = await this.pool.connect();
    try {
      const lockTimeoutMs = lockTimeout(this.options, scope);
      const settings = settingsQuery({
        applicationName: applicationName(this.options.name, scope),
        lockTimeoutMs,
        statementTimeoutMs: scope.statementTimeoutMs ?? this.options.statementTimeoutMs,
      });
      const { rows } = await client.query<{ pid: number }>(settings);
      const pid = rows[0]?.pid ?? 0;
      return {
        client,
        session: new Session(client, pid, scope, this.options, this.observers, lockTimeoutMs),
      };
    } catch (error) {
      client.release(true);
      throw error;
    }
  }

  /** One read-only transaction, of one moment, that lasts as long as somebody reads. */
  async *streaming<T>(scope: Scope, work: (session: Session) => AsyncGenerator<T>): AsyncGenerator<T> {
    const { client, session } = await this.open(scope);
    let done = false;
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      yield* work(session);
      await client.query('COMMIT');
      done = true;
    } finally {
      // Whoever stopped reading leaves a cursor open: the connection goes with it.
      client.release(done ? undefined : true);
    }
  }

  /** One transaction, committed if `work` ends well. */
  async transaction<T>(scope: Scope, work: (session: Session) => Promise<T>): Promise<T> {
    return this.session(scope, async (session) => {
      await session.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE');
      try {
        const result = await work(session);
        const { command } = await session.query('COMMIT');
        if (command !== 'COMMIT') throw new Error('PostgreSQL rolled back where a commit was asked for.');
        return result;
      } catch (error) {
        await session.query('ROLLBACK').catch(() => undefined);
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.pool.end(), this.observers.end()]);
  }
}

// PostgreSQL cuts it at 63 bytes: the job first.
function applicationName(service: string, { jobId }: Scope): string {
  return jobId === null ? `lethe ${service}` : `lethe ${jobId} ${service}`;
}
