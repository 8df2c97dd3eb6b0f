/** A participant's database made by hand, and what tests of the engine ask of it. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Declaration } from '../../erasure/declaration.js';
import { createEngine } from '../../erasure/engine.js';
import type {
  AdvanceRequest,
  Engine,
  EngineLimits,
  LedgerStatus,
  Target,
} from '../../erasure/engine-types.js';
import { fastPathSql } from '../../erasure/install/fast-path-sql.js';
import { installSql } from '../../erasure/install/install-sql.js';
import { retainedSchema, retains } from '../../erasure/install/retained-sql.js';
import { ident, qualified } from '../../erasure/quote.js';
import { until } from './conditions.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';
import { withSuperuser } from './test-databases.js';

export interface ErasureDatabase {
  readonly database: TestDatabase;
  readonly declaration: Declaration;
  /** Lethe's role in this database. */
  readonly role: string;
  /** A superuser's connection, outside of the engine. */
  readonly admin: pg.Client;
  /** A further connection, for writers that are stepped. As the superuser, or as the role named. */
  connect(role?: string): Promise<pg.Client>;
  engine(options?: Partial<EngineLimits> & { poolSize?: number }): Engine;
  /** Closes everything, and drops database and role. */
  drop(): Promise<void>;
}

export interface ErasureDatabaseOptions {
  readonly declaration: Declaration;
  /** Tables and types, as their owner would make them. */
  readonly schema: string;
  /** Whether Lethe's role may turn triggers off. */
  readonly fast?: boolean;
  /** A superuser's URL of another cluster than the run's. */
  readonly cluster?: string;
}

/** A database with the tables of `schema` and Lethe installed. */
export async function createErasureDatabase(options: ErasureDatabaseOptions): Promise<ErasureDatabase> {
  const { declaration, schema, cluster } = options;
  const database = await createTestDatabase({ template: 'empty', ...(cluster && { cluster }) });
  const role = `lethe_test_${randomUUID().slice(0, 8)}`;
  const open: pg.Client[] = [];
  const engines: Engine[] = [];
  const connect = async (as?: string) => {
    const client = new pg.Client({
      connectionString: as === undefined ? database.url : database.urlFor(as),
      application_name: 'lethe tests',
    });
    client.on('error', () => undefined);
    await client.connect();
    open.push(client);
    return client;
  };
  const admin = await connect();
  await admin.query(`CREATE ROLE ${ident(role)} LOGIN PASSWORD '${role}'`);
  await admin.query(schema);
  await admin.query(installSql(declaration, role));
  if (options.fast) await admin.query(fastPathSql(role));
  return {
    database,
    declaration,
    role,
    admin,
    connect,
    engine: ({ poolSize = 3, ...limits } = {}) => {
      const engine = createEngine({
        databaseUrl: database.urlFor(role),
        declaration,
        limits: { lockTimeoutMs: 2_000, longestTransactionMs: 30_000, ...limits },
        poolSize,
      });
      engines.push(engine);
      return engine;
    },
    drop: async () => {
      // A test may have closed one itself.
      await Promise.all(engines.map((engine) => engine.close().catch(() => undefined)));
      await Promise.all(open.map((client) => client.end().catch(() => undefined)));
      await database.drop();
      const server = new URL(database.url);
      server.pathname = '/postgres';
      await withSuperuser(server.href, async (client) => {
        await client.query(`REVOKE SET ON PARAMETER session_replication_role FROM ${ident(role)}`);
        await client.query(`DROP ROLE IF EXISTS ${ident(role)}`);
        // Another test's database may have one of the same name.
        const owner = ident(`${retainedSchema(declaration)}_owner`);
        if (retains(declaration)) await client.query(`DROP ROLE IF EXISTS ${owner}`).catch(() => undefined);
      });
    },
  };
}

/** Rows and a checksum over all columns of every table in the declared schemas; the order of rows does not matter. */
export async function checksums(
  client: pg.ClientBase,
  { schemas }: Pick<Declaration, 'schemas'>,
): Promise<Record<string, string>> {
  const { rows } = await client.query<{ schema: string; name: string }>(
    `SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = ANY ($1) ORDER BY 1, 2`,
    [schemas],
  );
  const sums: Record<string, string> = {};
  for (const table of rows) sums[`${table.schema}.${table.name}`] = await checksum(client, qualified(table));
  return sums;
}

/** The same for one table, or for a query in parentheses. */
export async function checksum(client: pg.ClientBase, source: string): Promise<string> {
  const { rows } = await client.query<{ sum: string }>(
    `SELECT count(*) || ' ' || COALESCE(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') AS sum FROM ${source} AS t`,
  );
  return rows[0]?.sum ?? '';
}

/** Number of rows of a table, with a condition if one is given. */
export async function countRows(client: pg.ClientBase, source: string): Promise<number> {
  const { rows } = await client.query<{ rows: string }>(`SELECT count(*) AS rows FROM ${source}`);
  return Number(rows[0]?.rows);
}

/** Until the engine's sessions have ended, all or a job's: what PostgreSQL counts of them is then known for certain. */
export async function untilSessionsEnd({ admin, role }: ErasureDatabase, jobId = ''): Promise<void> {
  const sessions = `pg_stat_activity
    WHERE datname = current_database() AND usename = '${role}' AND application_name LIKE '%${jobId}%'`;
  await until(async () => (await countRows(admin, sessions)) === 0, {
    what: 'the sessions of the job to end',
    everyMs: 20,
  });
}

/** Names of what is left in Lethe's schema besides ledger and tombstones. */
export async function archivesLeft({ admin, declaration }: ErasureDatabase): Promise<string[]> {
  const { rows } = await admin.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname NOT IN ('deletion_ledger', 'tenant_tombstones') ORDER BY 1`,
    [declaration.letheSchema],
  );
  return rows.map(({ name }) => name);
}

/** A job of one tenant, asked for by targets until it is there. */
export interface Job {
  readonly tenantId: string;
  readonly jobId: string;
}

export function newJob(tenantId: string): Job {
  return { tenantId, jobId: randomUUID() };
}

/** One request, with the plan's hash as it is now where it is needed. */
export async function ask(
  engine: Engine,
  job: Job,
  target: Target,
  more: Partial<AdvanceRequest> = {},
): Promise<LedgerStatus> {
  const planHash = target === 'staged' ? { planHash: (await engine.manifest()).planHash } : {};
  return engine.advance({ ...job, target, timeBudgetMs: 5_000, ...planHash, ...more });
}

/** Requests until the ledger is in the wanted state. */
export async function reach(engine: Engine, job: Job, target: Target): Promise<LedgerStatus> {
  for (let requests = 0; requests < 20; requests++) {
    const status = await ask(engine, job, target);
    if (status.state === target) return status;
  }
  throw new Error(`The job did not become ${target} within 20 requests.`);
}

/** Waits until a session of the engine that works on the job waits for a lock; gives its process id. */
export function untilBlocked(db: ErasureDatabase, { jobId }: Job): Promise<number> {
  return until(
    async () => {
      const { rows } = await db.admin.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
            AND application_name LIKE '%' || $1 || '%'`,
        [jobId],
      );
      return rows[0]?.pid;
    },
    { what: 'the engine to wait for a lock', everyMs: 20 },
  );
}

/** Waits until this session, which is not the engine's, waits for a lock. */
export async function untilWaiting(db: ErasureDatabase, client: pg.Client): Promise<void> {
  const pid = (client as unknown as { processID: number }).processID;
  await until(
    async () => {
      const { rows } = await db.admin.query<{ waits: boolean }>(
        `SELECT wait_event_type = 'Lock' AS waits FROM pg_stat_activity WHERE pid = $1`,
        [pid],
      );
      return rows[0]?.waits;
    },
    { what: 'a writer to wait for a lock', everyMs: 20 },
  );
}

/** Short requests until one says what it waits for, or the job is there. */
export async function untilItWaits(engine: Engine, job: Job, target: Target): Promise<LedgerStatus> {
  return until(
    async () => {
      const status = await ask(engine, job, target, { timeBudgetMs: 200 });
      return status.waitingFor !== null || status.state === target ? status : null;
    },
    { what: 'the job to wait, or to be done', everyMs: 1 },
  );
}
