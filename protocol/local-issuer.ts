/** An issuer of user tokens for laptops and tests. It refuses to run in production. */
import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { SIGNING_ALGORITHM, type SigningKey } from './keys.js';
import type { PlatformRole, TenantRole, UserTokenIssuer } from './user-tokens.js';

export const LOCAL_USER_TOKEN_TYPE = 'lethe-user+jwt';
export const LOCAL_ISSUER = 'lethe-local';
export const LOCAL_AUDIENCE = 'lethe-api';

/** The entry for `TOKEN_ISSUERS_FILE` that accepts this issuer's tokens. */
export function localIssuerEntry(jwksFile: string): UserTokenIssuer {
  return {
    issuer: LOCAL_ISSUER,
    audience: LOCAL_AUDIENCE,
    algorithms: [SIGNING_ALGORITHM],
    jwks_file: jwksFile,
    types: [LOCAL_USER_TOKEN_TYPE],
    roles_claim: 'roles',
    tenants_claim: 'tenants',
    max_age: '24h',
    local: true,
  };
}

export interface LocalUser {
  readonly userId: string;
  readonly roles?: readonly PlatformRole[];
  readonly tenants?: Readonly<Record<string, TenantRole>>;
  readonly lifetimeSeconds?: number;
}

/** Gives user tokens to whoever asks, which is why it throws in production. */
export function createLocalUserIssuer(options: { readonly key: SigningKey; readonly production: boolean }): {
  issue(user: LocalUser): Promise<string>;
} {
  if (options.production) {
    throw new Error(
      'The local token issuer does not run in production; configure a real one (TOKEN_ISSUERS_FILE).',
    );
  }
  return {
    issue({ userId, roles = [], tenants, lifetimeSeconds = 8 * 3_600 }) {
      const now = Math.floor(Date.now() / 1_000);
      return new SignJWT({ roles, ...(tenants && { tenants }) })
        .setProtectedHeader({ alg: SIGNING_ALGORITHM, typ: LOCAL_USER_TOKEN_TYPE, kid: options.key.kid })
        .setIssuer(LOCAL_ISSUER)
        .setAudience(LOCAL_AUDIENCE)
        .setSubject(userId)
        .setIssuedAt(now)
        .setExpirationTime(now + lifetimeSeconds)
        .setJti(randomUUID())
        .sign(options.key.privateKey);
    },
  };
}
