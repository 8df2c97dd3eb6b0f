/**
 * Makes runs and ledgers agree with the records, whatever happened to Temporal or to a service's database: terminate,
 * reset, an outage, a backup that came back. None of our code runs when these happen, so it looks around now and then.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceClient } from '../protocol/client.js';
import { hasEnded, type JobView } from '../protocol/jobs.js';
import type { LedgerState, Manifest } from '../protocol/participant.js';
import { Problem } from '../protocol/problems.js';
import type { JobRuns } from './runs.js';
import type { AuditEvent, Records } from './types.js';

/** A job that a service's ledger holds open. */
export interface OpenInLedger {
  readonly tenantId: string;
  readonly jobId: string;
  readonly state: LedgerState;
}

export interface ReconcilerOptions {
  readonly records: Pick<
    Records,
    | 'openJobs'
    | 'heldBack'
    | 'replaysAskedFor'
    | 'releasesUnderWay'
    | 'getJob'
    | 'auditOnce'
    | 'withAdvisoryLock'
  >;
  readonly runs: JobRuns;
  readonly services: readonly ServiceClient[];
  /** Drives a job that has ended one slice further towards its decision at this service; true where it is there. */
  readonly settle: (service: ServiceClient, open: OpenInLedger) => Promise<boolean>;
  readonly everyMs: number;
  readonly logger: {
    info(facts: object, message: string): void;
    warn(facts: object, message: string): void;
  };
}

export interface Reconciler {
  /** Looks around once; null where another process is at it. */
  runOnce(): Promise<Reconciled | null>;
  /** At once, and then again and again. */
  start(): void;
  stop(): Promise<void>;
}

export interface Reconciled {
  readonly started: readonly string[];
  readonly cancelled: readonly string[];
  readonly settled: number;
}

const LOCK = 'reconciler';
const AT_ONCE = 8;
const MANIFEST_WITHIN_MS = 10_000;
/** A ledger with many such jobs gets through them over several rounds. */
const MOST_PER_ROUND = 20;

export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { records, runs, services, settle, everyMs, logger } = options;
  const stopping = new AbortController();
  /** Steps of people that stand in the audit trail for sure. */
  const noted = new Set<string>();
  let loop: Promise<void> = Promise.resolve();

  async function reconcileRun(job: JobView): Promise<'started' | 'cancelled' | null> {
    const run = await runs.find(job);
    if (run.kind === 'none') {
      // It may have ended since it was listed.
      if (hasEnded((await records.getJob(job.job_id)).status)) return null;
      await runs.start(job);
      logger.info({ job_id: job.job_id }, 'An open job had no run; one was started.');
      return 'started';
    }
    if (run.kind === 'foreign') return null;
    const waitsForOtherDate = run.waitsUntil !== null && run.waitsUntil !== job.start_at;
    if (job.decision === null && waitsForOtherDate) await runs.wake(job, 'rescheduled');
    const over = await gateWaitOver(job);
    if (over !== null) await runs.wake(job, over);
    if (job.decision !== 'abort' || job.abort_cause !== 'cancel' || run.cancelRequested) return null;
    await runs.requestCancel(job);
    return 'cancelled';
  }

  /** What the job waited for at the gate, where that is over and its run does not know: Temporal was away. */
  async function gateWaitOver(job: JobView): Promise<'approval' | 'hold' | 'halt' | null> {
    const kind = job.status === 'waiting' ? job.waiting_for?.kind : undefined;
    if (kind !== 'approval' && kind !== 'hold' && kind !== 'halt') return null;
    if (job.decision !== null) return kind;
    if (kind === 'approval') return isApproved(job) ? kind : null;
    return (await records.heldBack(job.job_id)).waitingFor?.kind === kind ? null : kind;
  }

  async function reconcileRuns(): Promise<Pick<Reconciled, 'started' | 'cancelled'>> {
    const started: string[] = [];
    const cancelled: string[] = [];
    const waiting = [...(await records.openJobs())];
    const next = async (): Promise<void> => {
      for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
        if (stopping.signal.aborted) return;
        const done = await alone(job, reconcileRun);
        if (done === 'started') started.push(job.job_id);
        if (done === 'cancelled') cancelled.push(job.job_id);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
    // Asked for while Temporal was away: the record keeps the wish until the run has taken it up.
    for (const job of await records.replaysAskedFor()) await alone(job, (one) => runs.wake(one, 'replay'));
    for (const { release_id: releaseId } of await records.releasesUnderWay()) {
      await runs.startRelease(releaseId).catch((error: unknown) => {
        const facts = { release_id: releaseId, reason: reasonOf(error) };
        logger.warn(facts, 'A release was not begun; it is tried again.');
      });
    }
    return { started, cancelled };
  }

  /** What goes wrong with one job is no reason to leave the others alone. */
  async function alone<T>(job: JobView, work: (job: JobView) => Promise<T>): Promise<T | null> {
    try {
      return await work(job);
    } catch (error) {
      const facts = { job_id: job.job_id, reason: reasonOf(error) };
      logger.warn(facts, 'The run of a job was not compared with its record; it is tried again.');
      return null;
    }
  }

  async function reconcileLedger(service: ServiceClient): Promise<number> {
    const manifest = await service.call('manifest', { params: {} }, { timeoutMs: MANIFEST_WITHIN_MS });
    await noteBreakGlass(service.service.name, manifest);
    let settled = 0;
    for (const open of manifest.open_jobs.slice(0, MOST_PER_ROUND)) {
      if (stopping.signal.aborted) break;
      const { tenant_id: tenantId, job_id: jobId, state } = open;
      const ended = await hasEndedFor(jobId, tenantId);
      if (ended !== true) {
        if (ended === null) {
          const facts = { job_id: jobId, service: service.service.name, state };
          logger.warn(facts, 'A ledger holds a job open that the records do not know.');
        }
        continue;
      }
      if (await settle(service, { tenantId, jobId, state })) settled += 1;
    }
    return settled;
  }

  /** What somebody did at a service without the platform stands in the audit trail, once. */
  async function noteBreakGlass(service: string, { break_glass = [] }: Manifest): Promise<void> {
    for (const { tenant_id: tenantId, job_id: jobId, ...step } of break_glass) {
      const known = `${service} ${jobId} ${step.target} ${step.at}`;
      if (noted.has(known)) continue;
      const event: AuditEvent = {
        jobId: null,
        tenantId,
        actor: { kind: 'system', id: service, role: 'participant' },
        action: 'gone round',
        details: { service, job_id: jobId, ...step },
      };
      if (await records.auditOnce(event)) {
        const facts = { job_id: jobId, service, target: step.target };
        logger.warn(facts, 'Somebody took a step at a service without the platform.');
      }
      noted.add(known);
    }
  }

  /** Null where the records do not know the job. */
  async function hasEndedFor(jobId: string, tenantId: string): Promise<boolean | null> {
    try {
      const job = await records.getJob(jobId);
      return job.tenant_id === tenantId ? hasEnded(job.status) : null;
    } catch (error) {
      if (error instanceof Problem && error.code === 'job_unknown') return null;
      throw error;
    }
  }

  async function reconcileLedgers(): Promise<number> {
    const participants = services.filter(({ service }) => service.role === 'participant');
    const counts = await Promise.all(
      participants.map((service) =>
        reconcileLedger(service).catch((error: unknown) => {
          // A simple participant may have no manifest; one that is away is asked again at the next round.
          if (!(error instanceof Problem && error.code === 'route_unknown')) {
            logger.warn({ service: service.service.name, reason: reasonOf(error) }, 'A ledger was not read.');
          }
          return 0;
        }),
      ),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async function lookAround(): Promise<Reconciled> {
    const [found, settled] = await Promise.all([reconcileRuns(), reconcileLedgers()]);
    return { ...found, settled };
  }

  async function again(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await records.withAdvisoryLock(LOCK, lookAround);
      } catch (error) {
        logger.warn({ reason: reasonOf(error) }, 'Runs and records were not compared; it is tried again.');
      }
      await sleep(everyMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  return {
    runOnce: () => records.withAdvisoryLock(LOCK, lookAround),
    start() {
      loop = again();
    },
    async stop() {
      stopping.abort();
      await loop;
    },
  };
}

function isApproved({ approvals, approval_hash: hash }: JobView): boolean {
  return approvals.some(
    (said) =>
      said.approval_hash === hash && said.expires_at !== null && Date.parse(said.expires_at) > Date.now(),
  );
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
