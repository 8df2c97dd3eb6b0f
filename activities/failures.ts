/** The one place where an error becomes retryable or not, and where what Temporal keeps of it is cut to what it may know. */
import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import type { Decision } from '../protocol/jobs.js';
import { PROBLEMS, Problem, type ProblemCode } from '../protocol/problems.js';
import { FAILURE_DECIDED, FAILURE_JOB_ENDED, FAILURE_WAITS } from '../protocol/workflow.js';
import type { Fault } from './types.js';

/** The decision, or that there is none yet, forbids what was about to be done. */
export class DecisionForbids extends Error {
  override readonly name = 'DecisionForbids';
  constructor(
    readonly action: string,
    readonly decision: Decision | null,
  ) {
    super(
      decision === null
        ? `There is no decision yet, so nothing may be ${action}.`
        : `The decision is ${decision}: nothing may be ${action} any more.`,
    );
  }
}

/** The job has its end; whoever still works on it reads the record and stops. */
export class JobHasEnded extends Error {
  override readonly name = 'JobHasEnded';
}

/** A hold or the halt stands: nothing more is staged until it is over. The run waits, and tries the step again. */
export class JobWaits extends Error {
  override readonly name = 'JobWaits';
}

export interface FailureOptions {
  readonly service?: string;
  /** Patience has run out: what would be retried is not, and the workflow decides. */
  readonly giveUp?: boolean;
  readonly olderTransaction?: boolean;
  /** No retry is due later than this. */
  readonly longestDelayMs?: number;
}

/** Any error as Temporal is told of it. What a service said in words stays in the record. */
export function failureOf(error: unknown, options: FailureOptions = {}): Error {
  if (error instanceof TemporalFailure) return error;
  if (error instanceof DecisionForbids)
    return ApplicationFailure.nonRetryable(error.message, FAILURE_DECIDED);
  if (error instanceof JobHasEnded) return ApplicationFailure.nonRetryable(error.message, FAILURE_JOB_ENDED);
  if (error instanceof JobWaits) return ApplicationFailure.nonRetryable(error.message, FAILURE_WAITS);
  const fault = faultOf(error, options);
  const retryInMs = error instanceof Problem ? (error.retryAfterSeconds ?? 0) * 1_000 : 0;
  return ApplicationFailure.create({
    type: fault.code,
    message: describeFault(fault),
    nonRetryable: options.giveUp === true || isTerminal(error),
    details: [fault],
    ...(retryInMs > 0 && { nextRetryDelay: Math.min(retryInMs, options.longestDelayMs ?? retryInMs) }),
  });
}

/** Whether no repetition mends it. What is not known, a fault of our own too, is tried again. */
export function isTerminal(error: unknown): boolean {
  return error instanceof Problem && error.retry === 'terminal';
}

/** The tenant is not there any more, so what was asked for is done. */
export function isGone(error: unknown): boolean {
  return error instanceof Problem && (error.code === 'tenant_unknown' || error.code === 'already_erased');
}

export function faultOf(error: unknown, options: FailureOptions = {}): Fault {
  const problem = error instanceof Problem ? error : null;
  const { service, table, privilege, sqlstate } = problem?.extras ?? {};
  return {
    service: options.service ?? identifier(service, 40),
    code: problem?.code ?? 'internal',
    table: identifier(table, 130),
    privilege: identifier(privilege, 40),
    sqlstate: identifier(sqlstate, 5),
    olderTransaction: options.olderTransaction ?? false,
  };
}

/** `orders: The database role lacks a privilege (privilege_missing, DELETE, on orders.orders)`. */
export function describeFault({ service, code, table, privilege, sqlstate }: Fault): string {
  const title = code in PROBLEMS ? PROBLEMS[code as ProblemCode].title : 'The deletion is refused';
  const facts = [code, privilege, sqlstate, table === null ? null : `on ${table}`].filter(
    (fact) => fact !== null,
  );
  return `${service ?? 'the platform'}: ${title} (${facts.join(', ')})`;
}

// Services are not trusted to keep to names here.
export function identifier(text: string | null | undefined, longest: number): string | null {
  if (text === null || text === undefined) return null;
  return /^[\w ."$-]+$/.test(text) ? text.slice(0, longest) : null;
}
