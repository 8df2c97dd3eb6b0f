/** Tokens of people: from the issuers in configuration, checked by the API. */
import { decodeJwt, type JWTPayload, jwtVerify } from 'jose';
import { z } from 'zod';
import { tenantId } from './common.js';
import { parseDuration } from './duration.js';
import { createKeySource, type KeysAt } from './key-source.js';
import { Problem } from './problems.js';
import { refuseEmbeddedKeys, rejected } from './token-refusals.js';

/** Roles of the platform; a tenant's owner and admins are known from the directory, or from the claim `tenants`. */
export const PLATFORM_ROLES = ['operator', 'approver', 'auditor'] as const;
export type PlatformRole = (typeof PLATFORM_ROLES)[number];
export const tenantRole = z.enum(['owner', 'admin']);
export type TenantRole = z.infer<typeof tenantRole>;

/** Asymmetric ones only: whoever checks a token must not be able to make one. */
const ALGORITHMS = [
  'EdDSA',
  'Ed25519',
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
] as const;

const claimPath = z.string().min(1).max(200);

/** One entry of the file that `TOKEN_ISSUERS_FILE` names. */
export const tokenIssuer = z
  .strictObject({
    issuer: z.string().min(1),
    audience: z.string().min(1),
    algorithms: z.array(z.enum(ALGORITHMS)).min(1),
    jwks_uri: z.url({ protocol: /^https?$/ }).optional(),
    jwks_file: z.string().min(1).optional(),
    /** The header `typ` that this issuer's access tokens have. */
    types: z.array(z.string().min(1)).min(1).default(['at+jwt', 'JWT']),
    /** Where the roles stand; a path with dots, e.g. `realm_access.roles`. */
    roles_claim: claimPath.default('roles'),
    /** Where there is no directory: `{"<tenant_id>": "owner" | "admin"}`. */
    tenants_claim: claimPath.default('tenants'),
    /** No token of this issuer is taken when it is older. */
    max_age: z
      .string()
      .refine((written) => parseDuration(written) !== null, 'should be a duration such as 30m or 12h')
      .default('24h'),
    /** An issuer for laptops; refused in production. */
    local: z.boolean().default(false),
  })
  .refine((entry) => (entry.jwks_uri === undefined) !== (entry.jwks_file === undefined), {
    error: 'has either jwks_uri or jwks_file',
    path: ['jwks_uri'],
  });
export type UserTokenIssuer = z.infer<typeof tokenIssuer>;

export const tokenIssuers = z
  .array(tokenIssuer)
  .min(1, 'names at least one issuer')
  .refine((entries) => new Set(entries.map((entry) => entry.issuer)).size === entries.length, {
    error: 'names an issuer twice',
  });

/** Who asks. */
export interface UserIdentity {
  readonly userId: string;
  readonly issuer: string;
  readonly roles: readonly PlatformRole[];
  /** From the claim; to be believed only where there is no directory. */
  readonly tenants: ReadonlyMap<string, TenantRole>;
}

export interface UserTokenVerifier {
  /** Throws `unauthenticated`, or `keys_unavailable`. */
  verify(token: string): Promise<UserIdentity>;
}

/** Where an issuer's keys are; tests and single processes may bring them along. */
export type IssuerKeys = (issuer: UserTokenIssuer) => KeysAt;

const keysAsConfigured: IssuerKeys = ({ jwks_uri, jwks_file }) =>
  jwks_uri === undefined ? (jwks_file ?? '') : new URL(jwks_uri);

/** An issuer that gives tokens to whoever asks, where that must not be. */
export class LocalIssuerError extends Error {
  override readonly name = 'LocalIssuerError';
}

/** Checks tokens of the configured issuers. Throws at once where a local issuer is configured in production. */
export function createUserTokenVerifier(options: {
  readonly issuers: readonly UserTokenIssuer[];
  readonly production: boolean;
  readonly keysOf?: IssuerKeys;
}): UserTokenVerifier {
  const { issuers, production, keysOf = keysAsConfigured } = options;
  const local = issuers.find((issuer) => issuer.local);
  if (production && local) {
    throw new LocalIssuerError(
      `The token issuer ${local.issuer} is a local one and not for production; take it out of TOKEN_ISSUERS_FILE.`,
    );
  }
  const known = new Map(
    issuers.map((entry) => [entry.issuer, { entry, keys: createKeySource(keysOf(entry)) }]),
  );
  return {
    async verify(token) {
      try {
        refuseEmbeddedKeys(token);
        // Read unchecked only to choose whose keys to check it with.
        const found = known.get(decodeJwt(token).iss ?? '');
        if (found === undefined) throw new Problem('unauthenticated', 'The token is of an unknown issuer.');
        const { entry, keys } = found;
        const { payload, protectedHeader } = await jwtVerify(token, keys, {
          algorithms: [...entry.algorithms],
          issuer: entry.issuer,
          audience: entry.audience,
          maxTokenAge: (parseDuration(entry.max_age) ?? 0) / 1_000,
          clockTolerance: 5,
          requiredClaims: ['exp', 'iat', 'sub'],
        });
        if (!isOfType(protectedHeader.typ, entry.types)) {
          throw new Problem('unauthenticated', 'The token is of another kind than a user token.');
        }
        return identityOf(payload, entry);
      } catch (error) {
        throw rejected(error);
      }
    },
  };
}

function isOfType(found: string | undefined, allowed: readonly string[]): boolean {
  const plain = (typ: string) => typ.toLowerCase().replace(/^application\//, '');
  return found !== undefined && allowed.some((typ) => plain(typ) === plain(found));
}

const subject = z.string().min(1).max(200);
const tenantsClaim = z.record(tenantId, tenantRole);

function identityOf(payload: JWTPayload, entry: UserTokenIssuer): UserIdentity {
  const roles = at(payload, entry.roles_claim);
  const named = typeof roles === 'string' ? roles.split(' ') : Array.isArray(roles) ? roles : [];
  const tenants = tenantsClaim.safeParse(at(payload, entry.tenants_claim));
  return {
    userId: subject.parse(payload.sub),
    issuer: entry.issuer,
    roles: PLATFORM_ROLES.filter((role) => named.includes(role)),
    tenants: new Map(tenants.success ? Object.entries(tenants.data) : []),
  };
}

/** A claim by its path; a name that itself has dots (a URL, as some issuers use) is found first. */
function at(payload: JWTPayload, path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path];
  return path.split('.').reduce<unknown>((value, key) => {
    const inside = typeof value === 'object' && value !== null && Object.hasOwn(value, key);
    return inside ? (value as Record<string, unknown>)[key] : undefined;
  }, payload);
}
