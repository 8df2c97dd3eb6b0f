import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { childEnvironment } from '../../../config.js';
import { type KeyFiles, prepareKeys } from '../../../local/keys.js';
import { freePort } from '../../../local/ports.js';
import { readSigningKeys } from '../../../protocol/keys.js';
import { createLocalUserIssuer } from '../../../protocol/local-issuer.js';
import { createTokenVerifier } from '../../../protocol/tokens.js';
import { createServiceLogger } from '../../../services/http/logging.js';
import { buildServiceServer } from '../../../services/server.js';
import { until } from '../../support/conditions.js';
import { playedParticipant } from '../../support/played-participant.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { programFile } from '../../support/programs.js';
import { withSuperuser } from '../../support/test-databases.js';

describe("the API's process", () => {
  let database: TestDatabase;
  let directory: string;
  let files: KeyFiles;
  let port: number;
  let servicesFile: string;
  let closeService: () => Promise<void>;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    directory = mkdtempSync(join(tmpdir(), 'lethe-api-'));
    files = await prepareKeys(directory);
    port = await freePort();
    const participant = playedParticipant('orders');
    participant.rows.set('0190b0a4-0000-7000-8000-000000000001', 2);
    const service = buildServiceServer({
      participant,
      verifier: createTokenVerifier({ jwks: files.platformJwks, issuer: 'lethe', audience: 'orders' }),
      logger: createServiceLogger({ service: 'orders', level: 'silent' }),
    });
    const url = await service.listen({ host: '127.0.0.1', port: 0 });
    closeService = () => service.close();
    servicesFile = join(directory, 'services.json');
    writeFileSync(servicesFile, JSON.stringify([{ name: 'orders', url, role: 'participant' }]));
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });
  afterAll(async () => {
    await closeService();
    rmSync(directory, { recursive: true, force: true });
    await database.drop();
  });

  /** Starts the process; `said` is all that it printed so far. */
  function start(environment: Record<string, string | undefined> = {}) {
    const child = spawn(process.execPath, [programFile('api/server')], {
      env: childEnvironment({
        NODE_ENV: 'development',
        LOG_LEVEL: 'info',
        RECORDS_DATABASE_URL: database.urlFor('lethe_records'),
        LETHE_SERVICES_FILE: servicesFile,
        SIGNING_KEYS_DIR: files.signingKeysDirectory,
        TOKEN_ISSUERS_FILE: files.tokenIssuersFile,
        TEMPORAL_ADDRESS: inject('temporalAddress'),
        API_PORT: String(port),
        ...environment,
      }),
    });
    children.push(child);
    const printed = { out: '', err: '' };
    child.stdout.on('data', (data) => {
      printed.out += data;
    });
    child.stderr.on('data', (data) => {
      printed.err += data;
    });
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
    return { child, printed, ended };
  }
  const url = (path: string) => `http://127.0.0.1:${port}${path}`;
  const answersWith = (status: number) =>
    until(async () => (await fetch(url('/readyz'))).status === status, {
      what: `/readyz to answer ${status}`,
      timeoutMs: 60_000,
    });

  it('starts and takes requests while Temporal is away, publishes its keys, and stops with grace', {
    timeout: 120_000,
  }, async () => {
    const { child, ended, printed } = start({ TEMPORAL_ADDRESS: '127.0.0.1:1' });
    await answersWith(200);
    const keys = await readSigningKeys(files.signingKeysDirectory, 'service-token');
    expect(await (await fetch(url('/.well-known/jwks.json'))).json()).toEqual(keys.jwks);

    const users = createLocalUserIssuer({
      key: (await readSigningKeys(files.signingKeysDirectory, 'user-token')).signing,
      production: false,
    });
    const token = await users.issue({ userId: 'operator-1', roles: ['operator'] });
    const asked = await fetch(url('/api/v1/tenants/0190b0a4-0000-7000-8000-000000000001'), {
      method: 'DELETE',
      headers: { authorization: `Bearer ${token}` },
    });
    expect({ status: asked.status, body: await asked.json() }).toMatchObject({
      status: 202,
      body: { status: 'pending' },
    });

    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(printed.err).toBe('');
    const lines = printed.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toMatchObject({ msg: 'stopped', service: 'api' });
    expect(printed.out).not.toContain(token);
  });

  it('is not ready before its records answer, and then is by itself', { timeout: 120_000 }, async () => {
    const rename = (from: string, to: string) =>
      withSuperuser(inject('postgresUrl'), (client) =>
        client.query(`ALTER DATABASE ${pg.escapeIdentifier(from)} RENAME TO ${pg.escapeIdentifier(to)}`),
      );
    await rename(database.name, `${database.name}_away`);
    const { child, ended } = start();
    await answersWith(503);
    expect((await fetch(url('/healthz'))).status).toBe(200);
    await rename(`${database.name}_away`, database.name);
    await answersWith(200);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });

  it('names every fault of the environment and of its files, and ends with status 2', async () => {
    const inEnvironment = start({ API_PORT: 'http', RESTORE_WINDOW: '3', TOKEN_ISSUERS_FILE: undefined });
    expect(await inEnvironment.ended).toBe(2);
    for (const name of ['API_PORT', 'RESTORE_WINDOW', 'TOKEN_ISSUERS_FILE']) {
      expect(inEnvironment.printed.err).toContain(name);
    }
    const broken = join(directory, 'broken.json');
    writeFileSync(broken, JSON.stringify([{ name: 'Orders', url: 'ftp://x', role: 'boss' }]));
    const inFile = start({ LETHE_SERVICES_FILE: broken });
    expect(await inFile.ended).toBe(2);
    for (const word of ['LETHE_SERVICES_FILE', '0.name', '0.url', '0.role']) {
      expect(inFile.printed.err).toContain(word);
    }
  });

  it('does not start in production with the issuer that gives tokens to whoever asks', async () => {
    const { ended, printed } = start({ NODE_ENV: 'production' });
    expect(await ended).toBe(2);
    expect(printed.err).toContain('lethe-local');
    expect(printed.err).toContain('TOKEN_ISSUERS_FILE');
  });
});
