/** One run's hold on its job: what it knows, what it shows, and what can interrupt it. */
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  defineQuery,
  defineUpdate,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { DecisionState, Fault, JobState, LeftOut } from '../activities/types.js';
import type { AbortCause, JobPhase, JobStatus, WaitingFor } from '../protocol/jobs.js';
import { type DeleteTenantInput, QUERY_STATUS, UPDATE_WAKE, type WakeUpdate } from '../protocol/workflow.js';
import { DecisionStands, faultIn, meaningOf } from './errors.js';
import { readJob, show } from './in-place.js';
import { records } from './proxies.js';
import { showFailedServices, showStatus } from './search-attributes.js';
import { describeFaults, renderDetails, type SagaView } from './state.js';

const statusQuery = defineQuery<SagaView>(QUERY_STATUS);
const wakeUpdate = defineUpdate<void, [WakeUpdate]>(UPDATE_WAKE);

/** What a step shows; what is left out stays as it is. */
export interface Shown {
  readonly status?: JobStatus;
  readonly phase?: JobPhase;
  readonly waitingFor?: WaitingFor | null;
  readonly outcome?: string | null;
}

export class Saga {
  readonly jobId: string;
  /** Why it goes back. */
  readonly faults: Fault[] = [];
  /** Services that steps of this run were left out at. */
  private readonly leftOut = new Set<string>();

  private job: JobState | null = null;
  private standing: DecisionState | null = null;
  private number = 0;
  /** What steps write of their waiting counts as part of the phase: later than what came before, earlier than the rest. */
  private phaseNumber = 0;
  private wakes = 0;
  private cancelled = false;
  private reversible: CancellationScope | null = null;
  private view: SagaView;

  constructor({ job_id }: DeleteTenantInput) {
    this.jobId = job_id;
    this.view = {
      job_id,
      status: 'pending',
      phase: 'open',
      decision: null,
      waiting_for: null,
      attention: [],
      cancel_ignored: false,
    };
    setHandler(statusQuery, () => this.view);
    const wake = () => {
      this.wakes += 1;
    };
    setHandler(wakeUpdate, wake, {
      validator: ({ job_id: meant }) => {
        if (meant !== job_id) throw new Error(`This run is of job ${job_id}, not of ${meant}.`);
      },
    });
    // No step is interrupted by a cancel request, which may come before the first one: it becomes a decision.
    CancellationScope.current().cancelRequested.catch(() =>
      CancellationScope.nonCancellable(() => this.cancelAsked()),
    );
  }

  /** As last read: for what to do, never for whether it may be done. */
  get known(): JobState {
    if (this.job === null) throw new Error('The job has not been read yet.');
    return this.job;
  }

  /** What this run has heard of the decision, which it follows. */
  get decided(): DecisionState | null {
    return this.standing;
  }

  /** Services that the job went on without, as far as this run knows. */
  get waived(): readonly string[] {
    return [...new Set([...(this.known.waived ?? []), ...this.leftOut])].sort();
  }

  /** The answer of a step, which may be that it was left out. */
  notice(service: string, answer: unknown): void {
    if ((answer as Partial<LeftOut> | null | undefined)?.waived) this.leftOut.add(service);
  }

  get cancelRequested(): boolean {
    return this.cancelled;
  }

  get currentStatus(): JobStatus {
    return this.view.status;
  }

  nextNumber(): number {
    this.number += 1;
    return this.number;
  }

  async read(): Promise<JobState> {
    return this.learn(await readJob({ jobId: this.jobId }));
  }

  learn(job: JobState): JobState {
    this.job = job;
    this.follow(job);
    return job;
  }

  /** A step at a service: what Temporal's UI calls it, and how soon a worker's death is noticed. */
  about(service: string): { summary: string; heartbeatTimeout: number } {
    return { summary: service, heartbeatTimeout: this.known.settings.heartbeatTimeoutMs };
  }

  input(service: string): [{ jobId: string; service: string; number: number }] {
    return [{ jobId: this.jobId, service, number: this.phaseNumber }];
  }

  /** Writes where the job stands. Nobody waits for it: what comes late is dropped, since writes are numbered. */
  show(shown: Shown, attention: readonly string[] = []): void {
    const { status = this.view.status, phase = this.view.phase } = shown;
    const waiting_for = shown.waitingFor === undefined ? this.view.waiting_for : shown.waitingFor;
    if (status !== this.view.status) showStatus(status);
    this.see({ status, phase, waiting_for, attention });
    const input = { jobId: this.jobId, number: this.nextNumber(), patch: shown };
    if (shown.phase !== undefined) this.phaseNumber = input.number;
    CancellationScope.nonCancellable(() => show(input, `${status}, ${phase}`)).catch(() => undefined);
  }

  see(changed: Partial<SagaView>): void {
    this.view = { ...this.view, ...changed };
    setCurrentDetails(renderDetails(this.view));
  }

  /**
   * Runs the steps that can be undone. It returns when they are done, or when the decision is made, in which case
   * none of them runs any more.
   */
  async reversibly(steps: () => Promise<void>): Promise<void> {
    if (this.standing !== null) return;
    const scope = new CancellationScope({ cancellable: true });
    this.reversible = scope;
    try {
      await scope.run(steps);
    } catch (error) {
      await this.failed(error, 'the platform');
    } finally {
      this.reversible = null;
    }
  }

  /** Runs a step at several services at once. The first that fails calls the others off; all have stopped then. */
  async everywhere(services: readonly string[], step: (service: string) => Promise<unknown>): Promise<void> {
    await Promise.all(
      services.map(async (service) => {
        try {
          await step(service);
        } catch (error) {
          await this.failed(error, service);
        }
      }),
    );
    if (this.standing !== null) throw new DecisionStands();
  }

  /** A reversible step has failed: that is an abort, unless something else was decided before. */
  private async failed(error: unknown, service: string): Promise<void> {
    const meaning = meaningOf(error);
    if (meaning === 'ours' || meaning === 'ended') throw error;
    if (meaning === 'fault') this.faults.push(faultIn(error, service));
    if (this.standing === null) await this.abort('failure');
  }

  /** Compare-and-set to `abort`, and follows what stands. */
  async abort(cause: AbortCause, by: 'saga' | 'temporal' = 'saga'): Promise<void> {
    const input = { jobId: this.jobId, cause, by, why: describeFaults(this.faults) };
    this.follow(await CancellationScope.nonCancellable(() => records.decideAbort(input)));
  }

  follow(found: DecisionState): void {
    if (found.decision === null) return;
    this.standing = { decision: found.decision, cause: found.cause, ended: found.ended };
    this.see({
      decision: found.decision,
      cancel_ignored: this.cancelled && found.decision === 'proceed',
    });
    this.reversible?.cancel();
  }

  private async cancelAsked(): Promise<void> {
    this.cancelled = true;
    await this.abort('cancel', 'temporal');
  }

  /** Waits until the time is over, or somebody wakes the run: true. */
  async wait(milliseconds: number): Promise<boolean> {
    if (workflowInfo().continueAsNewSuggested) {
      await condition(allHandlersFinished);
      // All that matters stands in the record: the next run goes on by what it reads there.
      await continueAsNew<(input: DeleteTenantInput) => Promise<unknown>>({ job_id: this.jobId });
    }
    const seen = this.wakes;
    return condition(() => this.wakes !== seen, Math.max(1, milliseconds));
  }

  showFaults(): void {
    showFailedServices(this.faults);
  }

  /** Until Temporal's own cancel request is here, a run cannot close as canceled. */
  async untilCancelRequested(milliseconds: number): Promise<void> {
    await condition(() => this.cancelled, milliseconds);
  }
}
