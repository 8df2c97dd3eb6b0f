/** A service over a real database, which can be exchanged for a copy of it from before: a backup that came back. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Declaration } from '../../erasure/declaration.js';
import { createEngine } from '../../erasure/engine.js';
import type { Engine } from '../../erasure/engine-types.js';
import { installSql } from '../../erasure/install/install-sql.js';
import { ident } from '../../erasure/quote.js';
import { engineParticipant } from '../../services/engine-participant.js';
import type { Participant } from '../../services/http/participant.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';
import { serveParticipant, type TestPlatformKeys, type TestService } from './service-server.js';
import { dropDatabase, withSuperuser } from './test-databases.js';

/** One database of the service. */
export interface ServiceDatabase {
  readonly name: string;
  readonly engine: Engine;
  /** A superuser's. */
  readonly admin: pg.Client;
  connect(): Promise<pg.Client>;
}

interface Reopened extends ServiceDatabase {
  close(): Promise<void>;
  reopen(): Promise<void>;
}

export interface RestoredService {
  readonly service: TestService;
  /** The database that the service has now. */
  now(): ServiceDatabase;
  /** A copy as it is at this moment, with an engine of its own. */
  backup(): Promise<ServiceDatabase>;
  /** From now on the service has this one. */
  restore(backup: ServiceDatabase): void;
  close(): Promise<void>;
}

export async function startRestoredService(
  declaration: Declaration,
  schema: string,
  keys: TestPlatformKeys,
): Promise<RestoredService> {
  const database: TestDatabase = await createTestDatabase({ template: 'empty' });
  const role = `lethe_test_${randomUUID().slice(0, 8)}`;
  const server = new URL(database.url);
  server.pathname = '/postgres';
  const clients: pg.Client[] = [];
  const made: Reopened[] = [];

  async function open(name: string): Promise<Reopened> {
    const urlOf = (user?: string) => {
      const url = new URL(database.url);
      url.pathname = `/${name}`;
      if (user !== undefined) [url.username, url.password] = [user, user];
      return url.href;
    };
    const connect = async () => {
      const client = new pg.Client({ connectionString: urlOf(), application_name: 'lethe tests' });
      client.on('error', () => undefined);
      await client.connect();
      clients.push(client);
      return client;
    };
    const opened = { name, connect, admin: await connect(), engine: engineOf(urlOf(role)) };
    return Object.assign(opened, {
      close: () => opened.engine.close(),
      async reopen() {
        opened.engine = engineOf(urlOf(role));
        opened.admin = await connect();
      },
    });
  }
  const engineOf = (databaseUrl: string) =>
    createEngine({
      databaseUrl,
      declaration,
      limits: { lockTimeoutMs: 2_000, longestTransactionMs: 30_000 },
      poolSize: 4,
    });

  let current = await open(database.name);
  made.push(current);
  await current.admin.query(`CREATE ROLE ${ident(role)} LOGIN PASSWORD '${role}'`);
  await current.admin.query(schema);
  await current.admin.query(installSql(declaration, role));

  // Asked anew for each call, as a service that connects to whatever its address leads to.
  const participant = (): Participant =>
    engineParticipant({ name: declaration.name, fence: declaration.fence, engine: current.engine });
  const calls = Object.fromEntries(
    Object.keys(participant().calls).map((name) => [
      name,
      (request: never) =>
        (participant().calls as Record<string, (request: never) => Promise<unknown>>)[name]?.(request),
    ]),
  );
  const service = await serveParticipant(
    { ...participant(), calls: calls as Participant['calls'], close: async () => undefined },
    keys,
  );

  return {
    service,
    now: () => current,
    async backup() {
      const name = `${database.name}_${randomUUID().slice(0, 4)}`;
      // A database that is copied has to have no connections.
      await current.close();
      await withSuperuser(server.href, async (client) => {
        await client.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()`,
          [current.name],
        );
        await client.query(`CREATE DATABASE ${ident(name)} TEMPLATE ${ident(current.name)}`);
      });
      await current.reopen();
      const copy = await open(name);
      made.push(copy);
      return copy;
    },
    restore(backup) {
      const found = made.find((one) => one.name === backup.name);
      if (found === undefined) throw new Error('This is no backup of this service.');
      current = found;
    },
    async close() {
      await service.close();
      await Promise.all(made.map((one) => one.close().catch(() => undefined)));
      await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
      await withSuperuser(server.href, async (client) => {
        for (const { name } of made) await dropDatabase(client, name);
        await client.query(`DROP ROLE IF EXISTS ${ident(role)}`);
      });
    },
  };
}
