/** Signing keys and the files that name who is trusted, for a platform on this machine. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KEY_PURPOSES, type KeyPurpose, readSigningKeys, writeSigningKey } from '../protocol/keys.js';
import { localIssuerEntry } from '../protocol/local-issuer.js';

/** Where the keys of a platform lie. */
export interface KeyFiles {
  /** `SIGNING_KEYS_DIR`. */
  readonly signingKeysDirectory: string;
  /** Public keys by which services check the platform's tokens: `PLATFORM_JWKS`. */
  readonly platformJwks: string;
  /** `TOKEN_ISSUERS_FILE`: the local issuer of user tokens, and no other. */
  readonly tokenIssuersFile: string;
}

/** Makes what is missing; keys that are there stay. */
export async function prepareKeys(directory: string): Promise<KeyFiles> {
  const signingKeysDirectory = join(directory, 'keys');
  const publicDirectory = join(directory, 'public-keys');
  mkdirSync(publicDirectory, { recursive: true });
  for (const purpose of KEY_PURPOSES) {
    if (!hasKey(signingKeysDirectory, purpose)) await writeSigningKey(signingKeysDirectory, purpose);
  }
  const publish = async (purpose: KeyPurpose) => {
    const file = join(publicDirectory, `${purpose}.jwks.json`);
    writeJson(file, (await readSigningKeys(signingKeysDirectory, purpose)).jwks);
    return file;
  };
  const platformJwks = await publish('service-token');
  const tokenIssuersFile = join(directory, 'token-issuers.json');
  writeJson(tokenIssuersFile, [localIssuerEntry(await publish('user-token'))]);
  return { signingKeysDirectory, platformJwks, tokenIssuersFile };
}

/** `TENANT_KEY_SECRET`, made once: another one would hide open jobs from the runs that they have. */
export function tenantKeySecret(directory: string): string {
  const file = join(directory, 'tenant-key-secret');
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600 });
  return readFileSync(file, 'utf8');
}

function hasKey(directory: string, purpose: KeyPurpose): boolean {
  return existsSync(directory) && readdirSync(directory).some((name) => name.startsWith(`${purpose}.`));
}

function writeJson(file: string, content: unknown): void {
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
}
