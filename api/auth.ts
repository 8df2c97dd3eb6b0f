/** Reads the caller off the request's bearer token, before any route runs. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem } from '../protocol/problems.js';
import type { Actor } from '../records/types.js';
import type { Caller, User } from './dependencies.js';
import { type Standing, staffStandings } from './rights.js';

const callers = new WeakMap<FastifyRequest, Caller>();

/** Every route registered after this one demands a valid token. */
export function demandToken(app: FastifyInstance, verifyUser: (token: string) => Promise<User>): void {
  // After onRequest, where requests are counted, so that guessing is limited; before the body is read.
  app.addHook('preParsing', async (request) => {
    const [scheme, token, rest] = (request.headers.authorization ?? '').split(' ');
    if (scheme?.toLowerCase() !== 'bearer' || !token || rest !== undefined) {
      throw new Problem('unauthenticated', 'Send a token: Authorization: Bearer ….');
    }
    callers.set(request, { ...(await verifyUser(token)), requestId: request.id });
  });
}

/** The caller of an authenticated request. */
export function callerOf(request: FastifyRequest): Caller {
  const caller = callers.get(request);
  if (!caller) throw new Error('A route without authentication asked for its caller.');
  return caller;
}

/** The caller as the audit knows it: by what it was found to be to a tenant, or else by the token alone. */
export function actorOf(
  request: FastifyRequest,
  standings: readonly Standing[] = staffStandings(callerOf(request)),
): Actor & { readonly requestId: string } {
  const role = standings.length > 0 ? standings.join('+') : 'user';
  return { kind: 'user', id: callerOf(request).id, role, requestId: request.id };
}

/** The caller where there is one; for the audit of refusals. */
export function knownCaller(request: FastifyRequest): Actor | null {
  return callers.has(request) ? actorOf(request) : null;
}
