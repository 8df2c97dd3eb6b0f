/** Users' tokens for tests: those of the local issuer, and hand-made ones that should be refused. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSigningKeys, type SigningKeys, writeSigningKey } from '../../protocol/keys.js';
import { createLocalUserIssuer, type LocalUser, localIssuerEntry } from '../../protocol/local-issuer.js';
import { createUserTokenVerifier, type UserTokenVerifier } from '../../protocol/user-tokens.js';

export interface TestUsers {
  readonly keys: SigningKeys;
  readonly verifier: UserTokenVerifier;
  token(user: LocalUser): Promise<string>;
}

export async function createTestUsers(): Promise<TestUsers> {
  const directory = mkdtempSync(join(tmpdir(), 'lethe-keys-'));
  try {
    await writeSigningKey(directory, 'user-token');
    const keys = await readSigningKeys(directory, 'user-token');
    const issuer = createLocalUserIssuer({ key: keys.signing, production: false });
    const verifier = createUserTokenVerifier({
      issuers: [localIssuerEntry('in memory')],
      production: false,
      keysOf: () => keys.jwks,
    });
    return { keys, verifier, token: (user) => issuer.issue(user) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
