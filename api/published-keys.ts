/** Public keys of the platform: read again now and then, so that a new key is known before it signs. */
import type { JSONWebKeySet } from 'jose';
import type { SigningKeys } from '../protocol/keys.js';

const AGE_MS = 10_000;

/** Where the files cannot be read any more, what was read last is still true. */
export function createPublishedKeys(
  read: () => Promise<Pick<SigningKeys, 'jwks'>>,
): () => Promise<JSONWebKeySet> {
  let known: { readonly jwks: JSONWebKeySet; readonly at: number } | null = null;
  return async () => {
    if (known && Date.now() - known.at < AGE_MS) return known.jwks;
    try {
      known = { jwks: (await read()).jwks, at: Date.now() };
    } catch (error) {
      if (known === null) throw error;
    }
    return known.jwks;
  };
}
