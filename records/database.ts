/** The connection to the records: a pool, Prisma's client on it, and transactions. */
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { failuresAsProblems } from './failures.js';
import { type Prisma, PrismaClient } from './generated/client.js';

/** Prisma's client, within a transaction or without one. */
export type Client = Prisma.TransactionClient;

export interface DatabaseOptions {
  readonly databaseUrl: string;
  readonly poolSize?: number;
}

/** Where everything that touches the database goes through: each failure becomes a problem here. */
export interface Database {
  read<T>(work: (client: Client) => Promise<T>): Promise<T>;
  /** READ COMMITTED; those that must not pass each other lock rows, the tenant's gate before the job. */
  transaction<T>(work: (client: Client) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 5_000;
const LOCK_TIMEOUT_MS = 5_000;
const TRANSACTION_TIMEOUT_MS = 10_000;
// A frozen process must not hold the lock of a tenant's gate for ever.
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 15_000;

export function openDatabase({ databaseUrl, poolSize = 10 }: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    application_name: 'lethe records',
    max: poolSize,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    // Before anybody else has the connection. The adapter reads and writes times as if the session's zone were UTC.
    onConnect: async (client) => {
      await client.query(
        `SET TimeZone = 'UTC'; SET lock_timeout = ${LOCK_TIMEOUT_MS}; SET statement_timeout = ${TRANSACTION_TIMEOUT_MS};
         SET idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_TIMEOUT_MS}; SET search_path = lethe_records`,
      );
    },
  });
  // A connection that breaks while nobody uses it is replaced; whoever uses one is told by the query's own error.
  pool.on('error', () => undefined);
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool, { schema: 'lethe_records', disposeExternalPool: true }),
    errorFormat: 'minimal',
    transactionOptions: {
      isolationLevel: 'ReadCommitted',
      maxWait: CONNECT_TIMEOUT_MS,
      timeout: TRANSACTION_TIMEOUT_MS,
    },
  });
  return {
    read: (work) => failuresAsProblems(() => work(prisma)),
    transaction: (work) => failuresAsProblems(() => prisma.$transaction(work)),
    close: () => prisma.$disconnect(),
  };
}
