import { createHmac, randomUUID } from 'node:crypto';
import { type CryptoKey, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LOCAL_AUDIENCE, LOCAL_ISSUER, LOCAL_USER_TOKEN_TYPE } from '../../../protocol/local-issuer.js';
import { openTestApi, type TestApi } from '../../support/api.js';
import { until } from '../../support/conditions.js';

const path = '/api/v1/deletion-jobs';

describe('tokens of users', () => {
  let api: TestApi;
  let now: number;

  beforeAll(async () => {
    api = await openTestApi();
    now = Math.floor(Date.now() / 1_000);
  });
  afterAll(() => api.close());

  /** As the local issuer would, but for what the test changes. */
  function handmade(changes: {
    claims?: Record<string, unknown>;
    header?: Record<string, unknown>;
    key?: CryptoKey;
  }): Promise<string> {
    const { signing } = api.users.keys;
    const claims = {
      iss: LOCAL_ISSUER,
      aud: LOCAL_AUDIENCE,
      sub: randomUUID(),
      iat: now,
      exp: now + 600,
      roles: ['operator'],
      ...changes.claims,
    };
    return new SignJWT(Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined)))
      .setProtectedHeader({ alg: 'EdDSA', typ: LOCAL_USER_TOKEN_TYPE, kid: signing.kid, ...changes.header })
      .sign(changes.key ?? signing.privateKey);
  }
  function unsigned(header: Record<string, unknown>, sign: (text: string) => string): string {
    const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');
    const claims = {
      iss: LOCAL_ISSUER,
      aud: LOCAL_AUDIENCE,
      sub: 'me',
      iat: now,
      exp: now + 60,
      roles: ['operator'],
    };
    const text = `${encode({ typ: LOCAL_USER_TOKEN_TYPE, ...header })}.${encode(claims)}`;
    return `${text}.${sign(text)}`;
  }

  it('are needed for every call but health, keys and documentation', async () => {
    const document = (await api.ask('GET', '/openapi.json', null)).body;
    const calls = Object.entries(document.paths as Record<string, Record<string, unknown>>).flatMap(
      ([address, methods]) => Object.keys(methods).map((method) => ({ address, method })),
    );
    expect(calls.filter(({ address }) => address.startsWith('/api/v1')).length).toBeGreaterThan(10);
    for (const { address, method } of calls.filter((call) => call.address.startsWith('/api/v1'))) {
      const url = address.replace(/\{\w+\}/g, randomUUID());
      const answer = await api.app.inject({ method: method.toUpperCase() as 'GET', url });
      expect({ address, method, status: answer.statusCode }).toEqual({ address, method, status: 401 });
      expect(answer.headers['www-authenticate']).toBe('Bearer');
      expect(answer.json()).toMatchObject({ code: 'unauthenticated' });
    }
    // Not ready is an answer, too, on a busy machine.
    await until(async () => (await api.ask('GET', '/readyz', null)).status === 200, {
      what: 'the API to be ready',
    });
    for (const open of [
      '/healthz',
      '/readyz',
      '/metrics',
      '/.well-known/jwks.json',
      '/openapi.json',
      '/docs/',
    ]) {
      expect({ open, status: (await api.ask('GET', open, null)).status }).toEqual({ open, status: 200 });
    }
  });

  it('are good as the issuer gives them', async () => {
    expect(await api.ask('GET', path, await handmade({}))).toMatchObject({ status: 200 });
  });

  const REFUSED: [string, () => Promise<string> | string][] = [
    ['an expired one', () => handmade({ claims: { iat: now - 7_200, exp: now - 60 } })],
    ['one without an end', () => handmade({ claims: { exp: undefined } })],
    [
      'one that is too old, whatever its end',
      () => handmade({ claims: { iat: now - 90_000, exp: now + 60 } }),
    ],
    ['one of the future', () => handmade({ claims: { iat: now + 3_600, exp: now + 7_200 } })],
    ['one for another audience', () => handmade({ claims: { aud: 'another-api' } })],
    ['one of another issuer', () => handmade({ claims: { iss: 'https://evil.example' } })],
    ['one for nobody', () => handmade({ claims: { sub: undefined } })],
    ['one of another kind', () => handmade({ header: { typ: 'JWT' } })],
    ['one of an unknown key', () => handmade({ header: { kid: 'another' } })],
    ['one that brings its own key address', () => handmade({ header: { jku: 'https://evil.example/jwks' } })],
    [
      'one with another signature',
      async () => handmade({ key: (await generateKeyPair('EdDSA')).privateKey }),
    ],
    [
      'one that was tampered with',
      async () => {
        const [header, , signature] = (await handmade({ claims: { roles: [] } })).split('.');
        const [, claims] = (await handmade({})).split('.');
        return `${header}.${claims}.${signature}`;
      },
    ],
    ['one with alg none', () => unsigned({ alg: 'none' }, () => '')],
    [
      'one signed with the public key as a secret',
      () =>
        unsigned({ alg: 'HS256', kid: api.users.keys.signing.kid }, (text) =>
          createHmac('sha256', JSON.stringify(api.users.keys.jwks.keys[0])).update(text).digest('base64url'),
        ),
    ],
    [
      'a service token of the platform',
      () =>
        api.services[0]?.issuer.issue({ audience: 'orders', action: 'preview', tenantId: randomUUID() }) ??
        '',
    ],
    ['something that is no token', () => 'let-me-in'],
  ];
  it.each(REFUSED)('are refused: %s', async (_, token) => {
    const answer = await api.ask('GET', path, await token());
    expect(answer).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    expect(answer.headers['www-authenticate']).toBe('Bearer');
  });

  it('give no role that is not one of the platform', async () => {
    const token = await handmade({ claims: { roles: ['root', 'admin', 'owner'] } });
    expect((await api.ask('GET', path, token)).body.jobs).toEqual([]);
    expect(await api.ask('GET', '/api/v1/services', token)).toMatchObject({ status: 403 });
  });

  it('stay out of the log, as ids of people and tenants do', async () => {
    const user = randomUUID();
    const tenant = randomUUID();
    const token = await api.users.token({ userId: user, roles: ['operator'] });
    await api.ask('DELETE', `/api/v1/tenants/${tenant}`, token);
    await api.ask('DELETE', `/api/v1/tenants/user/${user}/memberships`, token);
    const log = api.log.join('\n');
    expect(log).toContain('request_id');
    for (const secret of [token, user, tenant, '127.0.0.1']) expect(log).not.toContain(secret);
  });

  it('take no request id from the caller that could forge a line of the log', async () => {
    const ask = (id: string) => api.app.inject({ url: '/healthz', headers: { 'x-request-id': id } });
    expect((await ask('upstream-7')).headers['x-request-id']).toBe('upstream-7');
    expect((await ask('a b"}{')).headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });
});
