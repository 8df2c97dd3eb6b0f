/** The registry, and how each service is doing. */
import type { FastifyInstance } from 'fastify';
import type { ServiceClient } from '../../protocol/client.js';
import type { Manifest } from '../../protocol/participant.js';
import { type ServiceView, servicesView } from '../../protocol/platform.js';
import { Problem } from '../../protocol/problems.js';
import { callerOf } from '../auth.js';
import { demand, staffStandings } from '../rights.js';
import { problems, type RouteParts, typed } from './parts.js';

const PATIENCE_MS = 5_000;

export function serviceRoutes(app: FastifyInstance, { services }: RouteParts): void {
  typed(app).get(
    '/services',
    {
      schema: {
        summary: 'Every service of the registry: reachable, token accepted, ready, and what it answers for',
        tags: ['platform'],
        response: { 200: servicesView, ...problems },
      },
    },
    async (request) => {
      demand('see_services', staffStandings(callerOf(request)));
      return { services: await Promise.all(services.map((service) => look(service, request.id))) };
    },
  );
}

async function look(client: ServiceClient, requestId: string): Promise<ServiceView> {
  const { name, role, url } = client.service;
  const began = performance.now();
  const [manifest, ready] = await Promise.all([
    problemOf(client.call('manifest', { params: {} }, { timeoutMs: PATIENCE_MS, requestId })),
    problemOf(client.ready({ timeoutMs: PATIENCE_MS })),
  ]);
  const latency = Math.round(performance.now() - began);
  const error = manifest.problem ?? ready.problem;
  const reachable = manifest.problem?.code !== 'service_unavailable';
  return {
    name,
    role,
    url,
    reachable,
    token_accepted: reachable
      ? !['unauthenticated', 'forbidden'].includes(manifest.problem?.code ?? '')
      : null,
    ready: ready.problem === null,
    latency_ms: reachable ? latency : null,
    coverage: manifest.value && coverageOf(manifest.value),
    manifest: manifest.value,
    error: error ? { code: error.code, message: error.detail } : null,
  };
}

function coverageOf({ tables, unaccepted_tables: unaccepted }: Manifest): ServiceView['coverage'] {
  const accepted = tables.filter(({ table }) => !unaccepted.includes(table)).length;
  return { complete: unaccepted.length === 0, accepted, unaccepted };
}

async function problemOf<T>(work: Promise<T>): Promise<{ value: T | null; problem: Problem | null }> {
  try {
    return { value: await work, problem: null };
  } catch (error) {
    if (error instanceof Problem) return { value: null, problem: error };
    throw error;
  }
}
