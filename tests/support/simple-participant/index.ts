/** Starts the participant of the simple level for a test, over a real PostgreSQL. */
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import pg from 'pg';
import { simpleServer, TABLES } from './server.js';

export interface SimpleParticipantOptions {
  /** Of a role that may create a schema. */
  readonly databaseUrl: string;
  /** The platform's public keys: themselves, a file, a URL, or what gives one of these when the first token comes. */
  readonly jwks: Keys | (() => Keys);
  readonly issuer: string;
  /** As in the registry. */
  readonly name: string;
  /** A free one by default. */
  readonly port?: number;
}

type Keys = JSONWebKeySet | string | URL;

export interface SimpleParticipant {
  readonly name: string;
  readonly url: string;
  /** The registry's entry. */
  readonly entry: { readonly name: string; readonly url: string; readonly role: 'participant' };
  /** Gives a tenant rows of it. */
  insertCards(tenantId: string, rows: number): Promise<void>;
  countCards(tenantId: string): Promise<number>;
  close(): Promise<void>;
}

export async function startSimpleParticipant(options: SimpleParticipantOptions): Promise<SimpleParticipant> {
  const { name, issuer } = options;
  const pool = new pg.Pool({ connectionString: options.databaseUrl, max: 4 });
  // A database that is dropped under it is no news.
  pool.on('error', () => undefined);
  await pool.query(TABLES);
  const server = simpleServer({ name, issuer, pool, keys: keysAt(options.jwks) });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    name,
    url,
    entry: { name, url, role: 'participant' },
    async insertCards(tenantId, rows) {
      await pool.query(
        'INSERT INTO loyalty.cards (tenant_id, points) SELECT $1, n FROM generate_series(1, $2::int) n',
        [tenantId, rows],
      );
    },
    async countCards(tenantId) {
      const sql = 'SELECT count(*)::int AS rows FROM loyalty.cards WHERE tenant_id = $1';
      const { rows } = await pool.query<{ rows: number }>(sql, [tenantId]);
      return rows[0]?.rows ?? 0;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      await pool.end();
    },
  };
}

/** Read when the first token comes, since a platform that is still to start makes its keys then. */
function keysAt(at: SimpleParticipantOptions['jwks']): JWTVerifyGetKey {
  let known: Promise<JWTVerifyGetKey> | undefined;
  return async (header, token) => {
    known ??= load(typeof at === 'function' ? at() : at).then((keys) => createLocalJWKSet(keys));
    known.catch(() => {
      known = undefined;
    });
    return (await known)(header, token);
  };
}

async function load(keys: Keys): Promise<JSONWebKeySet> {
  if (typeof keys !== 'string' && !(keys instanceof URL)) return keys;
  if (/^https?:/.test(String(keys))) return (await (await fetch(keys)).json()) as JSONWebKeySet;
  return JSON.parse(await readFile(keys, 'utf8')) as JSONWebKeySet;
}
