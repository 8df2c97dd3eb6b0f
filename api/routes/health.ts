/** What the surroundings ask: alive, ready, public keys. No token needed. */
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { readiness } from '../../protocol/platform.js';
import { Problem } from '../../protocol/problems.js';
import { type RouteParts, typed } from './parts.js';

export function healthRoutes(app: FastifyInstance, parts: RouteParts): void {
  const { records, runs, publicKeys, certificateKeys, recordsKeys } = parts;
  const hidden = { schema: { hide: true }, config: { rateLimit: false } } as const;

  app.get('/healthz', hidden, () => ({ ok: true }));
  app.get('/.well-known/jwks.json', hidden, async (_request, reply) =>
    reply.header('cache-control', 'max-age=60').send(await publicKeys()),
  );
  app.get('/.well-known/certificate-keys.json', hidden, async (_request, reply) =>
    reply.header('cache-control', 'max-age=60').send(await certificateKeys()),
  );
  app.get('/.well-known/records-keys.json', hidden, async (_request, reply) =>
    reply.header('cache-control', 'max-age=60').send(await recordsKeys()),
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
      const [ofRecords, ofTemporal] = await Promise.all([answers(records.ready()), answers(runs.ready())]);
      const checks = { records: ofRecords, temporal: ofTemporal };
      // Without Temporal requests are still taken: the record is written, the run starts when it is back.
      const ready = ofRecords.ok;
      if (!ready) void reply.header('retry-after', 2);
      return reply.status(ready ? 200 : 503).send({ ready, checks });
    },
  );
}

const PATIENCE_MS = 2_000;

async function answers(work: Promise<unknown>): Promise<{ ok: boolean; message: string | null }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${PATIENCE_MS} ms`), PATIENCE_MS);
  });
  try {
    const message = await Promise.race([work.then(() => null), late]);
    return { ok: message === null, message };
  } catch (error) {
    // Anybody may ask: drivers put addresses and names of roles into their messages.
    return { ok: false, message: error instanceof Problem ? error.detail : 'cannot be reached' };
  } finally {
    clearTimeout(timer);
  }
}
