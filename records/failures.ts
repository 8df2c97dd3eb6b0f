/** The one place that tells what a failure of the database means to the caller. */
import { Problem } from '../protocol/problems.js';

const RETRY_AFTER_SECONDS = 2;

/** Prisma's codes for: not reachable, timed out, connection closed, no connection free, gave way to another. */
const AWAY_IN_PRISMA = new Set([
  'P1000',
  'P1001',
  'P1002',
  'P1003',
  'P1008',
  'P1010',
  'P1011',
  'P1017',
  'P2024',
  'P2028',
  'P2034',
  'P2037',
]);
/** PostgreSQL's classes: connection, refused connection, resources, intervention; and what gave way to another. */
const AWAY_IN_POSTGRES = /^(08|28|3D|53|57|58)...$|^(40001|40P01|55P03|25P03)$/;
const AWAY_IN_NODE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'ETIMEDOUT',
  'EPIPE',
  'EAI_AGAIN',
  'ENOENT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
// pg gives these no code.
// The last one has a code that means other things elsewhere: whoever may not connect has no database.
const AWAY_IN_WORDS =
  /connection terminated|connection ended|timeout exceeded when trying to connect|timeout expired|client was closed|not queryable|connection timeout|the database system is|permission denied for database/i;
/** Kinds of the driver adapter's errors. */
const AWAY_IN_ADAPTER = new Set([
  'DatabaseNotReachable',
  'DatabaseDoesNotExist',
  'DatabaseAccessDenied',
  'AuthenticationFailed',
  'ConnectionClosed',
  'SocketTimeout',
  'TooManyConnections',
  'TransactionWriteConflict',
  'TlsConnectionError',
]);

/**
 * Runs `work`; while the database is away, or does not answer within `patienceMs`, it throws `records_unavailable`.
 * Every other error stays as it is.
 */
export async function failuresAsProblems<T>(work: () => Promise<T>, patienceMs: number): Promise<T> {
  try {
    return await answeredWithin(work(), patienceMs);
  } catch (error) {
    if (error instanceof Problem || !isAway(error)) throw error;
    const problem = new Problem(
      'records_unavailable',
      'The records cannot be reached. Nothing is lost; ask again shortly.',
      {},
      RETRY_AFTER_SECONDS,
    );
    problem.cause = error;
    throw problem;
  }
}

// A peer that vanished without a word is noticed by nobody else for a quarter of an hour. What was asked may still be
// done then: to the caller that is an answer that was lost, and every write may be repeated.
async function answeredWithin<T>(work: Promise<T>, patienceMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const late = new Error(`The database gave no answer in ${patienceMs} ms.`);
      reject(Object.assign(late, { code: 'ETIMEDOUT' }));
    }, patienceMs);
  });
  try {
    return await Promise.race([work, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** Looks through an error, its causes and what Prisma wraps into it. */
function isAway(error: unknown, depth = 0): boolean {
  if (typeof error !== 'object' || error === null || depth > 5) return false;
  const { code, originalCode, kind, message, cause, meta, errorCode } = error as Record<string, unknown>;
  if ([code, originalCode, errorCode].some(isAwayCode)) return true;
  if (typeof kind === 'string' && AWAY_IN_ADAPTER.has(kind)) return true;
  if (typeof message === 'string' && AWAY_IN_WORDS.test(message)) return true;
  if (isAway(cause, depth + 1)) return true;
  const wrapped = typeof meta === 'object' && meta !== null ? (meta as Record<string, unknown>) : {};
  return isAway(wrapped.driverAdapterError, depth + 1);
}

function isAwayCode(code: unknown): boolean {
  if (typeof code !== 'string') return false;
  return AWAY_IN_PRISMA.has(code) || AWAY_IN_NODE.has(code) || AWAY_IN_POSTGRES.test(code);
}
