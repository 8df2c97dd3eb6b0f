import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import { EngineError } from '../../../erasure/engine-types.js';
import { createLocalUserIssuer } from '../../../protocol/local-issuer.js';
import { createTokenIssuer } from '../../../protocol/tokens.js';
import { problemOfEngine } from '../../../services/engine-problems.js';
import type { Participant } from '../../../services/http/participant.js';
import { serveParticipant, TEST_ISSUER, type TestService } from '../../support/service-server.js';

const TENANT = '0b0b6bb2-64a4-4d2e-9f0e-6a6c1f3f3a01';
const OTHER = '0b0b6bb2-64a4-4d2e-9f0e-6a6c1f3f3a02';
const JOB = '01980000-0000-7000-8000-000000000001';
const OTHER_JOB = '01980000-0000-7000-8000-000000000002';

const open: TestService[] = [];
afterEach(async () => {
  for (const service of open.splice(0)) await service.close();
});

const STATUS = {
  tenant_id: TENANT,
  job_id: JOB,
  service_name: 'orders',
  state: 'staged' as const,
  plan_hash: null,
  tables: [],
  rows_done: 0,
  rows_total: null,
  waiting_for: null,
  staged_at: null,
  restored_at: null,
  purged_at: null,
  restorable: null,
};

/** A service whose calls the test answers itself; the HTTP around them is the real one. */
async function serve(parts: Partial<Participant> = {}): Promise<TestService> {
  const service = await serveParticipant({
    name: 'orders',
    calls: { advance: async () => STATUS, status: async () => STATUS },
    ready: async () => undefined,
    close: async () => undefined,
    ...parts,
  });
  open.push(service);
  return service;
}

const PATH = `/tenant/${TENANT}/deletions/${JOB}`;
const STAGE = { action: 'staged', tenantId: TENANT, jobId: JOB } as const;
const BODY = { target: 'staged' };

describe('a token', () => {
  const key = () => generateKeyPair('EdDSA', { extractable: true });
  const faults: Record<string, (service: TestService) => Promise<string | null>> = {
    'none at all': async () => null,
    'one that is no token': async () => 'hello',
    'an expired one': ({ issuer }) => signed(issuer.keys.signing, { iat: seconds(-120), exp: seconds(-60) }),
    'one for another service': ({ issuer }) => issuer.issue({ audience: 'inventory', ...STAGE }),
    'one of another platform': ({ issuer }) =>
      createTokenIssuer({ key: issuer.keys.signing, issuer: 'somebody' }).issue({
        audience: 'orders',
        ...STAGE,
      }),
    'one that another key signed': async ({ issuer }) =>
      signed({ kid: issuer.keys.signing.kid, privateKey: (await key()).privateKey }, {}),
    'one of another algorithm': async ({ issuer }) => {
      const { privateKey } = await generateKeyPair('ES256');
      return signed({ kid: issuer.keys.signing.kid, privateKey }, {}, { alg: 'ES256' });
    },
    'one by a secret made of the public key': async ({ issuer }) => {
      const secret = new TextEncoder().encode(JSON.stringify(issuer.keys.jwks.keys[0]));
      return new SignJWT(CLAIMS())
        .setProtectedHeader({ alg: 'HS256', typ: 'lethe-service+jwt', kid: issuer.keys.signing.kid })
        .sign(secret);
    },
    'one that brings its key': async () => {
      const { privateKey, publicKey } = await key();
      return signed({ kid: 'mine', privateKey }, {}, { jwk: await exportJWK(publicKey) });
    },
    "a user's": ({ issuer }) =>
      createLocalUserIssuer({ key: issuer.keys.signing, production: false }).issue({ userId: randomUUID() }),
  };
  const CLAIMS = () => ({
    iss: TEST_ISSUER,
    aud: 'orders',
    iat: seconds(0),
    exp: seconds(60),
    jti: randomUUID(),
    action: 'staged',
    tenant_id: TENANT,
    job_id: JOB,
  });
  const seconds = (from: number) => Math.floor(Date.now() / 1_000) + from;
  const signed = (
    { kid, privateKey }: { kid: string; privateKey: Parameters<SignJWT['sign']>[0] },
    claims: object,
    header: object = {},
  ) =>
    new SignJWT({ ...CLAIMS(), ...claims })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'lethe-service+jwt', kid, ...header })
      .sign(privateKey);

  it.each(Object.keys(faults))('%s is 401, and nobody is asked', async (fault) => {
    let asked = 0;
    const service = await serve({
      calls: {
        advance: async () => {
          asked += 1;
          return STATUS;
        },
      },
    });
    const token = (await faults[fault]?.(service)) ?? null;
    // What is wrong with the request is not told to somebody without a token.
    for (const body of [BODY, '{broken']) {
      const answer = await service.ask('PUT', PATH, { token, body });
      expect(answer.status).toBe(401);
      expect(answer.body).toMatchObject({ code: 'unauthenticated', status: 401 });
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    }
    expect(asked).toBe(0);
  });

  it.each([
    ['tenant', { ...STAGE, tenantId: OTHER }],
    ['job', { ...STAGE, jobId: OTHER_JOB }],
    ['job (none named)', { action: 'staged', tenantId: TENANT }],
    ['tenant (none named)', { action: 'staged', jobId: JOB }],
    ['action, backwards', { ...STAGE, action: 'restored' }],
    ['action, forwards', { ...STAGE, action: 'purged' }],
    ['action, reading', { ...STAGE, action: 'status' }],
  ] as const)('for another %s is 403', async (_, token) => {
    const service = await serve({ calls: { advance: () => Promise.reject(new Error('asked')) } });
    const answer = await service.ask('PUT', PATH, { token, body: BODY });
    expect([answer.status, answer.body?.code]).toEqual([403, 'forbidden']);
  });

  it('for reading a tenant reads any job of it, and no other tenant', async () => {
    const service = await serve();
    const token = { action: 'status', tenantId: TENANT } as const;
    expect((await service.ask('GET', PATH, { token })).status).toBe(200);
    const other = await service.ask('GET', PATH.replace(TENANT, OTHER), { token });
    expect(other.status).toBe(403);
  });
});

describe('a request', () => {
  it.each([
    ['a broken body', '{"target":', 400, 'malformed_request', undefined],
    ['a body that poisons prototypes', '{"__proto__":{"a":1}}', 400, 'malformed_request', undefined],
    ['no body', undefined, 422, 'validation_failed', 'body'],
    ['another target', { target: 'gone' }, 422, 'validation_failed', 'body.target'],
    ['an unknown field', { ...BODY, force: true }, 422, 'validation_failed', 'body.force'],
    ['a wrong type', { ...BODY, time_budget_ms: '5000' }, 422, 'validation_failed', 'body.time_budget_ms'],
    ['too long a time', { ...BODY, time_budget_ms: 1e9 }, 422, 'validation_failed', 'body.time_budget_ms'],
    ['a list', [BODY], 422, 'validation_failed', 'body'],
    ['too large a body', { ...BODY, plan_hash: 'a'.repeat(100_000) }, 413, 'body_too_large', undefined],
  ])('with %s is refused with its place', async (_, body, status, code, path) => {
    const service = await serve();
    const answer = await service.ask('PUT', PATH, { token: STAGE, body });
    expect([answer.status, answer.body?.code]).toEqual([status, code]);
    const errors = answer.body?.errors as { path: string }[] | undefined;
    expect(errors?.[0]?.path).toBe(path);
  });

  it('with a job that is no UUID, an unknown query field, or one given twice is 422', async () => {
    const service = await serve({ calls: { deleteNow: () => Promise.reject(new Error('asked')) } });
    const token = { action: 'purged', tenantId: TENANT, jobId: JOB } as const;
    for (const [query, path] of [
      ['', 'querystring.job_id'],
      ['?job_id=1', 'querystring.job_id'],
      [`?job_id=${JOB}&job_id=${JOB}`, 'querystring.job_id'],
      [`?job_id=${JOB}&force=true`, 'querystring.force'],
    ]) {
      const answer = await service.ask('DELETE', `/tenant/${TENANT}${query}`, { token });
      expect([answer.status, (answer.body?.errors as { path: string }[])?.[0]?.path]).toEqual([422, path]);
    }
  });

  it('in another form than JSON is 400', async () => {
    const service = await serve();
    const answer = await service.ask('PUT', PATH, {
      token: STAGE,
      body: 'target=staged',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect([answer.status, answer.body?.code]).toEqual([400, 'malformed_request']);
  });

  it('to no address, or with a method that is none there, is 404', async () => {
    const service = await serve();
    for (const [method, path] of [
      ['GET', '/nowhere'],
      ['POST', PATH],
      // This service answers no preview.
      ['GET', `/tenant/${TENANT}/deletion-preview`],
    ] as const) {
      const answer = await service.ask(method, path, { token: STAGE });
      expect([answer.status, answer.body?.code]).toEqual([404, 'route_unknown']);
    }
  });

  it('keeps its id, in the answer, in a problem and in the log; a harmful one is replaced', async () => {
    const service = await serve();
    const kept = await service.ask('PUT', PATH, {
      token: STAGE,
      body: {},
      headers: { 'x-request-id': 'abc-1' },
    });
    expect([kept.headers.get('x-request-id'), kept.body?.instance]).toEqual(['abc-1', 'abc-1']);
    expect(service.log.some((line) => line.includes('"request_id":"abc-1"'))).toBe(true);
    const replaced = await service.ask('GET', PATH, {
      token: { action: 'status', tenantId: TENANT },
      headers: { 'x-request-id': 'a"b c' },
    });
    expect(replaced.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('an answer', () => {
  it('of a state on the way is 202, of the state wanted 200', async () => {
    const service = await serve({
      calls: {
        advance: async ({ body }) => ({
          ...STATUS,
          state: body.target === 'staged' ? 'staging' : 'restored',
        }),
      },
    });
    expect((await service.ask('PUT', PATH, { token: STAGE, body: BODY })).status).toBe(202);
    const restore = { token: { ...STAGE, action: 'restored' }, body: { target: 'restored' } } as const;
    expect((await service.ask('PUT', PATH, restore)).status).toBe(200);
  });

  it('that does not fit the protocol is not sent', async () => {
    const service = await serve({
      calls: {
        advance: async () => ({ ...STATUS, secret: 'row' }),
        status: async () => ({ ...STATUS, rows_done: -1 }),
      },
    });
    for (const answer of [
      await service.ask('PUT', PATH, { token: STAGE, body: BODY }),
      await service.ask('GET', PATH, { token: { action: 'status', tenantId: TENANT } }),
    ]) {
      expect([answer.status, answer.body?.code]).toEqual([500, 'internal']);
      expect(answer.text).not.toContain('secret');
    }
  });

  it('to a fault of the service is its problem, with facts and time to wait', async () => {
    const errors = [
      new EngineError('privilege_missing', 'The role may not delete.', {
        table: 'orders.orders',
        privilege: 'DELETE',
        sqlstate: '42501',
      }),
      new EngineError('database_busy', 'A lock was not to be had.', { sqlstate: '55P03' }),
      new EngineError('other_job_open', 'Another job is open.', { jobId: OTHER_JOB }),
      new EngineError('invalid_tenant_id', 'The key is no number.'),
      new Error('connection string postgres://u:p@h/d'),
    ];
    const service = await serve({
      translate: problemOfEngine,
      calls: { advance: () => Promise.reject(errors.shift()) },
    });
    const ask = () => service.ask('PUT', PATH, { token: STAGE, body: BODY });
    expect((await ask()).body).toMatchObject({
      status: 409,
      code: 'privilege_missing',
      table: 'orders.orders',
      privilege: 'DELETE',
      sqlstate: '42501',
    });
    const busy = await ask();
    expect([busy.status, busy.headers.get('retry-after'), busy.body?.code]).toEqual([
      503,
      '1',
      'database_busy',
    ]);
    expect((await ask()).body).toMatchObject({ status: 409, code: 'other_job_open', job_id: OTHER_JOB });
    expect((await ask()).body).toMatchObject({
      code: 'validation_failed',
      errors: [{ path: 'params.tenant_id' }],
    });
    const internal = await ask();
    expect([internal.status, internal.body?.code]).toEqual([500, 'internal']);
    expect(internal.text).not.toContain('postgres://');
  });
});

describe('the export', () => {
  const token = { action: 'export', tenantId: TENANT } as const;
  const path = `/tenant/${TENANT}/export`;

  it('is sent while it is read, and read no faster than it is taken', async () => {
    let given = 0;
    const service = await serve({
      async *exportRows() {
        for (; given < 100_000; given += 1) yield `{"table":"a.b","row":{"text":"${'x'.repeat(1_000)}"}}`;
      },
    });
    const bearer = await service.issuer.issue({ audience: 'orders', ...token });
    const answer = await fetch(`${service.url}${path}`, { headers: { authorization: `Bearer ${bearer}` } });
    expect(answer.headers.get('content-type')).toContain('application/x-ndjson');
    const reader = answer.body?.getReader();
    await reader?.read();
    await sleep(200);
    expect(given).toBeLessThan(50_000);
    await reader?.cancel();
  });

  it('that fails at once is a problem; one that fails later is cut, not ended', async () => {
    let rows = 0;
    const service = await serve({
      translate: problemOfEngine,
      async *exportRows() {
        for (let row = 0; row < rows; row += 1) yield '{}';
        throw new EngineError('database_unavailable', 'The database is away.');
      },
    });
    const early = await service.ask('GET', path, { token });
    expect([early.status, early.body?.code]).toEqual([503, 'database_unavailable']);
    rows = 3;
    await expect(service.ask('GET', path, { token })).rejects.toThrow();
  });

  it('is of the job that the token names', async () => {
    const asked: unknown[] = [];
    const service = await serve({
      async *exportRows(...of) {
        asked.push(of);
        yield '{}';
      },
    });
    const ofJob = { token: { ...token, jobId: JOB } };
    expect((await service.ask('GET', `${path}?job_id=${JOB}`, ofJob)).status).toBe(200);
    expect((await service.ask('GET', `${path}?job_id=${OTHER_JOB}`, ofJob)).status).toBe(403);
    expect((await service.ask('GET', path, { token })).text).toBe('{}\n');
    expect(asked).toEqual([
      [TENANT, JOB],
      [TENANT, null],
    ]);
  });
});

describe('operations', () => {
  it('need no token; a service whose database is away lives and is not ready', async () => {
    let away = true;
    const service = await serve({
      translate: problemOfEngine,
      ready: async () => {
        if (away) throw new EngineError('database_unavailable', 'The database cannot be reached.');
      },
    });
    expect((await service.ask('GET', '/healthz', { token: null })).status).toBe(200);
    const not = await service.ask('GET', '/readyz', { token: null });
    expect(not.status).toBe(503);
    expect(not.body).toEqual({
      ready: false,
      checks: { database: { ok: false, message: 'The database cannot be reached.' } },
    });
    away = false;
    expect((await service.ask('GET', '/readyz', { token: null })).status).toBe(200);
  });

  it('count by route, and neither metrics nor log name a tenant', async () => {
    const service = await serve({
      calls: {
        advance: () => Promise.reject(new Error(`invalid row of ${TENANT.toUpperCase()}`)),
        status: async () => STATUS,
      },
    });
    await service.ask('GET', PATH, { token: { action: 'status', tenantId: TENANT, jobId: JOB } });
    await service.ask('PUT', PATH, { token: STAGE, body: BODY });
    await service.ask('GET', `/tenant/${TENANT}/nowhere`, { token: null });
    const { text } = await service.ask('GET', '/metrics', { token: null });
    expect(text).toMatch(
      /lethe_service_requests_total\{service="orders",method="GET",route="\/tenant\/:tenant_id\/deletions\/:job_id",status="200"\} 1/,
    );
    expect(text).not.toContain(TENANT);
    const log = service.log.join('');
    expect(log).toContain(`"job_id":"${JOB}"`);
    expect(log).toContain('invalid row of TENANT');
    expect(log.toLowerCase()).not.toContain(TENANT);
    expect(log).not.toMatch(/bearer/i);
  });
});
