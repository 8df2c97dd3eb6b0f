/** A workflow with no work: the activities of a deletion's run, by name and in its groups, that do nothing. */
import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';

/** What one workflow task of the deletion's run scheduled. */
export interface Group {
  /** Within the task, before the others. */
  readonly inPlace: number;
  readonly records: number;
  readonly services: number;
}

export interface BareActivities {
  /** As of those that read and write the record. */
  record(): Promise<void>;
  /** As of those that work at a service: with a heartbeat. */
  service(input: {
    readonly jobId: string;
    readonly service: string;
    readonly number: number;
  }): Promise<void>;
}

const retry = { initialInterval: 200, backoffCoefficient: 2, maximumInterval: 10_000 };
const records = proxyActivities<Pick<BareActivities, 'record'>>({ startToCloseTimeout: 15_000, retry });
const inPlace = proxyLocalActivities<Pick<BareActivities, 'record'>>({ startToCloseTimeout: 2_000 });
const services = proxyActivities<Pick<BareActivities, 'service'>>({
  startToCloseTimeout: '24h',
  heartbeatTimeout: 15_000,
  retry,
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
});

export async function bareWorkflow(groups: readonly Group[]): Promise<void> {
  for (const group of groups) {
    for (let done = 0; done < group.inPlace; done++) await inPlace.record();
    await Promise.all([
      ...Array.from({ length: group.records }, () => records.record()),
      ...Array.from({ length: group.services }, (_, number) =>
        services.service({ jobId: '00000000-0000-7000-8000-000000000000', service: 'service', number }),
      ),
    ]);
  }
}
