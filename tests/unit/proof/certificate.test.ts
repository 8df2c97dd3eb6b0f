import { exportJWK, generateKeyPair, type JSONWebKeySet } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { CERTIFICATE_TYPE, type Certificate, certificate } from '../../../proof/certificate.js';
import { type Coverage, certify, type JobFacts, NotVerified } from '../../../proof/certify.js';
import { checkCertificate } from '../../../proof/check-certificate.js';
import { type SigningKey, signJws } from '../../../proof/jws.js';

const TENANT = '0b54b9a8-55b1-4d3c-9d7f-3f6f6d2f1a10';
const JOB = '01990000-0000-7000-8000-000000000001';
const HASH = 'a'.repeat(64);
const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 12, minute)).toISOString();

const table = { retained: 0, anonymized: 0, kept: 0, ground: null, retain_until: null, digest: null };
const facts: JobFacts = {
  job: {
    job_id: JOB,
    replay_of: null,
    reapplies: null,
    scope: [],
    requested_at: at(0),
    staged_at: at(1),
    decided_at: at(2),
  },
  tenantId: TENANT,
  decision: 'proceed',
  ended: false,
  requested: { id: 'p1', role: 'owner', ground: null },
  approval: { required: false, approval_hash: null, preview_hash: HASH, approvals: [] },
  services: ['orders', 'suppliers'].map((name, index) => ({
    name,
    role: 'participant',
    state: 'purged',
    reversible: true,
    planHash: HASH,
    fence: 'trigger',
    purgedAt: at(3 + index),
    verifiedAt: at(5),
    horizon: '4711',
    tables: [
      { ...table, table: `${name}.a`, deleted: 7 },
      { ...table, table: `${name}.b`, deleted: 0, retained: 2, ground: 'tax law', retain_until: at(59) },
    ],
  })),
  waivers: [],
  orphanUsers: null,
  audit: { chain: `job/${JOB}`, position: 12, hash: HASH },
};
const coverage: Coverage = {
  walMs: 60_000,
  replicasMs: null,
  backupsMs: 120_000,
  systems: ['The newsletter'],
};
const issue = { certificateId: JOB, issuer: 'tests', keyId: 'k1', issuedAt: at(6) };
const changed = (change: Partial<JobFacts>): JobFacts => ({ ...facts, ...change });
const oneService = (change: object): JobFacts =>
  changed({
    services: facts.services.map((service, index) => (index === 1 ? { ...service, ...change } : service)),
  });

let key: SigningKey;
let keys: JSONWebKeySet;
beforeAll(async () => {
  const pairs = await Promise.all([1, 2].map(() => generateKeyPair('EdDSA', { crv: 'Ed25519' })));
  const jwks = await Promise.all(
    pairs.map(async ({ publicKey }, index) => ({ ...(await exportJWK(publicKey)), kid: `k${index + 1}` })),
  );
  key = { kid: 'k1', privateKey: pairs[0]?.privateKey as SigningKey['privateKey'] };
  keys = { keys: jwks };
});

const signed = (change: object = {}, type = CERTIFICATE_TYPE) =>
  signJws({ ...certify(facts, coverage, issue), ...change }, type, key);
const faultOf = async (jws: string, tenant?: string) => {
  const checked = await checkCertificate(jws, keys, tenant);
  return checked.valid ? null : checked.fault;
};

describe('what is certified', () => {
  it('is of the form that is published, counts what became of the rows, and dates what is not covered', () => {
    const said: Certificate = certificate.parse(certify(facts, coverage, issue));
    expect(said.totals).toEqual({ deleted: 14, retained: 4, anonymized: 0, kept: 0 });
    const goneBy = Object.fromEntries(said.not_covered.storage.map(({ what, gone_by }) => [what, gone_by]));
    // From the last purge on.
    expect(goneBy).toEqual({
      dead_tuples: null,
      write_ahead_log: at(5),
      replicas: null,
      backups: at(6),
    });
    expect(said.not_covered.systems).toEqual(['The newsletter']);
  });

  it.each<[string, () => JobFacts, string]>([
    ['without a decision', () => changed({ decision: null }), 'the decision is not made'],
    ['that goes back', () => changed({ decision: 'abort' }), 'the decision is abort'],
    ['that has ended', () => changed({ ended: true }), 'the job has ended'],
    ['in which no service took part', () => changed({ services: [] }), 'no service took part'],
    ['without a trail', () => changed({ audit: null }), 'its audit trail is empty'],
    ['with rows in an archive', () => oneService({ state: 'purging' }), 'suppliers is purging, not purged'],
    ['with rows left', () => oneService({ verifiedAt: null }), 'suppliers was not found clean'],
    [
      'verified long before',
      () => oneService({ verifiedAt: '2025-12-30T00:00:00Z' }),
      'before anything was purged',
    ],
    ['purged nobody knows when', () => oneService({ purgedAt: null }), 'it is not known when suppliers'],
    [
      'that nobody approved',
      () => changed({ approval: { ...facts.approval, required: true } }),
      'nobody has approved it',
    ],
  ])('is nothing of a job %s', (_, of, why) => {
    expect(() => certify(of(), coverage, issue)).toThrow(NotVerified);
    expect(() => certify(of(), coverage, issue)).toThrow(why);
  });

  it('is also a job with a service that two persons have waived, which it names', () => {
    const waiver = {
      service: 'suppliers',
      waiver_id: JOB,
      reason: 'Shut down.',
      requested_by: 'p1',
      approved_by: 'p2',
      phase: 'purge',
      at: at(2),
    };
    const waived = { ...oneService({ state: 'staged', verifiedAt: null }), waivers: [waiver] };
    const said = certificate.parse(certify(waived, coverage, issue));
    expect(said.services.map(({ service }) => service)).toEqual(['orders']);
    expect(said.waivers).toEqual([waiver]);
  });
});

describe('a certificate', () => {
  it('holds by the public keys alone, for its tenant', async () => {
    expect(await checkCertificate(await signed(), keys, TENANT)).toMatchObject({
      valid: true,
      kid: 'k1',
      certificate: { tenant_id: TENANT },
    });
  });

  it('with any byte changed does not hold', async () => {
    const jws = await signed();
    const kept: string[] = [];
    for (let place = 0; place < jws.length; place += 1) {
      const code = jws.charCodeAt(place);
      // One bit, and what stands beside it in the alphabet of base64url, which spare bits would hide.
      for (const other of new Set([code ^ 1, code + 1])) {
        const text = jws.slice(0, place) + String.fromCharCode(other) + jws.slice(place + 1);
        if ((await faultOf(text)) === null) kept.push(`${place}: ${other}`);
      }
    }
    expect(kept).toEqual([]);
  });

  it('with a byte more or less does not hold', async () => {
    const jws = await signed();
    for (const text of [
      `${jws}=`,
      `${jws}A`,
      ` ${jws}`,
      `${jws}\n`,
      `${jws}.`,
      jws.slice(0, -1),
      jws.slice(1),
      '',
    ]) {
      expect(await faultOf(text)).not.toBeNull();
    }
  });

  it.each<[string, () => Promise<[string, string?]>, string, string]>([
    ['of another tenant', async () => [await signed(), JOB], 'other_tenant', `not about ${JOB}`],
    [
      'signed by another key under this name',
      async () => {
        const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519' });
        const payload = certify(facts, coverage, issue);
        return [await signJws(payload, CERTIFICATE_TYPE, { kid: 'k1', privateKey })];
      },
      'changed',
      'is not that of key "k1"',
    ],
    [
      'signed by a key that is not published',
      async () => [await signJws({}, CERTIFICATE_TYPE, { ...key, kid: 'k9' })],
      'unknown_key',
      '/.well-known/certificate-keys.json',
    ],
    ['of a later version', async () => [await signed({ version: 2 })], 'unknown_version', 'use a newer one'],
    [
      'that is a signed head',
      async () => [await signed({}, 'lethe-audit-head+jws')],
      'other_type',
      'no certificate',
    ],
    ['that is a token', async () => ['eyJhbGciOiJFZERTQSJ9.e30.AAAA'], 'malformed', 'header'],
    ['that is text', async () => ['To whom it may concern'], 'malformed', 'no certificate'],
    [
      'that leaves something out',
      async () => [await signed({ services: undefined })],
      'not_understood',
      'services',
    ],
    ['with more than it may say', async () => [await signed({ total: true })], 'not_understood', 'See'],
    ['that names another key', async () => [await signed({ key_id: 'k2' })], 'not_understood', '"k2"'],
  ])('%s: says what is wrong', async (_, made, fault, why) => {
    const [jws, tenant] = await made();
    const checked = await checkCertificate(jws, keys, tenant);
    expect(checked).toMatchObject({ valid: false, fault });
    expect(checked.valid ? '' : checked.why).toContain(why);
  });
});
