/** The saga's own price, against a workflow on the same Temporal with as many activities that do nothing. */
import { randomUUID } from 'node:crypto';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Context } from '@temporalio/activity';
import { Client, Connection } from '@temporalio/client';
import {
  DefaultLogger,
  makeTelemetryFilterString,
  NativeConnection,
  Runtime,
  Worker,
} from '@temporalio/worker';
import type { Platform } from '../local/platform.js';
import { workflowIdOf } from '../protocol/workflow.js';
import type { BareActivities, bareWorkflow, Group } from './bare-workflow.js';
import type { Times } from './figures.js';

export const BARE = 'bare Temporal workflow, as many no-op activities';

const TASK_QUEUE = 'lethe-bench';
/** Activities of the deletion that work at a service, and heartbeat. */
const AT_SERVICE = /Service$|AtService$|^readLedger$|^suspendTenant$/;

/** Runs the one and the other by turns, so that both find the machine alike. */
export async function measureBare(
  platform: Platform,
  tenantId: string,
  others: readonly (() => Promise<void>)[],
  times: Times,
): Promise<void> {
  Runtime.install({
    shutdownSignals: [],
    telemetryOptions: {
      logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }) },
    },
    logger: new DefaultLogger('ERROR'),
  });
  const { temporalAddress: address, temporalNamespace: namespace } = platform;
  const connection = await Connection.connect({ address });
  const native = await NativeConnection.connect({ address });
  const client = new Client({ connection, namespace });
  const groups = await groupsOf(client, tenantId);
  const worker = await Worker.create({
    connection: native,
    namespace,
    taskQueue: TASK_QUEUE,
    activities: {
      record: async () => undefined,
      service: async () => Context.current().heartbeat(),
    } satisfies BareActivities,
    workflowsPath: fileURLToPath(new URL(`./bare-workflow${extname(import.meta.url)}`, import.meta.url)),
    maxConcurrentActivityTaskExecutions: 200,
  });
  const run = () =>
    client.workflow.execute<typeof bareWorkflow>('bareWorkflow', {
      taskQueue: TASK_QUEUE,
      workflowId: `bare/${randomUUID()}`,
      args: [groups],
    });
  await worker.runUntil(async () => {
    // The first finds a worker that has just started.
    await run();
    for (const other of others) {
      await times.measure(BARE, run);
      await other();
    }
  });
  await native.close();
  await connection.close();
}

/** As the tenant's run had them: what one workflow task scheduled is one group. */
async function groupsOf(client: Client, tenantId: string): Promise<Group[]> {
  const history = await client.workflow.getHandle(workflowIdOf(tenantId)).fetchHistory();
  const groups = new Map<string, { -readonly [K in keyof Group]: Group[K] }>();
  const groupOf = (task: unknown) => {
    const group = groups.get(String(task)) ?? { inPlace: 0, records: 0, services: 0 };
    groups.set(String(task), group);
    return group;
  };
  for (const {
    activityTaskScheduledEventAttributes: scheduled,
    markerRecordedEventAttributes: marker,
  } of history.events ?? []) {
    if (marker?.markerName === 'core_local_activity')
      groupOf(marker.workflowTaskCompletedEventId).inPlace += 1;
    if (!scheduled) continue;
    const group = groupOf(scheduled.workflowTaskCompletedEventId);
    if (AT_SERVICE.test(scheduled.activityType?.name ?? '')) group.services += 1;
    else group.records += 1;
  }
  return [...groups.values()];
}
