/**
 * Service tokens: the platform gives one for each call, naming the service, the action, the tenant and the job, good
 * for a minute at most. What a service has to check stands here once, and in `docs/protocol.md` for other languages.
 */
import { randomUUID } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { READING_ACTIONS, type RequestSubject, TOKEN_ACTIONS, type TokenAction } from './calls.js';
import { jobId, serviceName, tenantId } from './common.js';
import { createKeySource, type KeySourceLimits, type KeysAt } from './key-source.js';
import { SIGNING_ALGORITHM, type SigningKey } from './keys.js';
import { Problem } from './problems.js';
import { refuseEmbeddedKeys, rejected } from './token-refusals.js';

export const SERVICE_TOKEN_TYPE = 'lethe-service+jwt';
/** No service token lives longer. */
export const SERVICE_TOKEN_SECONDS = 60;
const CLOCK_TOLERANCE_SECONDS = 5;

const claimsSchema = z.object({
  iss: z.string(),
  aud: serviceName,
  iat: z.int(),
  exp: z.int(),
  jti: z.string().min(1).max(100),
  action: z.enum(TOKEN_ACTIONS),
  tenant_id: tenantId.optional(),
  job_id: jobId.optional(),
  /** With `staged` or `purged`: an open job that the records do not know, whose archive this one takes over. */
  supersedes_job_id: jobId.optional(),
  /** The user whom the call is about, where it is about one. */
  sub: z.string().min(1).max(200).optional(),
});
export type ServiceTokenClaims = z.infer<typeof claimsSchema>;

/** What a token is asked for. */
export interface ServiceTokenRequest {
  /** The service's name in the registry. */
  readonly audience: string;
  readonly action: TokenAction;
  readonly tenantId?: string | undefined;
  readonly jobId?: string | undefined;
  readonly supersedesJobId?: string | undefined;
  /** The user whom the call is about. */
  readonly subject?: string | undefined;
}

export interface TokenIssuer {
  issue(request: ServiceTokenRequest): Promise<string>;
}

/** Gives service tokens. Whether a token may be given at all is for the caller to know: it follows the decision. */
export function createTokenIssuer(options: {
  readonly key: SigningKey;
  readonly issuer: string;
  readonly lifetimeSeconds?: number;
}): TokenIssuer {
  const lifetime = Math.min(options.lifetimeSeconds ?? SERVICE_TOKEN_SECONDS, SERVICE_TOKEN_SECONDS);
  return {
    issue(request) {
      const now = Math.floor(Date.now() / 1_000);
      const claims = {
        action: request.action,
        ...(request.tenantId !== undefined && { tenant_id: request.tenantId }),
        ...(request.jobId !== undefined && { job_id: request.jobId }),
        ...(request.supersedesJobId !== undefined && { supersedes_job_id: request.supersedesJobId }),
        ...(request.subject !== undefined && { sub: request.subject }),
      };
      return new SignJWT(claims)
        .setProtectedHeader({ alg: SIGNING_ALGORITHM, typ: SERVICE_TOKEN_TYPE, kid: options.key.kid })
        .setIssuer(options.issuer)
        .setAudience(request.audience)
        .setIssuedAt(now)
        .setExpirationTime(now + lifetime)
        .setJti(randomUUID())
        .sign(options.key.privateKey);
    },
  };
}

export interface TokenVerifier {
  /** The claims of a token of this service; throws `unauthenticated`, or `keys_unavailable`. */
  verify(token: string): Promise<ServiceTokenClaims>;
}

/** Checks service tokens for one service. */
export function createTokenVerifier(options: {
  readonly jwks: KeysAt;
  readonly issuer: string;
  /** This service's name in the registry. */
  readonly audience: string;
  readonly keys?: Partial<KeySourceLimits>;
}): TokenVerifier {
  const keys = createKeySource(options.jwks, options.keys);
  return {
    async verify(token) {
      try {
        refuseEmbeddedKeys(token);
        const { payload } = await jwtVerify(token, keys, {
          algorithms: [SIGNING_ALGORITHM],
          typ: SERVICE_TOKEN_TYPE,
          issuer: options.issuer,
          audience: options.audience,
          maxTokenAge: SERVICE_TOKEN_SECONDS,
          clockTolerance: CLOCK_TOLERANCE_SECONDS,
          requiredClaims: ['exp', 'iat', 'jti', 'action'],
        });
        const claims = claimsSchema.parse(payload);
        if (claims.exp - claims.iat > SERVICE_TOKEN_SECONDS) {
          throw new Problem(
            'unauthenticated',
            `The token lives longer than ${SERVICE_TOKEN_SECONDS} seconds.`,
          );
        }
        return claims;
      } catch (error) {
        throw rejected(error);
      }
    },
  };
}

/**
 * Throws `forbidden` where a valid token does not allow this request. Action and tenant have to be the same; the
 * job, too, except that a token for reading which names no job reads any job of its tenant.
 */
export function assertTokenAllows(claims: ServiceTokenClaims, wanted: RequestSubject): void {
  const refuse = (what: string): never => {
    throw new Problem('forbidden', `The token is for another ${what} than the request.`);
  };
  if (claims.action !== wanted.action) refuse('action');
  if (wanted.tenantId !== null && claims.tenant_id !== wanted.tenantId) refuse('tenant');
  if (wanted.userId !== null && claims.sub !== wanted.userId) refuse('user');
  const reads = (READING_ACTIONS as readonly TokenAction[]).includes(wanted.action);
  const anyJob = reads && claims.job_id === undefined;
  if (wanted.jobId !== null && !anyJob && claims.job_id !== wanted.jobId) refuse('job');
}
