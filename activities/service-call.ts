/** One try of an activity at one service: it heartbeats, keeps its patience, and leaves what happened in the record. */
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { CallAnswer, CallName } from '../protocol/calls.js';
import type { CallOptions, CallParts, ServiceClient } from '../protocol/client.js';
import type { JobView, ServiceError } from '../protocol/jobs.js';
import type { SliceWait } from '../protocol/participant.js';
import { Problem } from '../protocol/problems.js';
import type { Parts } from './dependencies.js';
import { DecisionForbids, failureOf, isTerminal, JobHasEnded, JobWaits } from './failures.js';
import { Patience } from './patience.js';

const HEARTBEAT_EVERY_MS = 500;
const LONGEST_MESSAGE = 1_500;
/** Limit of a call that does not work on rows. */
export const SHORT_CALL_MS = 15_000;

export interface ServiceTry {
  readonly client: ServiceClient;
  readonly patience: Patience;
  /** What heartbeats tell besides. */
  progress?: () => Readonly<Record<string, number>>;
  /** As `ServiceClient.call`, noting that the service was asked. */
  call<N extends CallName>(name: N, parts: CallParts<N>, options?: CallOptions): Promise<CallAnswer<N>>;
  /** Waits a moment before the service is asked again; ends with the activity. */
  pause(ms: number): Promise<void>;
  /** Ends the activity: this cannot go on for ever. */
  giveUp(reason: SliceWait | null, olderTransaction: boolean): Promise<never>;
}

/**
 * Runs `work` as one attempt of this activity at one service. What it throws is kept with the service and leaves as a
 * failure that Temporal retries, or not.
 */
export async function tryService<T>(
  parts: Parts,
  job: JobView,
  service: string,
  work: (attempt: ServiceTry) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  const patience = new Patience(parts.settings, context.info.heartbeatDetails);
  let attempt: ServiceTry | null = null;
  const beat = () => context.heartbeat({ ...attempt?.progress?.(), ...patience.state });
  const heart = setInterval(beat, HEARTBEAT_EVERY_MS);
  beat();
  try {
    const client = parts.client(service);
    attempt = {
      client,
      patience,
      call(name, callParts, options = {}) {
        patience.beforeCall();
        return client.call(name, callParts, {
          signal: context.cancellationSignal,
          requestId: `${job.job_id}.${context.info.activityId}.${context.info.attempt}`,
          ...options,
        });
      },
      pause: (ms) => context.sleep(ms),
      async giveUp(reason, olderTransaction) {
        throw new OutOfPatience(reason, olderTransaction);
      },
    };
    return await work(attempt);
  } catch (error) {
    throw await keep(parts, job, service, patience, error);
  } finally {
    clearInterval(heart);
    // The retry goes on with the patience of this attempt.
    beat();
  }
}

class OutOfPatience extends Error {
  constructor(
    readonly reason: SliceWait | null,
    readonly olderTransaction: boolean,
  ) {
    super('No progress for too long.');
  }
}

async function keep(
  parts: Parts,
  job: JobView,
  service: string,
  patience: Patience,
  thrown: unknown,
): Promise<Error> {
  const context = Context.current();
  if (context.cancellationSignal.aborted) return calledOff(context);
  const ofTheRecord = [DecisionForbids, JobHasEnded, JobWaits].some((kind) => thrown instanceof kind);
  if (ofTheRecord) return failureOf(thrown);
  const waited = thrown instanceof OutOfPatience ? thrown : null;
  const error = waited === null ? thrown : problemOfWait(service, waited.reason);
  const giveUp = waited !== null || patience.failed(error);
  const about = {
    service,
    giveUp,
    olderTransaction: waited?.olderTransaction ?? false,
    longestDelayMs: Math.max(1_000, patience.leftMs),
  };
  if (error instanceof Problem && error.code === 'records_unavailable') return failureOf(error, about);
  const kept = errorToKeep(error, giveUp && !isTerminal(error) && waited === null);
  await parts.tell(job.job_id, { name: service, addAttempts: 1, lastError: kept });
  context.log.warn('a service could not do it', {
    job_id: job.job_id,
    service,
    code: kept.code,
    final: giveUp || isTerminal(error),
    // A fault of our own has to be found; its message stays out of the records.
    ...(error instanceof Problem ? {} : { fault: error instanceof Error ? error.stack : String(error) }),
  });
  return failureOf(error, about);
}

/** By the workflow, which is waiting for it; or because the worker stops, which is nobody's fault: the next one goes on. */
export function calledOff({ cancellationDetails, cancellationSignal }: Context): Error {
  if (cancellationDetails?.cancelRequested) return cancellationSignal.reason as Error;
  return ApplicationFailure.retryable('The worker stops; another one goes on.', 'WorkerStopping');
}

/** What a person needs to know: which statement waits, for which table, because of whom. */
function problemOfWait(service: string, waiting: SliceWait | null): Problem {
  if (waiting === null)
    return new Problem('service_unavailable', `${service} made no progress.`, { service });
  const { reason, blockers } = waiting;
  const by = blockers.length > 0 ? `; blocked by ${blockers.join(', ')}` : '';
  const sqlstate = /\b([0-9A-Z]{5})\)/.exec(reason)?.[1];
  const table = / on ([^\s;,]+)$/.exec(reason)?.[1];
  return new Problem('database_busy', `${reason}${by}`, {
    service,
    ...(sqlstate !== undefined && { sqlstate }),
    ...(table !== undefined && { table }),
  });
}

function errorToKeep(error: unknown, outOfPatience: boolean): ServiceError {
  const problem = error instanceof Problem ? error : null;
  const message = problem?.detail ?? 'A fault of the worker; its log has it.';
  const end = outOfPatience ? ' Nothing has got on for too long, so it was given up.' : '';
  return {
    code: problem?.code ?? 'internal',
    message: `${message}${end}`.slice(0, LONGEST_MESSAGE),
    table: problem?.extras.table ?? null,
    privilege: problem?.extras.privilege ?? null,
    sqlstate: problem?.extras.sqlstate ?? null,
    at: new Date().toISOString(),
  };
}
