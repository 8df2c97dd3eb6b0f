/** Prisma's client over the tenant directory's database. */
import { PrismaPg } from '@prisma/adapter-pg';
import { type Prisma, PrismaClient } from './generated/client.js';

export interface TenantDatabaseOptions {
  /** Of the role `lethe_tenant`. */
  readonly databaseUrl: string;
  readonly poolSize: number;
  readonly lockTimeoutMs: number;
  readonly longestTransactionMs: number;
  /** Told of connections that break while nobody uses them. */
  readonly onConnectionError: (error: Error) => void;
}

const CONNECT_WITHIN_MS = 5_000;

/** The tables, outside of a transaction or inside of one. */
export type Tables = Prisma.TransactionClient;

export interface TenantDatabase {
  /** Single statements. */
  readonly tables: Tables;
  /** Runs `work` in one transaction. */
  transaction<T>(work: (tables: Tables) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Connects at the first statement, so a database that is away now may come later. */
export function openTenantDatabase(options: TenantDatabaseOptions): TenantDatabase {
  const { lockTimeoutMs, longestTransactionMs, onConnectionError } = options;
  const settings = {
    lock_timeout: lockTimeoutMs,
    statement_timeout: longestTransactionMs,
    idle_in_transaction_session_timeout: longestTransactionMs,
  };
  const adapter = new PrismaPg(
    {
      connectionString: options.databaseUrl,
      application_name: 'lethe tenant',
      max: options.poolSize,
      connectionTimeoutMillis: CONNECT_WITHIN_MS,
      options: Object.entries(settings)
        .map(([name, value]) => `-c ${name}=${value}`)
        .join(' '),
    },
    { onPoolError: onConnectionError, onConnectionError },
  );
  const prisma = new PrismaClient({ adapter, errorFormat: 'minimal' });
  return {
    tables: prisma,
    transaction: (work) =>
      prisma.$transaction(work, { maxWait: CONNECT_WITHIN_MS, timeout: longestTransactionMs }),
    close: () => prisma.$disconnect(),
  };
}
