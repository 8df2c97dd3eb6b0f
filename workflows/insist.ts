/** Steps that have to succeed, however long it takes: restores, and everything after the pivot. */
import type { Fault } from '../activities/types.js';
import type { JobStatus } from '../protocol/jobs.js';
import { faultIn, meaningOf } from './errors.js';
import type { Saga } from './saga.js';
import { showFailedServices } from './search-attributes.js';
import { attentionOf, describeFault, describeFaults } from './state.js';

interface Stuck {
  readonly fault: Fault;
  readonly since: string;
  /** A person asked for this try, and is shown that it runs. */
  readonly trying: boolean;
}

/** Runs a step at every service, in parallel; what fails waits for a person or a timer while the others go on. */
export class Insistence {
  private readonly stuck = new Map<string, Stuck>();

  constructor(
    private readonly saga: Saga,
    /** What the job is while nothing is stuck. */
    private readonly working: Extract<JobStatus, 'in_progress' | 'compensating'>,
  ) {}

  async everywhere(services: readonly string[], step: (service: string) => Promise<unknown>): Promise<void> {
    await Promise.all(services.map((service) => this.at(service, step)));
  }

  async at(service: string, step: (service: string) => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        await step(service);
        if (this.stuck.delete(service)) this.show();
        return;
      } catch (error) {
        if (meaningOf(error) !== 'fault') throw error;
        this.note(service, faultIn(error, service), false);
      }
      const asked = await this.saga.wait(this.saga.known.settings.attentionRetryEveryMs);
      const fault = this.stuck.get(service)?.fault;
      if (asked && fault) this.note(service, fault, true);
    }
  }

  private note(service: string, fault: Fault, trying: boolean): void {
    const since = this.stuck.get(service)?.since ?? new Date().toISOString();
    this.stuck.set(service, { fault, since, trying });
    this.show();
  }

  private show(): void {
    const waiting = [...this.stuck.values()].filter(({ trying }) => !trying);
    const faults = waiting.map(({ fault }) => fault);
    showFailedServices([...this.stuck.values()].map(({ fault }) => fault));
    if (waiting.length === 0) {
      this.saga.show({ status: this.working, waitingFor: null, outcome: null });
      return;
    }
    const since = waiting.map((one) => one.since).sort()[0] ?? '';
    const until = new Date(Date.now() + this.saga.known.settings.attentionRetryEveryMs).toISOString();
    this.saga.show(
      {
        status: 'needs_attention',
        waitingFor: attentionOf(faults, since, until),
        outcome: describeFaults(faults),
      },
      faults.map(describeFault),
    );
  }
}
