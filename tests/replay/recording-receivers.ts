/** Runs that receivers have to agree to, recorded: all did, one did not, and one that is still waited for. */
import { afterAll, beforeAll, it } from 'vitest';
import { createPreStage } from '../../activities/pre-stage.js';
import type { JobView } from '../../protocol/jobs.js';
import { workflowIdOf } from '../../protocol/workflow.js';
import { startReceiver, type TestReceiver } from '../support/receiver.js';
import { openTestSaga, type TestSaga } from '../support/saga.js';
import { keepHistory } from './keep-history.js';

let receivers: readonly TestReceiver[];
let saga: TestSaga;

beforeAll(async () => {
  receivers = await Promise.all([startReceiver(), startReceiver()]);
  const preStage = createPreStage({
    urls: receivers.map(({ url }) => url),
    secret: 'a secret that nobody needs to know',
    publicKeyOf: (tenantId) => tenantId,
  });
  if (preStage === null) throw new Error('There are receivers.');
  saga = await openTestSaga({ preStage });
  await saga.startWorker();
});
afterAll(async () => {
  await saga?.close();
  await Promise.all(receivers.map((one) => one.close()));
});

const handleOf = (job: JobView) => saga.client.workflow.getHandle(workflowIdOf(job.tenant_id));
const ended = (job: JobView) => saga.untilEnded(job).then(() => saga.closed(job));
const answering = (status: number) => {
  for (const one of receivers) one.answer = () => ({ status });
};

it('records completed-after-receivers-agreed', async () => {
  answering(204);
  const job = await saga.request(saga.tenant());
  await ended(job);
  await keepHistory('completed-after-receivers-agreed', handleOf(job));
});

it('records compensated-since-a-receiver-did-not-agree', async () => {
  answering(500);
  const job = await saga.request(saga.tenant());
  await ended(job);
  await keepHistory('compensated-since-a-receiver-did-not-agree', handleOf(job));
});

it('records waits-for-a-receiver', async () => {
  answering(202);
  saga.settings.giveUpAfterMs = 600_000;
  const job = await saga.request(saga.tenant());
  await saga.until(job, ({ waiting_for }) => waiting_for?.kind === 'receiver');
  await keepHistory('waits-for-a-receiver', handleOf(job));
  await saga.cancel(job);
  await ended(job);
});
