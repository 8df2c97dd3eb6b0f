/** The demo as a caller of the API: tokens, requests, and waiting for a job to end. */
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { z } from 'zod';
import { type ApiClient, createApiClient } from '../../cli/api-client.js';
import { count } from '../../cli/output.js';
import { readLocalConfig } from '../../config.js';
import { hasEnded, type JobView, jobView, type TenantPreview, tenantPreview } from '../../protocol/jobs.js';
import { readSigningKeys } from '../../protocol/keys.js';
import { createLocalUserIssuer } from '../../protocol/local-issuer.js';
import type { LedgerState } from '../../protocol/participant.js';
import { workflowIdOf } from '../../protocol/workflow.js';
import type { SeededTenant } from '../../services/sample-data/load.js';
import type { Platform } from '../platform.js';

const LOOK_EVERY_MS = 200;
const ENDS_WITHIN_MS = 3 * 60_000;
/** Who operates the platform in the demo. */
const OPERATOR = '00000000-0000-7000-8000-000000000001';

export interface DemoApi {
  preview(tenant: SeededTenant): Promise<TenantPreview>;
  /** `DELETE /tenants/{id}` as the tenant's owner. */
  delete(tenant: SeededTenant): Promise<JobView>;
  /** As an operator. */
  replay(jobId: string): Promise<JobView>;
  /** Looks at the job until it has ended or needs a person. */
  ended(jobId: string, show: (progress: string) => void): Promise<JobView>;
  /** As it was signed, and as a page. */
  certificate(jobId: string): Promise<{ readonly jws: string; readonly html: string }>;
  /** Where the job's latest run can be looked at. */
  link(tenant: SeededTenant): Promise<string>;
  close(): Promise<void>;
}

export async function createDemoApi(platform: Platform): Promise<DemoApi> {
  const issuer = createLocalUserIssuer({
    key: (await readSigningKeys(platform.files.signingKeysDirectory, 'user-token')).signing,
    production: readLocalConfig().NODE_ENV === 'production',
  });
  const clients: ApiClient[] = [];
  const clientWith = (token: string) => {
    const client = createApiClient({ apiUrl: platform.apiUrl, token });
    clients.push(client);
    return client;
  };
  const operator = clientWith(await issuer.issue({ userId: OPERATOR, roles: ['operator'] }));
  const connection = await Connection.connect({ address: platform.temporalAddress });
  const temporal = new Client({ connection, namespace: platform.temporalNamespace });

  return {
    preview: (tenant) =>
      operator.call(tenantPreview, 'GET', `/api/v1/tenants/${tenant.tenantId}/deletion-preview`),
    delete: async ({ tenantId, ownerUserId }) => {
      const token = await issuer.issue({ userId: ownerUserId, tenants: { [tenantId]: 'owner' } });
      return clientWith(token).call(jobView, 'DELETE', `/api/v1/tenants/${tenantId}`);
    },
    replay: (jobId) => operator.call(jobView, 'POST', `/api/v1/deletion-jobs/${jobId}/replay`),
    ended: async (jobId, show) => {
      for (const deadline = Date.now() + ENDS_WITHIN_MS; ; await sleep(LOOK_EVERY_MS)) {
        const job = await operator.call(jobView, 'GET', `/api/v1/deletion-jobs/${jobId}`);
        show(progressOf(job));
        if (hasEnded(job.status) || job.status === 'needs_attention') return job;
        if (Date.now() > deadline) throw new Error(`Job ${jobId} has not ended: ${progressOf(job)}`);
      }
    },
    certificate: async (jobId) => {
      const path = `/api/v1/deletion-jobs/${jobId}/certificate`;
      const { jws } = await operator.call(z.object({ jws: z.string() }), 'GET', path);
      return { jws, html: await text(Readable.from(await operator.download(path, 'text/html'))) };
    },
    link: async ({ tenantId }) => {
      const workflowId = workflowIdOf(tenantId);
      const { runId } = await temporal.workflow.getHandle(workflowId).describe();
      const { temporalUiUrl, temporalNamespace } = platform;
      if (temporalUiUrl === null) return `workflow ${workflowId}, run ${runId}`;
      return `${temporalUiUrl}/namespaces/${temporalNamespace}/workflows/${encodeURIComponent(workflowId)}/${runId}/history`;
    },
    close: async () => {
      await connection.close();
      await Promise.all(clients.map((client) => client.close()));
    },
  };
}

/** How far a job is, in a line. */
function progressOf(job: JobView): string {
  const { services, phase, status } = job;
  const inState = (...states: LedgerState[]) => services.filter(({ state }) => states.includes(state)).length;
  const of = `of ${services.length} services`;
  const rows = `${count(services.reduce((sum, service) => sum + service.rows_done, 0))} rows`;
  switch (phase) {
    case 'open':
    case 'check':
      return 'Every service is asked what would go, and whether it could';
    case 'stage':
      if (status === 'compensating') return 'It is given up; what was moved aside comes back';
      return `${inState('staged')} ${of} have moved their rows aside, ${rows}${blockedText(job)}`;
    case 'restore':
      return `${inState('restored')} ${of} have given the rows back`;
    case 'purge':
    case 'directory':
      return `${inState('purged')} ${of} have deleted theirs, ${rows}`;
    case 'verify':
      return `${services.filter((service) => service.verified_at !== null).length} ${of} have counted again`;
    case 'certificate':
      return 'Everything is verified; the certificate is signed';
    default:
      return `${status}, ${phase}`;
  }
}

function blockedText({ services }: JobView): string {
  const blocked = services.find(({ waiting_for: wait }) => wait !== null);
  return blocked?.waiting_for ? `; ${blocked.name} waits: ${blocked.waiting_for.reason}` : '';
}
