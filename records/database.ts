/** The connection to the records: a pool, Prisma's client on it, and transactions. */
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { failuresAsProblems } from './failures.js';
import { type Prisma, PrismaClient } from './generated/client.js';
import { type SqlClient, sqlConnections } from './sql-client.js';
import { statementNames } from './statement-names.js';

/** Prisma's client, within a transaction or without one. */
export type Client = Prisma.TransactionClient;

export interface DatabaseOptions {
  readonly databaseUrl: string;
  readonly poolSize?: number;
  /** How long a caller waits for a database that does not answer, before it is told that it is away. */
  readonly patienceMs?: number;
}

/** Where everything that touches the database goes through: each failure becomes a problem here. */
export interface Database {
  read<T>(work: (client: Client) => Promise<T>): Promise<T>;
  /** READ COMMITTED; those that must not pass each other lock rows, the tenant's gate before the job. */
  transaction<T>(work: (client: Client) => Promise<T>): Promise<T>;
  /** Both without Prisma in between, for what a saga does with every step. */
  sqlRead<T>(work: (client: SqlClient) => Promise<T>): Promise<T>;
  sqlTransaction<T>(work: (client: SqlClient) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Where nobody says otherwise. */
export const PATIENCE_MS = 10_000;

export function openDatabase(options: DatabaseOptions): Database {
  const { databaseUrl, poolSize = 10, patienceMs = PATIENCE_MS } = options;
  // Whoever waits for a lock is told so while there is still time to tell.
  const halfOfPatienceMs = Math.ceil(patienceMs / 2);
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    application_name: 'lethe records',
    max: poolSize,
    connectionTimeoutMillis: halfOfPatienceMs,
    keepAlive: true,
    // Before anybody else has the connection. The adapter reads and writes times as if the session's zone were UTC.
    onConnect: async (client) => {
      await client.query(
        `SET TimeZone = 'UTC'; SET search_path = lethe_records; SET default_transaction_isolation = 'read committed';
         SET lock_timeout = ${halfOfPatienceMs}; SET statement_timeout = ${patienceMs};
         -- A frozen process must not hold the lock of a tenant's gate for ever.
         SET idle_in_transaction_session_timeout = ${2 * patienceMs}`,
      );
    },
  });
  // A connection that breaks while nobody uses it is replaced; whoever uses one is told by the query's own error.
  pool.on('error', () => undefined);
  const nameOf = statementNames();
  const sql = sqlConnections(pool, nameOf);
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool, {
      schema: 'lethe_records',
      disposeExternalPool: true,
      statementNameGenerator: nameOf,
    }),
    errorFormat: 'minimal',
    transactionOptions: {
      maxWait: halfOfPatienceMs,
      timeout: patienceMs,
    },
  });
  return {
    read: (work) => failuresAsProblems(() => work(prisma), patienceMs),
    transaction: (work) => failuresAsProblems(() => prisma.$transaction(work), patienceMs),
    sqlRead: (work) => failuresAsProblems(() => work(sql.client), patienceMs),
    sqlTransaction: (work) => failuresAsProblems(() => sql.transaction(work), patienceMs),
    close: () => prisma.$disconnect(),
  };
}
