/** What both servers write into their logs of a request, and what they leave out. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/**
 * An error as a log may hold it: name, code and stack alone. What a database adds to its errors (`detail`, `where`)
 * quotes rows.
 */
export function plainError(error: unknown): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code } = error as { code?: unknown };
  return {
    type: error.name,
    ...(typeof code === 'string' && { code }),
    stack: error.stack,
    ...(error.cause instanceof Error && { cause: plainError(error.cause) }),
  };
}

/** The caller's request id where it is harmless, so that two logs can be read together; else one of our own. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && /^[\w.-]{1,100}$/.test(given) ? given : randomUUID();
}
