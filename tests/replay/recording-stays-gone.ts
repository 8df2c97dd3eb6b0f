/** Runs of what keeps tenants gone, recorded: erased again, housekeeping, and the release of a key. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, it } from 'vitest';
import type { StepContext } from '../../activities/housekeeping.js';
import {
  HOUSEKEEPING_TYPE,
  type HousekeepingInput,
  type HousekeepingStep,
  releaseWorkflowIdOf,
} from '../../protocol/housekeeping.js';
import type { JobView } from '../../protocol/jobs.js';
import { Problem } from '../../protocol/problems.js';
import { workflowIdOf } from '../../protocol/workflow.js';
import { until } from '../support/conditions.js';
import { OPERATOR, openTestSaga, type TestSaga } from '../support/saga.js';
import { keepHistory } from './keep-history.js';

const HOURS = 3_600_000;
let saga: TestSaga;

beforeAll(async () => {
  saga = await openTestSaga({
    settings: { attentionRetryEveryMs: HOURS },
    housekeeping: {
      sweep: async ({ cursor }: StepContext) =>
        cursor === null
          ? { outcome: { tenants: 100 }, cursor: 'next' }
          : { outcome: { tenants: 20 }, cursor: null },
      retained: async () => {
        throw new Problem('database_error', 'It was refused.');
      },
    },
  });
  await saga.startWorker();
});
afterAll(() => saga?.close());

const handleOf = (job: JobView) => saga.client.workflow.getHandle(workflowIdOf(job.tenant_id));
const ended = (job: JobView) => saga.untilEnded(job).then(() => saga.closed(job));

/** Rows of a tenant who is gone are at both participants and in the directory again. */
async function again(before: () => void = () => undefined): Promise<JobView> {
  const tenantId = saga.tenant();
  const first = await saga.request(tenantId);
  await ended(first);
  saga.orders.rows.set(tenantId, ['o1']);
  before();
  const { job } = await saga.records.openReapply({
    tenantId,
    actor: OPERATOR,
    services: ['orders'],
    reason: null,
    approveImported: false,
  });
  await saga.runs.start(job);
  return job;
}

it('records completed-again', async () => {
  const job = await again();
  await ended(job);
  await keepHistory('completed-again', handleOf(job));
});

it('records compensated-again', async () => {
  const job = await again(() => {
    saga.proxy('orders').fault = ({ target }) =>
      target === 'staged' ? { status: 409, code: 'privilege_missing' } : null;
  });
  await ended(job);
  saga.settle();
  await keepHistory('compensated-again', handleOf(job));
});

async function run(step: HousekeepingStep) {
  const input: HousekeepingInput = { step };
  const handle = await saga.client.workflow.start(HOUSEKEEPING_TYPE, {
    workflowId: `recording-${randomUUID()}`,
    taskQueue: saga.taskQueue,
    args: [input],
  });
  await handle.result().catch(() => undefined);
  return handle;
}

it('records housekeeping-completed', async () => {
  await keepHistory('housekeeping-completed', await run('sweep'));
});

it('records housekeeping-failed', async () => {
  await keepHistory('housekeeping-failed', await run('retained'));
});

it('records release-completed', async () => {
  const job = await saga.request(saga.tenant());
  await ended(job);
  await saga.records.requestRelease(job.tenant_id, 'somebody new', OPERATOR);
  const release = await saga.records.approveRelease(job.tenant_id, { ...OPERATOR, id: 'another' });
  await saga.runs.startRelease(release.release_id);
  const done = () => saga.records.getRelease(release.release_id);
  await until(async () => (await done()).status === 'completed');
  const handle = saga.client.workflow.getHandle(releaseWorkflowIdOf(release.release_id));
  await handle.result();
  await keepHistory('release-completed', handle);
});
