/** Public keys from a file, a URL or memory, read again when they age or when a token names a key not yet known. */
import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { Problem } from './problems.js';

/** A path, a URL (`http:`, `https:`, `file:`), or the keys themselves. */
export type KeysAt = string | URL | JSONWebKeySet;

export interface KeySourceLimits {
  /** Age after which the keys are read again; a key that was taken out is trusted no longer than this. */
  readonly maxAgeMs: number;
  /** How long keys are still used while they cannot be read again. */
  readonly staleMs: number;
  /** Least time between two readings. */
  readonly cooldownMs: number;
  readonly timeoutMs: number;
}

const DEFAULTS: KeySourceLimits = {
  maxAgeMs: 600_000,
  staleMs: 24 * 3_600_000,
  cooldownMs: 2_000,
  timeoutMs: 5_000,
};

const LARGEST_KEY_SET = 1024 * 1024;
const keySet = z.looseObject({ keys: z.array(z.looseObject({ kty: z.string() })).max(1_000) });

/** Gives the key that a token's `kid` names. Throws `keys_unavailable` where no keys can be had at all. */
export function createKeySource(from: KeysAt, limits: Partial<KeySourceLimits> = {}): JWTVerifyGetKey {
  if (typeof from !== 'string' && !(from instanceof URL)) return createLocalJWKSet(from);
  const { maxAgeMs, staleMs, cooldownMs, timeoutMs } = { ...DEFAULTS, ...limits };
  let known: { readonly find: ReturnType<typeof createLocalJWKSet>; readonly at: number } | null = null;
  let lastTry = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | null = null;

  const read = async () => {
    lastTry = Date.now();
    known = { find: createLocalJWKSet(await load(from, timeoutMs)), at: Date.now() };
  };
  const readOnce = () => {
    reading ??= read().finally(() => {
      reading = null;
    });
    return reading;
  };
  const current = async () => {
    const age = known === null ? Number.POSITIVE_INFINITY : Date.now() - known.at;
    if (age > maxAgeMs && (known === null || Date.now() - lastTry > cooldownMs)) {
      try {
        await readOnce();
      } catch (error) {
        if (age > staleMs) throw unavailable(from, error);
      }
    }
    if (known === null) throw unavailable(from, null);
    return known.find;
  };

  return async (header, token) => {
    const find = await current();
    try {
      return await find(header, token);
    } catch (error) {
      const unknownKey = error instanceof errors.JWKSNoMatchingKey;
      if (!unknownKey || Date.now() - lastTry < cooldownMs) throw error;
    }
    // Keys rotate: one that is not known yet may have been published since.
    await readOnce().catch((error: unknown) => {
      throw unavailable(from, error);
    });
    return (await current())(header, token);
  };
}

/** A key set at a path or a URL, read once. Throws `keys_unavailable`. */
export async function readKeySet(from: string | URL): Promise<JSONWebKeySet> {
  try {
    return await load(from, DEFAULTS.timeoutMs);
  } catch (error) {
    throw unavailable(from, error);
  }
}

async function load(from: string | URL, timeoutMs: number): Promise<JSONWebKeySet> {
  const url = from instanceof URL ? from : /^(https?|file):/.test(from) ? new URL(from) : null;
  const text =
    url === null || url.protocol === 'file:'
      ? await readFile(url ?? from, 'utf8')
      : await download(url, timeoutMs);
  return keySet.parse(JSON.parse(text)) as JSONWebKeySet;
}

async function download(url: URL, timeoutMs: number): Promise<string> {
  const answer = await fetch(url, {
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
    headers: { accept: 'application/jwk-set+json, application/json' },
  });
  if (answer.status !== 200 || answer.body === null) throw new Error(`answered ${answer.status}`);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of answer.body) {
    size += part.byteLength;
    if (size > LARGEST_KEY_SET) throw new Error('the key set is larger than 1 MiB');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function unavailable(from: string | URL, cause: unknown): Problem {
  const reason = cause instanceof Error ? ` (${cause.name})` : '';
  const problem = new Problem(
    'keys_unavailable',
    `The public keys at ${withoutSecrets(from)} cannot be read${reason}. They are read again at the next request.`,
    {},
    2,
  );
  problem.cause = cause;
  return problem;
}

function withoutSecrets(from: string | URL): string {
  const text = String(from);
  if (!/^https?:/.test(text)) return text;
  const url = new URL(text);
  return `${url.origin}${url.pathname}`;
}
