import { randomUUID } from 'node:crypto';
import { Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createPublicKeyOf } from '../../../protocol/tenant-key.js';
import { createRuns } from '../../../records/runs.js';
import { ensureSearchAttributes } from '../../../records/search-attributes.js';
import { openTestApi, type TestApi } from '../../support/api.js';
import { until } from '../../support/conditions.js';
import { connectTemporal, type TestTemporal } from '../../support/temporal.js';

describe('the run of a job in Temporal', () => {
  let api: TestApi;
  let temporal: TestTemporal;
  let connection: Connection;

  beforeAll(async () => {
    temporal = await connectTemporal();
    connection = Connection.lazy({ address: inject('temporalAddress') });
    await ensureSearchAttributes(connection, 'default');
    api = await openTestApi({
      runs: createRuns({
        connection,
        namespace: 'default',
        // Of nobody: what the run does is tested with the workflow.
        taskQueue: `api-test-${randomUUID()}`,
        publicKeyOf: createPublicKeyOf(undefined),
      }),
    });
  });
  afterAll(async () => {
    await api.close();
    await connection.close();
    await temporal.close();
  });

  it('is started by the request, once for the same one, and asked to cancel after the decision', async () => {
    const user = await api.user();
    const owner = await api.users.token({ userId: user });
    const tenant = await api.tenant({ [user]: 'owner' });
    const remove = () => api.ask('DELETE', `/api/v1/tenants/${tenant}`, owner);
    const jobId = (await remove()).body.job_id;
    const run = temporal.client.workflow.getHandle(`delete-tenant/${tenant}`);
    const first = await run.describe();
    expect(first).toMatchObject({
      status: { name: 'RUNNING' },
      type: 'deleteTenant',
      memo: { job_id: jobId },
    });
    // Temporal keeps what it is given for long: nothing personal is in it.
    expect(JSON.stringify(first.raw)).not.toContain(user);

    await remove();
    expect((await run.describe()).runId).toBe(first.runId);

    const cancelled = await api.ask('POST', `/api/v1/deletion-jobs/${jobId}/cancel`, owner);
    expect(cancelled).toMatchObject({ status: 200, body: { decision: 'abort', abort_cause: 'cancel' } });
    await until(async () => (await run.describe()).raw.workflowExtendedInfo?.cancelRequested === true, {
      what: 'the run to be asked to cancel',
    });
    await run.terminate('the test is over');
    expect(await api.ask('GET', '/readyz', null)).toMatchObject({
      body: { checks: { temporal: { ok: true } } },
    });
  });
});
