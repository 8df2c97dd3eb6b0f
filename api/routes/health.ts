/** What the surroundings ask: alive, ready, public keys. No token needed. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { readiness } from '../../protocol/platform.js';
import { type RouteParts, typed } from './parts.js';

export function healthRoutes(app: FastifyInstance, { records, runs, publicKeys }: RouteParts): void {
  const hidden = { schema: { hide: true }, config: { rateLimit: false } } as const;

  app.get('/healthz', hidden, () => ({ ok: true }));
  app.get('/.well-known/jwks.json', hidden, async (_request, reply) =>
    reply.header('cache-control', 'max-age=60').send(await publicKeys()),
  );
  typed(app).get(
    '/readyz',
    {
      config: { rateLimit: false },
      schema: {
        summary: 'Whether the records and Temporal answer',
        tags: ['platform'],
        security: [],
        response: { 200: readiness, 503: readiness, default: z.unknown() },
      },
    },
    async (_request, reply) => {
      const checks = { records: await answers(records.ready()), temporal: await answers(runs.ready()) };
      // Without Temporal requests are still taken: the record is written, the run starts when it is back.
      const ready = checks.records.ok;
      return reply.status(ready ? 200 : 503).send({ ready, checks });
    },
  );
}

const PATIENCE_MS = 2_000;

async function answers(work: Promise<unknown>): Promise<{ ok: boolean; message: string | null }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    await Promise.race([work, late]);
    return { ok: true, message: null };
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}
