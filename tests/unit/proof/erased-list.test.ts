import { exportJWK, generateKeyPair, type JSONWebKeySet } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkErasedList, erasedListSigner, type ListedTenant } from '../../../proof/erased-list.js';
import { signJws } from '../../../proof/jws.js';

const TENANTS: ListedTenant[] = [
  {
    tenant: '6f1b0c1e-0000-4000-8000-000000000001',
    key: 'uuid',
    erased_at: '2026-01-02T03:04:05.000Z',
    job_id: '01990000-0000-7000-8000-000000000001',
  },
  {
    tenant: 'a'.repeat(64),
    key: 'hashed',
    erased_at: '2026-01-03T03:04:05.000Z',
    job_id: '01990000-0000-7000-8000-000000000002',
  },
];
let jwks: JSONWebKeySet;
let other: JSONWebKeySet;
let list: string;
let sign: (payload: unknown, type: string) => Promise<string>;

async function keyPair(kid: string) {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  return { signing: { kid, privateKey }, jwks: { keys: [{ ...(await exportJWK(publicKey)), kid }] } };
}

beforeAll(async () => {
  const own = await keyPair('k1');
  jwks = own.jwks;
  other = (await keyPair('k1')).jwks;
  const signer = erasedListSigner('lethe', { signing: async () => own.signing, jwks: async () => jwks });
  list = await signer.sign(TENANTS);
  sign = (payload, type) => signJws(payload, type, own.signing);
  expect(await signer.check(list)).toEqual({ tenants: TENANTS, why: null });
});

describe('the signed list of erased tenants', () => {
  it('is found to be another one where any character was changed', async () => {
    for (let place = 0; place < list.length; place += 1) {
      const instead = list[place] === 'A' ? 'B' : 'A';
      const changed = list.slice(0, place) + instead + list.slice(place + 1);
      const found = await checkErasedList(changed, jwks);
      expect(found.list, `character ${place}`).toBeNull();
      expect(found.why).not.toBe('');
    }
  });

  it('is refused from another platform, cut, and under another type', async () => {
    expect((await checkErasedList(list, other)).list).toBeNull();
    expect((await checkErasedList(list, { keys: [] })).why).toMatch(/None of the keys/);
    expect((await checkErasedList(list.slice(0, -20), jwks)).list).toBeNull();
    const body = { version: 1, issuer: 'lethe', issued_at: '2026-01-01T00:00:00.000Z', count: 1 };
    const type = 'lethe-erased-tenants+jws';
    const short = await sign({ ...body, tenants: [] }, type);
    expect((await checkErasedList(short, jwks)).why).toMatch(/another length/);
    expect(
      (await checkErasedList(await sign({ ...body, tenants: TENANTS.slice(1) }, type), jwks)).list,
    ).not.toBeNull();
    const certificate = await sign({ ...body, tenants: TENANTS.slice(1) }, 'lethe-certificate+jws');
    expect((await checkErasedList(certificate, jwks)).why).toMatch(/not lethe-erased-tenants/);
    const newer = await sign({ ...body, version: 2, tenants: TENANTS.slice(1) }, type);
    expect((await checkErasedList(newer, jwks)).why).toMatch(/no list that this version knows/);
  });
});
