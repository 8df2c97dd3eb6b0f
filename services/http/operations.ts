/** `/healthz`, `/readyz`, `/metrics`: for whoever runs the service; no token, nothing of any tenant. */
import type { FastifyInstance } from 'fastify';
import { Counter, Histogram, type Registry } from 'prom-client';
import type { Readiness } from '../../protocol/platform.js';
import { asProblem } from '../../protocol/problem-document.js';
import type { Participant } from './participant.js';

const READY_WITHIN_MS = 3_000;

export function registerOperations(app: FastifyInstance, participant: Participant, metrics: Registry): void {
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (request, reply) => {
    const fault = await faultOf(participant).catch((error: unknown) => {
      request.log.warn({ err: error }, 'The service is not ready.');
      return asProblem((participant.translate ?? ((other) => other))(error)).detail;
    });
    const answer: Readiness = {
      ready: fault === null,
      checks: { database: { ok: fault === null, message: fault } },
    };
    return reply.code(fault === null ? 200 : 503).send(answer);
  });
  app.get('/metrics', async (_, reply) => reply.type(metrics.contentType).send(await metrics.metrics()));

  const { requests, seconds } = metersIn(metrics);
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown';
    const values = {
      service: participant.name,
      method: request.method,
      route,
      status: String(reply.statusCode),
    };
    requests.inc(values);
    seconds.observe(values, reply.elapsedTime / 1_000);
  });
}

type Label = 'service' | 'method' | 'route' | 'status';
const REQUESTS = 'lethe_service_requests_total';
const SECONDS = 'lethe_service_request_seconds';

/** The meters of this registry; several services of one process share them. */
function metersIn(metrics: Registry): { requests: Counter<Label>; seconds: Histogram<Label> } {
  const options = { registers: [metrics], labelNames: ['service', 'method', 'route', 'status'] as const };
  const known = metrics.getSingleMetric(REQUESTS);
  if (known !== undefined) {
    return {
      requests: known as Counter<Label>,
      seconds: metrics.getSingleMetric(SECONDS) as Histogram<Label>,
    };
  }
  return {
    requests: new Counter({ ...options, name: REQUESTS, help: 'Requests answered, by route and status' }),
    seconds: new Histogram({
      ...options,
      name: SECONDS,
      help: 'Time to answer, by route and status',
      buckets: [0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 60, 600],
    }),
  };
}

async function faultOf(participant: Participant): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(
      () => resolve(`The database did not answer within ${READY_WITHIN_MS} ms.`),
      READY_WITHIN_MS,
    );
  });
  try {
    return await Promise.race([participant.ready().then(() => null), late]);
  } finally {
    clearTimeout(timer);
  }
}
