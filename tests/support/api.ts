/** The API with real records, the real tenant directory, and participants that the test plays over real HTTP. */
import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { JSONWebKeySet } from 'jose';
import pg from 'pg';
import { pino } from 'pino';
import { buildApp } from '../../api/app.js';
import type { ApiDependencies, Runs } from '../../api/dependencies.js';
import { createApiTokens } from '../../api/service-tokens.js';
import { createVerifyUser } from '../../api/users.js';
import { erasedListSigner } from '../../proof/erased-list.js';
import { previewHash } from '../../proof/preview-hash.js';
import { createServiceClient, type ServiceClient } from '../../protocol/client.js';
import { createPublicKeyOf } from '../../protocol/tenant-key.js';
import { createRecords } from '../../records/index.js';
import type { Records } from '../../records/types.js';
import { tenantParticipant } from '../../services/tenant/participant.js';
import { type PlayedParticipant, playedParticipant } from './played-participant.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';
import { createTestKeys, serveParticipant, type TestService } from './service-server.js';
import { createTestUsers, type TestUsers } from './user-tokens.js';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  // biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests find out
  readonly body: any;
}

/** Temporal as the API is told of it: what it was told, and whether it answers. */
export interface ToldRuns extends Runs {
  readonly told: { readonly what: string; readonly jobId: string }[];
  mood: 'here' | 'away' | 'silent';
}

export interface TestApi {
  readonly app: FastifyInstance;
  readonly records: Records;
  readonly runs: ToldRuns;
  readonly database: TestDatabase;
  /** Superuser's. */
  readonly pool: pg.Pool;
  readonly users: TestUsers;
  /** Of the participants `orders` and `sales`. */
  readonly orders: PlayedParticipant;
  readonly sales: PlayedParticipant;
  readonly services: readonly TestService[];
  /** Lines of the log, as JSON. */
  readonly log: readonly string[];
  ask(method: 'GET' | 'POST' | 'DELETE', path: string, token: string | null, body?: unknown): Promise<Answer>;
  /** A user of the directory; gives the id. */
  user(): Promise<string>;
  /** A tenant of the directory with these members and some rows at the participants; gives the id. */
  tenant(members: Readonly<Record<string, 'owner' | 'admin' | 'member'>>): Promise<string>;
  close(): Promise<void>;
}

export interface TestApiOptions {
  readonly directory?: boolean;
  /** In the place of `ToldRuns`. */
  readonly runs?: Runs;
  readonly records?: (database: TestDatabase) => Records;
  readonly settings?: Partial<ApiDependencies['settings']>;
  readonly tenantKeySecret?: string;
  readonly certificateKeys?: ApiDependencies['certificateKeys'];
}

export async function openTestApi(options: TestApiOptions = {}): Promise<TestApi> {
  const { directory = true } = options;
  const database = await createTestDatabase();
  const pool = new pg.Pool({ connectionString: database.url, max: 4 });
  const issuer = await createTestKeys();
  const users = await createTestUsers();
  const orders = playedParticipant('orders');
  const sales = playedParticipant('sales');
  const ofTenants = tenantParticipant({
    name: 'tenant',
    databaseUrl: database.urlFor('lethe_tenant'),
    poolSize: 4,
    lockTimeoutMs: 1_000,
    longestTransactionMs: 30_000,
    onConnectionError: () => undefined,
  });
  const services = await Promise.all(
    [orders, sales, ...(directory ? [ofTenants] : [])].map((one) => serveParticipant(one, issuer)),
  );
  const tokenFor = createApiTokens(issuer);
  const clients: ServiceClient[] = services.map(({ name, url }) =>
    createServiceClient({
      service: { name, url, role: name === 'tenant' ? 'tenant_directory' : 'participant' },
      tokenFor,
    }),
  );
  const records =
    options.records?.(database) ??
    createRecords({
      databaseUrl: database.urlFor('lethe_records'),
      poolSize: 4,
      publicKeyOf: createPublicKeyOf(options.tenantKeySecret),
    });
  const runs = toldRuns();
  const log: string[] = [];
  const app = await buildApp({
    records,
    runs: options.runs ?? runs,
    services: clients,
    verifyUser: createVerifyUser(users.verifier),
    publicKeys: async (): Promise<JSONWebKeySet> => issuer.keys.jwks,
    certificateKeys: options.certificateKeys ?? (async () => ({ keys: [] })),
    recordsKeys: async (): Promise<JSONWebKeySet> => ({ keys: [] }),
    previewHash,
    publicKeyOf: createPublicKeyOf(options.tenantKeySecret),
    erasedList: erasedListSigner('lethe', {
      signing: async () => issuer.keys.signing,
      jwks: async () => issuer.keys.jwks,
    }),
    settings: {
      restoreWindowMs: 0,
      requireApproval: false,
      requireNameConfirmation: false,
      previewTimeoutMs: 2_000,
      rateLimitPerMinute: 100_000,
      // It shares a process with the test, on a machine that other tests share.
      overloadedAfterMs: 0,
      ...options.settings,
    },
    version: '0.0.0-test',
    logger: pino({ level: 'debug' }, { write: (line: string) => void log.push(line) }),
  });

  return {
    app,
    records,
    runs,
    database,
    pool,
    users,
    orders,
    sales,
    services,
    log,
    async ask(method, path, token, body) {
      const answer = await app.inject({
        method,
        url: path,
        headers: {
          ...(token !== null && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const json = /(?<!nd)json/.test(String(answer.headers['content-type'] ?? ''));
      return {
        status: answer.statusCode,
        headers: answer.headers as Record<string, string>,
        body: json ? answer.json() : answer.body,
      };
    },
    async user() {
      const id = randomUUID();
      const values = [id, `${id}@example.org`, 'Somebody'];
      await pool.query('INSERT INTO tenant.users (id, email, name) VALUES ($1, $2, $3)', values);
      return id;
    },
    async tenant(members) {
      const id = randomUUID();
      const values = [id, 'Bakery', `bakery-${id}`];
      await pool.query('INSERT INTO tenant.tenants (id, name, slug) VALUES ($1, $2, $3)', values);
      for (const [user, role] of Object.entries(members)) {
        await pool.query('INSERT INTO tenant.tenant_members (tenant_id, user_id, role) VALUES ($1, $2, $3)', [
          id,
          user,
          role,
        ]);
      }
      orders.rows.set(id, 3);
      sales.rows.set(id, 4);
      return id;
    },
    async close() {
      await app.close();
      await Promise.all([...clients, ...services].map((one) => one.close()));
      await records.close();
      await pool.end();
      await database.drop();
    },
  };
}

function toldRuns(): ToldRuns {
  const runs: ToldRuns = {
    told: [],
    mood: 'here',
    start: (job) => tell('start', job.job_id),
    wake: (job, because) => tell(because, job.job_id),
    requestCancel: (job) => tell('cancel', job.job_id),
    startRelease: (releaseId) => tell('release', releaseId),
    ready: () => tell('ready', ''),
  };
  async function tell(what: string, jobId: string): Promise<void> {
    if (runs.mood === 'away') throw new Error('14 UNAVAILABLE: connect ECONNREFUSED');
    if (runs.mood === 'silent') return new Promise(() => undefined);
    if (what !== 'ready') runs.told.push({ what, jobId });
  }
  return runs;
}
