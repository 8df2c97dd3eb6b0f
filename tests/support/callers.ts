/** A running platform as people meet it: tenants with rows, callers with tokens, jobs that are waited for. */
import {
  Client,
  Connection,
  type WorkflowExecutionDescription,
  type WorkflowHandle,
} from '@temporalio/client';
import pg from 'pg';
import { type Checksums, readChecksums } from '../../local/checksums.js';
import type { Platform } from '../../local/platform.js';
import { serviceSchemas } from '../../local/row-owners.js';
import { hasEnded, type JobView, jobView } from '../../protocol/jobs.js';
import { readSigningKeys } from '../../protocol/keys.js';
import { createLocalUserIssuer, type LocalUser } from '../../protocol/local-issuer.js';
import { workflowIdOf } from '../../protocol/workflow.js';
import { type SeededTenant, seedTenants } from '../../services/sample-data/load.js';
import { type UntilOptions, until } from './conditions.js';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests find out
  readonly body: any;
}

/** Somebody with a token. */
export interface Caller {
  readonly token: string;
  /** `path` begins after `/api/v1`. */
  ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<Answer>;
}

export interface Callers {
  readonly operator: Caller;
  caller(user: LocalUser): Promise<Caller>;
  /** The owner of a tenant, by the role in the token. */
  owner(tenant: SeededTenant): Promise<Caller>;
  /** Rows are counted where the platform has the service; the others' have some, too. */
  seed(tenants: number, rowsOfEach: number): Promise<SeededTenant[]>;
  /** `DELETE /tenants/{id}` as the tenant's owner, which has to be accepted. */
  delete(tenant: SeededTenant): Promise<JobView>;
  /** `POST /tenants/{id}/deletion-jobs` as an operator, which has to be accepted. */
  request(tenant: SeededTenant, options: object): Promise<JobView>;
  job(jobId: string): Promise<JobView>;
  /** Waits for a job; what it looked like last stands in the error of the one who waited in vain. */
  until(jobId: string, what: (job: JobView) => boolean, timeoutMs?: number): Promise<JobView>;
  untilEnded(jobId: string, timeoutMs?: number): Promise<JobView>;
  /** Of all tables of the platform's services; see `readChecksums`. */
  checksums(whose?: { only?: string; except?: string }): Promise<Checksums>;
  /** As superuser, in the platform's database. */
  sql<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Tables of any job's rows that rest in Lethe's schemas, as `schema.table`. */
  archives(): Promise<string[]>;
  /** Null for a tenant that the directory does not know. */
  isSuspended(tenant: { readonly tenantId: string }): Promise<boolean | null>;
  readonly temporal: Client;
  /** The latest run of a tenant. */
  run(tenant: { readonly tenantId: string }): WorkflowHandle;
  /** That run, once it has closed: a moment after the record has its end. */
  closedRun(tenant: { readonly tenantId: string }): Promise<WorkflowExecutionDescription>;
  close(): Promise<void>;
}

const ARCHIVES = `
  SELECT format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname LIKE 'lethe\\_%' AND n.nspname <> 'lethe_records' AND n.nspname NOT LIKE '%\\_retained' AND c.relkind IN ('r', 'p')
    AND c.relname NOT IN ('deletion_ledger', 'tenant_tombstones', 'tenant_suspensions', '_prisma_migrations')
  ORDER BY 1`;
const SUSPENDED = `
  SELECT EXISTS (SELECT FROM lethe_tenant.tenant_suspensions s
    WHERE s.tenant_id = t.id AND s.lifted_at IS NULL) AS suspended
  FROM tenant.tenants t WHERE t.id = $1`;

/** Of tests whose machine has a lot to do; who waits for less says so. */
const PATIENCE_MS = 120_000;
const OPERATOR = '00000000-0000-7000-8000-00000000000a';

export async function createCallers(platform: Platform): Promise<Callers> {
  const issuer = createLocalUserIssuer({
    key: (await readSigningKeys(platform.files.signingKeysDirectory, 'user-token')).signing,
    production: false,
  });
  const caller = async (user: LocalUser): Promise<Caller> => {
    const token = await issuer.issue(user);
    return { token, ask: (method, path, body) => ask(platform.apiUrl, token, method, path, body) };
  };
  const operator = await caller({ userId: OPERATOR, roles: ['operator'] });
  const connection = Connection.lazy({ address: platform.temporalAddress });
  const temporal = new Client({ connection, namespace: platform.temporalNamespace });

  const pool = new pg.Pool({ connectionString: platform.databaseUrl, max: 4 });
  const schemas = serviceSchemas().filter((schema) => platform.services.some(({ name }) => name === schema));
  // A connection that is lost while nobody uses it is no news.
  pool.on('error', () => undefined);
  const sql = async <Row extends object>(text: string, values: readonly unknown[] = []) =>
    (await pool.query<Row>(text, [...values])).rows;

  async function untilJob(
    jobId: string,
    what: (job: JobView) => boolean,
    howLong: UntilOptions,
  ): Promise<JobView> {
    let last: JobView | null = null;
    try {
      return await until(
        async () => {
          last = await callers.job(jobId);
          return what(last) && last;
        },
        { ...howLong, what: `job ${jobId}` },
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}: ${JSON.stringify(last)}`);
    }
  }

  const callers: Callers = {
    operator,
    caller,
    owner: ({ tenantId, ownerUserId }) => caller({ userId: ownerUserId, tenants: { [tenantId]: 'owner' } }),
    async seed(tenants, rowsPerTenant) {
      const seeded = await seedTenants({ databaseUrl: platform.databaseUrl, tenants, rowsPerTenant });
      return seeded.map((tenant) => {
        const counts = Object.entries(tenant.rowsOf);
        const served = counts.filter(([table]) => schemas.includes(table.split('.')[0] ?? ''));
        const rows = served.reduce((sum, [, some]) => sum + some, 0);
        return { ...tenant, rowsOf: Object.fromEntries(served), rows };
      });
    },
    async delete(tenant) {
      return accepted(await (await callers.owner(tenant)).ask('DELETE', `/tenants/${tenant.tenantId}`));
    },
    async request({ tenantId }, options) {
      return accepted(await operator.ask('POST', `/tenants/${tenantId}/deletion-jobs`, options));
    },
    async job(jobId) {
      const { status, body } = await operator.ask('GET', `/deletion-jobs/${jobId}`);
      if (status !== 200) throw new Error(`Job ${jobId} is answered by ${status}: ${JSON.stringify(body)}`);
      return jobView.parse(body);
    },
    until: (jobId, what, timeoutMs = PATIENCE_MS) => untilJob(jobId, what, { timeoutMs, everyMs: 200 }),
    untilEnded: (jobId, timeoutMs = PATIENCE_MS) =>
      untilJob(jobId, ({ status }) => hasEnded(status), { timeoutMs, everyMs: 200, relaxedToMs: 1_000 }),
    checksums: (whose = {}) => readChecksums({ databaseUrl: platform.databaseUrl, schemas, ...whose }),
    sql,
    archives: async () => (await sql<{ name: string }>(ARCHIVES)).map(({ name }) => name),
    isSuspended: async ({ tenantId }) =>
      (await sql<{ suspended: boolean }>(SUSPENDED, [tenantId]))[0]?.suspended ?? null,
    temporal,
    run: ({ tenantId }) => temporal.workflow.getHandle(workflowIdOf(tenantId)),
    closedRun: (tenant) =>
      until(
        async () => {
          const run = await callers.run(tenant).describe();
          return run.status.name !== 'RUNNING' && run;
        },
        { timeoutMs: PATIENCE_MS, what: 'the run to close' },
      ),
    close: async () => {
      await pool.end();
      await connection.close();
    },
  };
  return callers;
}

function accepted({ status, body }: Answer): JobView {
  if (status !== 202) throw new Error(`Not accepted, but ${status}: ${JSON.stringify(body)}`);
  return jobView.parse(body);
}

async function ask(
  apiUrl: string,
  token: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  const response = await fetch(`${apiUrl}/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    body: body === undefined ? null : JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? null : JSON.parse(text),
  };
}
