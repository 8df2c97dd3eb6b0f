/** Why a token is refused, in words that help its holder and tell an attacker nothing. */
import { decodeProtectedHeader, errors } from 'jose';
import { ZodError } from 'zod';
import { Problem } from './problems.js';

const EMBEDDED = ['jku', 'x5u', 'jwk', 'x5c'] as const;

/** Keys come from configuration alone: a token that brings or points to its own is refused. */
export function refuseEmbeddedKeys(token: string): void {
  const header = decodeProtectedHeader(token);
  if (EMBEDDED.some((name) => name in header)) {
    throw new Problem('unauthenticated', 'The token brings its own key (jku, x5u, x5c or jwk).');
  }
  if (typeof header.kid !== 'string') {
    throw new Problem('unauthenticated', 'The token does not say which key signed it (kid).');
  }
}

/** Turns what checking a token threw into `unauthenticated`; what is no fault of the token is left as it is. */
export function rejected(error: unknown): unknown {
  if (error instanceof Problem) return error;
  if (error instanceof errors.JWTExpired) return refusal('The token has expired.');
  if (error instanceof errors.JWTClaimValidationFailed) {
    return refusal(`The token's "${error.claim}" is missing or not the one expected here.`);
  }
  if (error instanceof ZodError) {
    return refusal(`The token's "${error.issues[0]?.path.join('.') ?? ''}" is missing or malformed.`);
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return refusal("The token's algorithm is not accepted here.");
  if (error instanceof errors.JWKSNoMatchingKey) return refusal('The token was signed with an unknown key.');
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return refusal("The token's signature does not hold.");
  }
  // jose reports what cannot be decoded at all as a TypeError.
  if (error instanceof errors.JOSEError || error instanceof TypeError) {
    return refusal('The token cannot be read.');
  }
  return error;
}

function refusal(detail: string): Problem {
  return new Problem('unauthenticated', detail);
}
