import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { base64url, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { subjectOf } from '../../../protocol/calls.js';
import { readSigningKeys, type SigningKeys, writeSigningKey } from '../../../protocol/keys.js';
import { Problem } from '../../../protocol/problems.js';
import { assertTokenAllows, createTokenIssuer, createTokenVerifier } from '../../../protocol/tokens.js';

const TENANT = '0b0b6bb2-64a4-4d2e-9f0e-6a6c1f3f3a01';
const OTHER_TENANT = '0b0b6bb2-64a4-4d2e-9f0e-6a6c1f3f3a02';
const JOB = '01980000-0000-7000-8000-000000000001';
const OTHER_JOB = '01980000-0000-7000-8000-000000000002';
const ISSUER = 'lethe';

let directory: string;
let keys: SigningKeys;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lethe-tokens-'));
  await writeSigningKey(directory, 'service-token');
  keys = await readSigningKeys(directory, 'service-token');
});
afterAll(() => rm(directory, { recursive: true }));

const now = () => Math.floor(Date.now() / 1_000);

/** A token that is right in everything that is not overridden. */
function handmade(claims: Record<string, unknown> = {}, header: { readonly [name: string]: unknown } = {}) {
  const payload = {
    iss: ISSUER,
    aud: 'orders',
    iat: now(),
    exp: now() + 60,
    jti: 'one',
    action: 'staged',
    tenant_id: TENANT,
    job_id: JOB,
    ...claims,
  };
  for (const [name, value] of Object.entries(payload)) {
    if (value === undefined) delete (payload as Record<string, unknown>)[name];
  }
  return new SignJWT(payload)
    .setProtectedHeader({ alg: 'EdDSA', typ: 'lethe-service+jwt', kid: keys.signing.kid, ...header })
    .sign(keys.signing.privateKey);
}

const verifier = () => createTokenVerifier({ jwks: keys.jwks, issuer: ISSUER, audience: 'orders' });
const refusal = (token: string) =>
  verifier()
    .verify(token)
    .then(
      () => null,
      (error: unknown) => error,
    );

async function expectRefused(token: string, why: RegExp) {
  const error = await refusal(token);
  expect(error).toBeInstanceOf(Problem);
  expect(error).toMatchObject({ code: 'unauthenticated', detail: expect.stringMatching(why) });
}

describe('a service token', () => {
  it('is taken when it is right', async () => {
    const token = await createTokenIssuer({ key: keys.signing, issuer: ISSUER }).issue({
      audience: 'orders',
      action: 'purged',
      tenantId: TENANT,
      jobId: JOB,
      supersedesJobId: OTHER_JOB,
    });
    const claims = await verifier().verify(token);
    expect(claims).toMatchObject({ tenant_id: TENANT, job_id: JOB, supersedes_job_id: OTHER_JOB });
    expect(claims.exp - claims.iat).toBe(60);
  });

  it('is never given for longer than a minute', async () => {
    const issuer = createTokenIssuer({ key: keys.signing, issuer: ISSUER, lifetimeSeconds: 3_600 });
    const claims = await verifier().verify(await issuer.issue({ audience: 'orders', action: 'manifest' }));
    expect(claims.exp - claims.iat).toBe(60);
  });

  it.each([
    ['expired', { iat: now() - 50, exp: now() - 10 }, /expired/],
    ['older than a minute, whatever it says of its end', { iat: now() - 90, exp: now() + 60 }, /expired|iat/],
    ['good for longer than a minute', { exp: now() + 600 }, /longer than 60/],
    ['from the future', { iat: now() + 100, exp: now() + 160 }, /iat|nbf|read/],
    ['for another service', { aud: 'inventory' }, /aud/],
    ['for several services', { aud: ['orders', 'inventory'] }, /aud/],
    ['of another issuer', { iss: 'somebody' }, /iss/],
    ['without an end', { exp: undefined }, /exp/],
    ['without a beginning', { iat: undefined }, /iat/],
    ['without an id', { jti: undefined }, /jti/],
    ['without an action', { action: undefined }, /action/],
    ['with an action that is none', { action: 'everything' }, /action/],
    ['with a job that is no UUID', { job_id: 'job' }, /job_id/],
  ])('is refused when it is %s', async (_, claims, why) => {
    await expectRefused(await handmade(claims), why);
  });

  it('is refused when it is of another kind', async () => {
    await expectRefused(await handmade({}, { typ: 'JWT' }), /typ/);
    await expectRefused(await handmade({}, { typ: undefined }), /typ/);
  });

  it('is refused when it brings its own key, even where that key signed it', async () => {
    const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true });
    const jwk = await exportJWK(publicKey);
    for (const header of [{ jwk }, { jku: 'https://example.org/jwks' }, { x5u: 'https://example.org/x' }]) {
      const token = await new SignJWT({ action: 'staged' })
        .setProtectedHeader({ alg: 'EdDSA', typ: 'lethe-service+jwt', kid: keys.signing.kid, ...header })
        .sign(privateKey);
      await expectRefused(token, /own key/);
    }
  });

  it('is refused when it is not signed, signed by another key, or by a secret made of the public key', async () => {
    const parts = (await handmade()).split('.');
    const unsigned = base64url.encode(
      JSON.stringify({ alg: 'none', typ: 'lethe-service+jwt', kid: keys.signing.kid }),
    );
    await expectRefused(`${unsigned}.${parts[1]}.`, /./);

    const stranger = await generateKeyPair('EdDSA');
    const forged = (alg: string, key: Parameters<SignJWT['sign']>[0]) =>
      new SignJWT({ action: 'staged', tenant_id: TENANT, jti: 'x' })
        .setProtectedHeader({ alg, typ: 'lethe-service+jwt', kid: keys.signing.kid })
        .setIssuer(ISSUER)
        .setAudience('orders')
        .setIssuedAt()
        .setExpirationTime('60s')
        .sign(key);
    await expectRefused(await forged('EdDSA', stranger.privateKey), /signature/);
    const publicText = new TextEncoder().encode(String(keys.jwks.keys[0]?.x));
    await expectRefused(await forged('HS256', publicText), /algorithm/);
    const rsa = await generateKeyPair('RS256');
    await expectRefused(await forged('RS256', rsa.privateKey), /algorithm/);
  });

  it.each(['', 'x', 'a.b', 'a.b.c', '....', 'é.é.é'])('is refused when it is %j', async (token) => {
    await expectRefused(token, /./);
  });
});

describe('what a token allows', () => {
  const wanted = subjectOf('advance', {
    params: { tenant_id: TENANT, job_id: JOB },
    body: { target: 'staged' },
  });
  const claims = async (override: Record<string, unknown>) => verifier().verify(await handmade(override));

  it('is the request that it names', async () => {
    const exact = await claims({});
    expect(() => assertTokenAllows(exact, wanted)).not.toThrow();
  });

  it.each([
    ['another action', { action: 'purged' }],
    ['a reading action', { action: 'status' }],
    ['another tenant', { tenant_id: OTHER_TENANT }],
    ['no tenant', { tenant_id: undefined }],
    ['another job', { job_id: OTHER_JOB }],
    ['no job', { job_id: undefined }],
  ])('is not what names %s', async (_, override) => {
    const token = await claims(override);
    expect(() => assertTokenAllows(token, wanted)).toThrow(expect.objectContaining({ code: 'forbidden' }));
  });

  it('is, for reading without a job, any job of the tenant, and of that tenant alone', async () => {
    const status = (tenant: string) => subjectOf('status', { params: { tenant_id: tenant, job_id: JOB } });
    const reading = await claims({ action: 'status', job_id: undefined });
    expect(() => assertTokenAllows(reading, status(TENANT))).not.toThrow();
    expect(() => assertTokenAllows(reading, status(OTHER_TENANT))).toThrow();
  });

  it('is, for memberships, the user whom it names', async () => {
    const user = '0b0b6bb2-64a4-4d2e-9f0e-6a6c1f3f3a09';
    const removal = subjectOf('removeMemberships', { params: { user_id: user } });
    const token = await claims({ action: 'ownership', sub: user });
    expect(() => assertTokenAllows(token, removal)).not.toThrow();
    const nobody = await claims({ action: 'ownership' });
    expect(() => assertTokenAllows(nobody, removal)).toThrow();
  });
});

describe('keys that rotate', () => {
  it('are all published without their private half, and the last one signs', async () => {
    const own = await mkdtemp(join(tmpdir(), 'lethe-keys-'));
    await writeSigningKey(own, 'service-token');
    await writeSigningKey(own, 'certificate');
    await writeSigningKey(own, 'service-token');
    const found = await readSigningKeys(own, 'service-token');
    expect(found.jwks.keys).toHaveLength(2);
    expect(found.jwks.keys.at(-1)?.kid).toBe(found.signing.kid);
    expect(JSON.stringify(found.jwks)).not.toContain('"d"');
    await rm(own, { recursive: true });
  });

  it('are named by file and not by content where they cannot be used', async () => {
    const own = await mkdtemp(join(tmpdir(), 'lethe-keys-'));
    await expect(readSigningKeys(own, 'service-token')).rejects.toThrow(/no private key/);
    await writeFile(join(own, 'service-token.x.json'), '{"kty":"oct","k":"hunter2"}');
    await expect(readSigningKeys(own, 'service-token')).rejects.toThrow(/service-token\.x\.json.*kty/);
    await expect(readSigningKeys(own, 'service-token')).rejects.not.toThrow(/hunter2/);
    await rm(own, { recursive: true });
  });

  it('are read again when a token names one that is not known yet', async () => {
    const file = join(directory, 'published.json');
    await writeFile(file, JSON.stringify({ keys: [] }));
    const options = { jwks: file, issuer: ISSUER, audience: 'orders', keys: { cooldownMs: 0 } };
    const fromFile = createTokenVerifier(options);
    await expect(fromFile.verify(await handmade())).rejects.toMatchObject({ code: 'unauthenticated' });
    await writeFile(file, JSON.stringify(keys.jwks));
    await expect(fromFile.verify(await handmade())).resolves.toMatchObject({ tenant_id: TENANT });
  });

  it('are retryable, and no fault of the token, where they cannot be read; known ones go on being used', async () => {
    let healthy = true;
    let asked = 0;
    const server = createServer((_, response) => {
      asked += 1;
      if (healthy) response.setHeader('content-type', 'application/json').end(JSON.stringify(keys.jwks));
      else response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const jwks = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
    const limits = { maxAgeMs: 0, cooldownMs: 0 };
    const used = createTokenVerifier({ jwks, issuer: ISSUER, audience: 'orders', keys: limits });
    await used.verify(await handmade());
    healthy = false;
    await expect(used.verify(await handmade())).resolves.toBeDefined();
    const fresh = createTokenVerifier({ jwks, issuer: ISSUER, audience: 'orders', keys: limits });
    await expect(fresh.verify(await handmade())).rejects.toMatchObject({
      code: 'keys_unavailable',
      status: 503,
    });
    expect(asked).toBeGreaterThanOrEqual(3);
    await new Promise((resolve) => server.close(resolve));
  });
});
