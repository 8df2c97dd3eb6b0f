import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { childEnvironment } from '../../../config.js';
import { projectRoot } from '../../../local/paths.js';
import { freePort, freePorts } from '../../../local/ports.js';
import { until } from '../../support/conditions.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { programFile } from '../../support/programs.js';
import { createTestKeys, TEST_ISSUER, type TestPlatformKeys } from '../../support/service-server.js';

let database: TestDatabase;
let issuer: TestPlatformKeys;
let directory: string;
const started: ChildProcess[] = [];

beforeAll(async () => {
  [database, issuer] = await Promise.all([createTestDatabase(), createTestKeys()]);
  directory = mkdtempSync(join(tmpdir(), 'lethe-services-'));
  writeFileSync(join(directory, 'jwks.json'), JSON.stringify(issuer.keys.jwks));
});
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});
afterAll(async () => {
  rmSync(directory, { recursive: true, force: true });
  await database.drop();
});

function start(environment: Record<string, string>) {
  const child = spawn(process.execPath, [programFile('services/main')], {
    cwd: projectRoot,
    env: childEnvironment({
      PLATFORM_JWKS: join(directory, 'jwks.json'),
      SERVICE_TOKEN_ISSUER: TEST_ISSUER,
      ...environment,
    }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  const printed = { out: '', err: '' };
  child.stdout.on('data', (part: Buffer) => {
    printed.out += part.toString();
  });
  child.stderr.on('data', (part: Buffer) => {
    printed.err += part.toString();
  });
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  return { child, printed, ended };
}

const statusOf = async (port: number, path: string) =>
  (await fetch(`http://127.0.0.1:${port}${path}`).catch(() => null))?.status ?? null;
const hostOf = (url: string) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) });

/** The same database at another port, as long as the proxy listens there. */
async function proxyTo(url: string, port: number): Promise<Server> {
  const proxy = createServer((socket) => {
    const target = connect(hostOf(url));
    for (const end of [socket, target]) end.on('error', () => undefined);
    socket.pipe(target).pipe(socket);
  });
  await new Promise<void>((resolve) => proxy.listen(port, '127.0.0.1', resolve));
  return proxy;
}

describe('a process of services', () => {
  it('serves those that it is told to, each at its port, and answers what runs before it stops', async () => {
    const [tenantPort = 0, ordersPort = 0] = await freePorts(2);
    const { child, ended } = start({
      SERVE: `tenant:${tenantPort},orders:${ordersPort}`,
      TENANT_DATABASE_URL: database.urlFor('lethe_tenant'),
      ORDERS_DATABASE_URL: database.urlFor('lethe_orders'),
    });
    for (const port of [tenantPort, ordersPort]) {
      await until(async () => (await statusOf(port, '/readyz')) === 200, { what: `port ${port}` });
    }
    const manifestOf = async (port: number, audience: string) => {
      const token = await issuer.issue({ audience, action: 'manifest' });
      const headers = { authorization: `Bearer ${token}` };
      return fetch(`http://127.0.0.1:${port}/deletion-manifest`, { headers });
    };
    expect(await (await manifestOf(ordersPort, 'orders')).json()).toMatchObject({ service_name: 'orders' });
    expect((await manifestOf(ordersPort, 'tenant')).status).toBe(401);
    expect(await (await manifestOf(tenantPort, 'tenant')).json()).toMatchObject({ service_name: 'tenant' });

    const client = new pg.Client(database.url);
    client.on('error', () => undefined);
    await client.connect();
    await client.query('BEGIN; LOCK TABLE tenant.tenants IN ACCESS EXCLUSIVE MODE');
    const tenant = '0b0b6bb2-64a4-4d2e-9f0e-6a6c1f3f3a01';
    const token = await issuer.issue({ audience: 'tenant', action: 'preview', tenantId: tenant });
    const running = fetch(`http://127.0.0.1:${tenantPort}/tenant/${tenant}/deletion-preview`, {
      headers: { authorization: `Bearer ${token}` },
    });
    // Within a transaction the view of activities does not change: another connection looks.
    const observer = new pg.Client(database.url);
    observer.on('error', () => undefined);
    await observer.connect();
    await until(async () => {
      const { rows } = await observer.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND usename = 'lethe_tenant' AND wait_event_type = 'Lock'`,
      );
      return rows.length > 0;
    });
    child.kill('SIGTERM');
    await until(async () => (await statusOf(ordersPort, '/healthz')) === null, { what: 'refusal' });
    await client.query('ROLLBACK');
    await Promise.all([client.end(), observer.end()]);
    expect((await running).status).toBe(200);
    expect(await ended).toBe(0);
  });

  it('lives without its database, and is ready when it comes', async () => {
    const [port = 0, databasePort = 0] = await freePorts(2);
    const [tenantUrl, ordersUrl] = ['lethe_tenant', 'lethe_orders'].map((role) => {
      const url = new URL(database.urlFor(role));
      url.port = String(databasePort);
      return url.href;
    });
    const second = await freePort();
    start({
      SERVE: `tenant:${port},orders:${second}`,
      TENANT_DATABASE_URL: tenantUrl ?? '',
      ORDERS_DATABASE_URL: ordersUrl ?? '',
    });
    for (const one of [port, second]) {
      await until(async () => (await statusOf(one, '/readyz')) === 503, { what: 'not ready' });
      expect(await statusOf(one, '/healthz')).toBe(200);
    }
    const proxy = await proxyTo(database.url, databasePort);
    for (const one of [port, second]) {
      await until(async () => (await statusOf(one, '/readyz')) === 200, { what: 'ready' });
    }
    proxy.close();
  });

  it('says all that is wrong with its configuration at once, and ends', async () => {
    const wrong = start({ SERVE: 'tenant:1', TENANT_DATABASE_URL: 'mysql://x', POOL_SIZE: '1' });
    expect(await wrong.ended).toBe(2);
    expect(wrong.printed.err).toMatch(/TENANT_DATABASE_URL should be a PostgreSQL URL/);
    expect(wrong.printed.err).toMatch(/POOL_SIZE should be/);
    const unknown = start({ SERVE: 'cake:1', CAKE_DATABASE_URL: database.url });
    expect(await unknown.ended).toBe(2);
    expect(unknown.printed.err).toMatch(
      /SERVE names cake, which nobody has declared; known are tenant, orders/,
    );
  });
});
