/**
 * Statements that go past Prisma, on the same connections: each step of a saga takes some, and Prisma's part in one
 * costs more than the driver's.
 */
import pg from 'pg';
import { Prisma } from './generated/client.js';
import type { statementNames } from './statement-names.js';

/** Prisma's client has these, too: whatever takes one works within a transaction of either kind. */
export interface SqlClient {
  $queryRaw<T>(query: TemplateStringsArray | Prisma.Sql, ...values: unknown[]): Promise<T>;
  $executeRaw(query: TemplateStringsArray | Prisma.Sql, ...values: unknown[]): Promise<number>;
}

/** One transaction, or several statements with one each. Throws the driver's errors as they are. */
export interface SqlConnections {
  readonly client: SqlClient;
  transaction<T>(work: (client: SqlClient) => Promise<T>): Promise<T>;
}

// As Prisma gives them.
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8 ? BigInt : pg.types.getTypeParser(oid, format),
} as pg.CustomTypesConfig;

export function sqlConnections(pool: pg.Pool, nameOf: ReturnType<typeof statementNames>): SqlConnections {
  const clientOn = (connection: pg.Pool | pg.PoolClient): SqlClient => {
    const run = (query: TemplateStringsArray | Prisma.Sql, given: unknown[]) => {
      const { text, values } = query instanceof Prisma.Sql ? query : Prisma.sql(query, ...given);
      return connection.query({ name: nameOf({ sql: text }), text, values, types });
    };
    return {
      $queryRaw: async <T>(query: TemplateStringsArray | Prisma.Sql, ...values: unknown[]) =>
        (await run(query, values)).rows as T,
      $executeRaw: async (query, ...values) => (await run(query, values)).rowCount ?? 0,
    };
  };
  return {
    client: clientOn(pool),
    async transaction(work) {
      const connection = await pool.connect();
      // A connection that breaks between two statements tells so at the next one.
      connection.on('error', ignore);
      let broken: Error | undefined;
      try {
        await connection.query('BEGIN');
        const result = await work(clientOn(connection));
        await connection.query('COMMIT');
        return result;
      } catch (error) {
        await connection.query('ROLLBACK').catch((failure: Error) => {
          broken = failure;
        });
        throw error;
      } finally {
        connection.off('error', ignore);
        connection.release(broken);
      }
    },
  };
}

const ignore = () => undefined;
