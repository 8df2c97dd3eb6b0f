/** Prisma's errors on the wire. */
import { Problem } from '../../protocol/problems.js';

const BUSY = new Set(['40001', '40P01', '53200', '55P03', '57014']);
const AWAY = /^(08|57P|53300$|3D000$|28)/;
/** Prisma's codes where PostgreSQL gave none: cannot connect, closed, no connection free, transaction timed out. */
const PRISMA_AWAY = new Set(['P1000', 'P1001', 'P1002', 'P1003', 'P1008', 'P1011', 'P1017']);
const PRISMA_BUSY = new Set(['P2024', 'P2028', 'P2034']);

interface PrismaError {
  readonly code?: unknown;
  readonly meta?: {
    readonly driverAdapterError?: {
      readonly cause?: { readonly originalCode?: unknown; readonly originalMessage?: unknown };
    };
  };
}

/** PostgreSQL's code of what Prisma threw. */
export function sqlstateOf(error: unknown): string | null {
  const code = (error as PrismaError | null)?.meta?.driverAdapterError?.cause?.originalCode;
  return typeof code === 'string' ? code : null;
}

/** What a repetition may mend becomes retryable, what it cannot becomes terminal; anything else stays as it is. */
export function problemOfPrisma(error: unknown): unknown {
  if (error instanceof Problem) return error;
  const { code } = (error ?? {}) as PrismaError;
  if (typeof code !== 'string' || !/^P\d{4}$/.test(code)) return error;
  const sqlstate = sqlstateOf(error);
  const problem = sqlstate === '42501' ? missingPrivilege(error) : problemOf(sqlstate, code);
  problem.cause = error;
  return problem;
}

function problemOf(sqlstate: string | null, code: string): Problem {
  if (sqlstate === null ? PRISMA_AWAY.has(code) : AWAY.test(sqlstate)) {
    return new Problem('database_unavailable', "The tenant directory's database cannot be reached.", {}, 2);
  }
  if (sqlstate === null ? PRISMA_BUSY.has(code) : BUSY.has(sqlstate)) {
    const detail = 'The database could not do it now and rolled it back; the same request again may succeed.';
    return new Problem('database_busy', detail, sqlstate === null ? {} : { sqlstate }, 1);
  }
  const name = sqlstate ?? code;
  return new Problem('database_error', `The database refused a statement (${name}).`, {
    ...(sqlstate !== null && { sqlstate }),
  });
}

function missingPrivilege(error: unknown): Problem {
  const message = (error as PrismaError).meta?.driverAdapterError?.cause?.originalMessage;
  const table = /^permission denied for table (\w+)$/.exec(typeof message === 'string' ? message : '')?.[1];
  const on = table === undefined ? '' : ` on ${table}`;
  return new Problem(
    'privilege_missing',
    `The role of the tenant service lacks a privilege${on} (42501). The preview names it; grant it, and ask again.`,
    { sqlstate: '42501', ...(table !== undefined && { table }) },
  );
}
