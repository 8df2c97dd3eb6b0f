/**
 * The platform's private keys: a directory with one JWK a file, `<purpose>.<kid>.json`. Each purpose has keys of its
 * own. The key whose `kid` sorts last signs, all are published; a `kid` begins with the time of its making. A file
 * without the private member `d` is a retired key: still published, signing nothing any more.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CryptoKey, exportJWK, generateKeyPair, importJWK, type JSONWebKeySet, type JWK } from 'jose';
import { z } from 'zod';

export const KEY_PURPOSES = ['service-token', 'user-token', 'certificate', 'records'] as const;
export type KeyPurpose = (typeof KEY_PURPOSES)[number];

/** The one algorithm of Lethe's own signatures. */
export const SIGNING_ALGORITHM = 'EdDSA';

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
}

export interface SigningKeys {
  readonly signing: SigningKey;
  /** Public halves only, retired keys included; what `/.well-known/jwks.json` shows. */
  readonly jwks: JSONWebKeySet;
}

const storedKey = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  d: z
    .string()
    .regex(/^[A-Za-z0-9_-]{43}$/)
    .optional(),
  kid: z.string().min(1).max(200),
});

type StoredKey = z.infer<typeof storedKey>;

/** A key that is missing or cannot be used. Names the file, never its content. */
export class SigningKeyError extends Error {
  override readonly name = 'SigningKeyError';
}

/** Reads all keys of a purpose; throws where none can sign. */
export async function readSigningKeys(directory: string, purpose: KeyPurpose): Promise<SigningKeys> {
  const keys = await readKeys(directory, purpose);
  const newest = keys.findLast((key) => key.d !== undefined);
  if (newest === undefined) {
    throw new SigningKeyError(
      `${directory} holds no private key named ${purpose}.<kid>.json; make one (docs/configuration.md, SIGNING_KEYS_DIR)`,
    );
  }
  const privateKey = await importJWK({ ...newest, alg: SIGNING_ALGORITHM } as JWK, SIGNING_ALGORITHM);
  return {
    signing: { kid: newest.kid, privateKey: privateKey as CryptoKey },
    jwks: published(keys),
  };
}

/** The public halves of all keys of a purpose, also where none can sign any more. */
export async function readPublicKeys(
  directory: string,
  purpose: KeyPurpose,
): Promise<Pick<SigningKeys, 'jwks'>> {
  return { jwks: published(await readKeys(directory, purpose)) };
}

async function readKeys(directory: string, purpose: KeyPurpose): Promise<StoredKey[]> {
  const names = (await readdir(directory).catch(() => [])).filter(
    (name) => name.startsWith(`${purpose}.`) && name.endsWith('.json'),
  );
  const keys = await Promise.all(names.map((name) => readKey(join(directory, name))));
  return keys.sort((one, other) => (one.kid < other.kid ? -1 : 1));
}

function published(keys: readonly StoredKey[]): JSONWebKeySet {
  return {
    keys: keys.map(({ kty, crv, x, kid }) => ({ kty, crv, x, kid, use: 'sig', alg: SIGNING_ALGORITHM })),
  };
}

async function readKey(path: string): Promise<StoredKey> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, 'utf8'));
  } catch {
    throw new SigningKeyError(`${path} cannot be read as JSON; it should hold one Ed25519 key as a JWK`);
  }
  const key = storedKey.safeParse(content);
  if (!key.success) {
    const members = [...new Set(key.error.issues.map((issue) => issue.path.join('.')))].join(', ');
    throw new SigningKeyError(`${path} is no Ed25519 key as a JWK: see ${members || 'its form'}`);
  }
  return key.data;
}

/** Takes the private half of a key away: it signs nothing any more, and is still published. Gives the file's path. */
export async function retireSigningKey(directory: string, purpose: KeyPurpose, kid: string): Promise<string> {
  const path = join(directory, `${purpose}.${kid}.json`);
  const { d: _, ...publicHalf } = await readKey(path);
  const draft = `${path}.draft`;
  await writeFile(draft, `${JSON.stringify(publicHalf, null, 2)}\n`, { mode: 0o600 });
  await rename(draft, path);
  return path;
}

/** Makes a new key, readable by its owner only, which signs from the next start on. Gives the file's path. */
export async function writeSigningKey(directory: string, purpose: KeyPurpose): Promise<string> {
  const { privateKey } = await generateKeyPair(SIGNING_ALGORITHM, { crv: 'Ed25519', extractable: true });
  const made = new Date().toISOString().replace(/[-:.]/g, '');
  const kid = `${made}-${randomBytes(4).toString('hex')}`;
  const path = join(directory, `${purpose}.${kid}.json`);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const key = { ...(await exportJWK(privateKey)), kid };
  await writeFile(path, `${JSON.stringify(key, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  return path;
}
