/** The list of erased tenants, signed, so that it survives the loss of every database. */
import type { JSONWebKeySet } from 'jose';
import { z } from 'zod';
import { checkJws, type SigningKey, signJws } from './jws.js';

export const ERASED_LIST_TYPE = 'lethe-erased-tenants+jws';

const listedTenant = z.strictObject({
  tenant: z.string().min(1).max(200),
  key: z.enum(['uuid', 'hashed']),
  erased_at: z.iso.datetime(),
  job_id: z.uuid(),
});
export type ListedTenant = z.infer<typeof listedTenant>;

const erasedList = z.strictObject({
  version: z.literal(1),
  issuer: z.string().min(1),
  issued_at: z.iso.datetime(),
  count: z.int().nonnegative(),
  tenants: z.array(listedTenant),
});
export type ErasedList = z.infer<typeof erasedList>;

export function signErasedList(
  facts: { readonly issuer: string; readonly issuedAt: string; readonly tenants: readonly ListedTenant[] },
  key: SigningKey,
): Promise<string> {
  const list: ErasedList = {
    version: 1,
    issuer: facts.issuer,
    issued_at: facts.issuedAt,
    count: facts.tenants.length,
    tenants: [...facts.tenants],
  };
  return signJws(list, ERASED_LIST_TYPE, key);
}

/** The list, where one of the keys has signed just this one; otherwise why not. */
export async function checkErasedList(
  jws: string,
  keys: JSONWebKeySet,
): Promise<
  { readonly list: ErasedList; readonly why: null } | { readonly list: null; readonly why: string }
> {
  const checked = await checkJws(jws.trim(), ERASED_LIST_TYPE, keys);
  if (checked.fault !== null) return { list: null, why: checked.why };
  const parsed = erasedList.safeParse(checked.payload);
  if (!parsed.success) return { list: null, why: 'What was signed is no list that this version knows.' };
  if (parsed.data.count !== parsed.data.tenants.length) {
    return { list: null, why: 'The list has another length than it says.' };
  }
  return { list: parsed.data, why: null };
}

/** The platform's keys, as they are when they are needed. */
export interface ListKeys {
  readonly signing: () => Promise<SigningKey>;
  /** Retired ones, too: a list is kept for years. */
  readonly jwks: () => Promise<JSONWebKeySet>;
}

/** Both ways. */
export function erasedListSigner(issuer: string, keys: ListKeys) {
  return {
    async sign(tenants: readonly ListedTenant[]): Promise<string> {
      const facts = { issuer, issuedAt: new Date().toISOString(), tenants };
      return signErasedList(facts, await keys.signing());
    },
    async check(
      jws: string,
    ): Promise<{ tenants: readonly ListedTenant[]; why: null } | { tenants: null; why: string }> {
      const { list, why } = await checkErasedList(jws, await keys.jwks());
      return list === null ? { tenants: null, why } : { tenants: list.tenants, why: null };
    },
  };
}
