/** What a failure means: the one place that tells what trying again may mend, and what only a person can. */
import { EngineError } from './engine-types.js';

/** What the statement was about that failed, as people write it. */
export interface Failed {
  readonly table?: string;
  readonly privilege?: string;
}

/** Part of a transaction could not be done exactly as things stood; it was rolled back, and may work the next time. */
export class TryAgain extends Error {
  override readonly name = 'TryAgain';
  constructor(
    /** What it becomes when trying again did not help. */
    readonly otherwise: EngineError,
  ) {
    super(otherwise.message);
  }
}

/** Somebody holds a lock that a statement waited for as long as it may. */
export class LockTimeout extends Error {
  override readonly name = 'LockTimeout';
  constructor(
    /** PostgreSQL's words, with table and SQLSTATE. */
    readonly reason: string,
    readonly blockers: readonly string[],
  ) {
    super(reason);
  }
}

/** A transaction has taken longer than it should, and was cancelled: the same goes in smaller pieces. */
export class Overrun extends Error {
  override readonly name = 'Overrun';
  constructor(options?: ErrorOptions) {
    super('The transaction took too long and was cancelled', options);
  }
}

const subjects = new WeakMap<object, Failed>();

/** Notes what a statement was about that failed with this error. */
export function noteSubject(error: unknown, about: Failed): void {
  if (typeof error === 'object' && error !== null) subjects.set(error, about);
}

function subjectOf(error: unknown): Failed {
  return (typeof error === 'object' && error !== null && subjects.get(error)) || {};
}

/** `slice`: at once, from the last commit. `caller`: the caller asks again. `never`: not by repetition. */
export type Repetition = 'slice' | 'caller' | 'never';

const CONNECTION_FAULTS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** SQLSTATE of a failure, or Node's code of a network failure. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

const SQLSTATE = /^[0-9A-Z]{5}$/;

/** The SQLSTATE where PostgreSQL gave one. */
export function sqlstateOf(error: unknown): string | undefined {
  const code = codeOf(error);
  return code !== undefined && SQLSTATE.test(code) && !CONNECTION_FAULTS.has(code) ? code : undefined;
}

/** Whether trying the slice again can help, and who does it. */
export function repetitionOf(error: unknown): Repetition {
  if (error instanceof TryAgain) return 'slice';
  if (error instanceof EngineError || error instanceof LockTimeout || error instanceof Overrun)
    return 'never';
  const state = sqlstateOf(error);
  if (state === undefined) {
    // A connection that was lost may be had again at once; one that cannot be made is the caller's to wait for.
    if (isLostConnection(error)) return 'slice';
    return isUnreachable(error) ? 'caller' : 'never';
  }
  if (['40001', '40P01', '57P01', '57P05', '25P03'].includes(state)) return 'slice';
  if (state.startsWith('08')) return 'slice';
  if (isElsewhere(error, state)) return 'caller';
  if (state.startsWith('53') || state.startsWith('57P') || state === '57014' || state === '55P03')
    return 'caller';
  return 'never';
}

/** The connection leads to a server that takes no writes, or a database that takes no connections: while a standby takes over. */
function isElsewhere(error: unknown, sqlstate: string): boolean {
  if (sqlstate === '25006') return true;
  return (
    (sqlstate === '0A000' && /during recovery/.test(messageOf(error))) ||
    (sqlstate === '55000' && /not currently accepting connections/.test(messageOf(error)))
  );
}

function isLostConnection(error: unknown): boolean {
  return (
    ['ECONNRESET', 'EPIPE'].includes(codeOf(error) ?? '') ||
    (error instanceof Error && /^(Connection terminated|Client has encountered)/.test(error.message))
  );
}

function isUnreachable(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isUnreachable);
  return (
    CONNECTION_FAULTS.has(codeOf(error) ?? '') ||
    (error instanceof Error && /timeout (exceeded|expired)/i.test(error.message))
  );
}

/** The error as the engine tells it: what happened, to what, and what a person can do; never a row's values. */
export function engineError(error: unknown): unknown {
  if (error instanceof EngineError) return error;
  if (error instanceof TryAgain) return error.otherwise;
  const sqlstate = sqlstateOf(error);
  const about = subjectOf(error);
  const facts = {
    ...(about.table !== undefined && { table: about.table }),
    ...(sqlstate !== undefined && { sqlstate }),
  };
  const on = about.table === undefined ? '' : ` on ${about.table}`;
  if (sqlstate === undefined) {
    if (!isLostConnection(error) && !isUnreachable(error)) return error;
    return new EngineError(
      'database_unavailable',
      `PostgreSQL cannot be reached (${codeOf(error) ?? 'connection lost'}). Ask again when it answers.`,
      facts,
    );
  }
  const words = `${spoken(error, sqlstate)} (${sqlstate})${on}`;
  if (sqlstate === '42501') return missingPrivilege(error, words, about, sqlstate);
  if (repetitionOf(error) === 'never') {
    return new EngineError('database_error', `PostgreSQL refused: ${words}.`, facts);
  }
  const unavailable = sqlstate.startsWith('08') || sqlstate.startsWith('57P') || isElsewhere(error, sqlstate);
  return new EngineError(
    unavailable ? 'database_unavailable' : 'database_busy',
    `PostgreSQL could not do it now: ${words}. Nothing of it was kept; ask again.`,
    facts,
  );
}

function missingPrivilege(error: unknown, words: string, about: Failed, sqlstate: string): EngineError {
  const [, kind, name] = /^permission denied for (\w+) (.+)$/.exec(messageOf(error)) ?? [];
  const table = about.table ?? name;
  const privilege = about.privilege ?? (kind === 'schema' ? 'USAGE' : undefined);
  const what = privilege === undefined ? 'a privilege' : privilege;
  return new EngineError(
    'privilege_missing',
    `The service's role has not ${what}${table === undefined ? '' : ` on ${table}`}: ${words}. Grant it, and ask again.`,
    {
      ...(table !== undefined && { table }),
      ...(privilege !== undefined && { privilege }),
      sqlstate,
    },
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// Classes of errors whose primary message names objects at most. Others (22: data, P0: raised by somebody's function)
// quote values.
const NAMES_ONLY = /^(08|23|25|28|3D|3F|40|42|53|54|55|57|58)/;

/** PostgreSQL's own words, as far as they hold no values. */
export function spoken(error: unknown, sqlstate: string): string {
  return NAMES_ONLY.test(sqlstate) ? messageOf(error) : 'the server reported an error about a value';
}
