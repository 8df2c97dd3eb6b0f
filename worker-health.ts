/** The worker's `/healthz`, `/readyz` and `/metrics`: for whoever runs it. */
import { createServer, type Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { JOB_STATUSES } from './protocol/jobs.js';
import type { Readiness } from './protocol/platform.js';
import type { Records } from './records/types.js';

export type Checks = Readonly<Record<string, () => Promise<unknown>>>;

export interface HealthOptions {
  readonly host: string;
  readonly port: number;
  readonly checks: Checks;
  /** Counted when somebody asks. */
  readonly records: Pick<Records, 'jobCounts' | 'rowsReturnedNow' | 'housekeeping'>;
}

const READY_WITHIN_MS = 3_000;

export async function serveHealth({ host, port, checks, records }: HealthOptions): Promise<Server> {
  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  const ready = new Gauge({
    name: 'lethe_worker_ready',
    help: 'Whether what the worker stands on answers',
    labelNames: ['check'],
    registers: [metrics],
  });
  measureRecords(metrics, records);
  const server = createServer(async (request, response) => {
    const answer = (status: number, type: string, body: string) =>
      response.writeHead(status, { 'content-type': type }).end(body);
    if (request.method !== 'GET') return answer(405, 'text/plain', 'GET only\n');
    switch (request.url) {
      case '/healthz':
        return answer(200, 'application/json', '{"status":"ok"}');
      case '/readyz': {
        const readiness = await askAll(checks);
        for (const [check, { ok }] of Object.entries(readiness.checks)) ready.set({ check }, ok ? 1 : 0);
        return answer(readiness.ready ? 200 : 503, 'application/json', JSON.stringify(readiness));
      }
      case '/metrics':
        return answer(200, metrics.contentType, await metrics.metrics());
      default:
        return answer(404, 'text/plain', 'Not here\n');
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  });
  return server;
}

export function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

/** What the records count. While they are away these have no value; the rest is told all the same. */
function measureRecords(registry: Registry, records: HealthOptions['records']): void {
  const registers = [registry];
  const gauge = (name: string, help: string, labelNames: string[], read: (gauge: Gauge) => Promise<void>) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      async collect() {
        this.reset();
        await Promise.race([read(this), tooLate()]).catch(() => this.reset());
      },
    });
  gauge('lethe_jobs', 'Deletion jobs by status', ['status'], async (jobs) => {
    const counts = await records.jobCounts();
    for (const status of JOB_STATUSES) jobs.set({ status }, counts.get(status) ?? 0);
  });
  gauge(
    'lethe_returned_rows',
    'Rows of erased tenants that were there again at the last sweep',
    ['service'],
    async (rows) => {
      for (const [service, count] of await records.rowsReturnedNow()) rows.set({ service }, count);
    },
  );
  gauge(
    'lethe_housekeeping_success_timestamp_seconds',
    'When a scheduled step last succeeded',
    ['step'],
    async (times) => {
      for (const { step, succeeded_at } of (await records.housekeeping()).steps) {
        if (succeeded_at !== null) times.set({ step }, Date.parse(succeeded_at) / 1_000);
      }
    },
  );
}

async function askAll(checks: Checks): Promise<Readiness> {
  const asked = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      const message = await Promise.race([check(), tooLate()]).then(() => null, reasonOf);
      return [name, { ok: message === null, message }] as const;
    }),
  );
  return { ready: asked.every(([, { ok }]) => ok), checks: Object.fromEntries(asked) };
}

function tooLate(): Promise<never> {
  return sleep(READY_WITHIN_MS, null, { ref: false }).then(() => {
    throw new Error(`No answer within ${READY_WITHIN_MS} ms.`);
  });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
