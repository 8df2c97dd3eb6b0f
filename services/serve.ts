/** A process that serves participants, each on a port of its own, until it is told to stop. */
import closeWithGrace from 'close-with-grace';
import type { FastifyInstance } from 'fastify';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Declaration } from '../erasure/declaration.js';
import { createEngine } from '../erasure/engine.js';
import type { EngineLimits } from '../erasure/engine-types.js';
import { createTokenVerifier } from '../protocol/tokens.js';
import { engineParticipant } from './engine-participant.js';
import { createServiceLogger } from './http/logging.js';
import type { Participant } from './http/participant.js';
import { buildServiceServer } from './server.js';

/** How a process of services works; durations in milliseconds. */
export interface ServingOptions {
  readonly SERVICE_HOST: string;
  /** Path or URL of the platform's public keys. */
  readonly PLATFORM_JWKS: string;
  readonly SERVICE_TOKEN_ISSUER: string;
  readonly LOCK_TIMEOUT: number;
  readonly LONGEST_TRANSACTION: number;
  readonly CHUNK_AFTER?: number;
  readonly CHUNK_AFTER_ROWS?: number;
  readonly CHUNK_TIME?: number;
  /** Bytes a second. */
  readonly WAL_LIMIT?: number | undefined;
  readonly CONCURRENT_WORK?: number;
  readonly POOL_SIZE: number;
  readonly LOG_LEVEL: string;
}

export type ServiceLog = ReturnType<typeof createServiceLogger>;

export interface Serving {
  readonly name: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly participant: (logger: ServiceLog) => Participant;
}

export interface Served {
  readonly name: string;
  readonly url: string;
}

// Less than what supervisors give a process before they end it.
const STOP_WITHIN_MS = 20_000;

/** The engine over a database, as a participant. `retainedUrl`: of the role that may read what is retained. */
export function declaredParticipant(
  declaration: Declaration,
  databaseUrl: string,
  options: ServingOptions,
  logger: ServiceLog,
  retainedUrl?: string,
): Participant {
  const engine = createEngine({
    databaseUrl,
    declaration,
    limits: engineLimits(options),
    poolSize: options.POOL_SIZE,
    logger,
    ...(retainedUrl !== undefined && { retainedUrl }),
  });
  return engineParticipant({ name: declaration.name, fence: declaration.fence, engine });
}

function engineLimits(options: ServingOptions): EngineLimits {
  return {
    lockTimeoutMs: options.LOCK_TIMEOUT,
    longestTransactionMs: options.LONGEST_TRANSACTION,
    walBytesPerSecond: options.WAL_LIMIT ?? null,
    ...(options.CHUNK_AFTER !== undefined && { singleTransactionMs: options.CHUNK_AFTER }),
    ...(options.CHUNK_AFTER_ROWS !== undefined && { singleTransactionRows: options.CHUNK_AFTER_ROWS }),
    ...(options.CHUNK_TIME !== undefined && { chunkMs: options.CHUNK_TIME }),
    ...(options.CONCURRENT_WORK !== undefined && { concurrentWork: options.CONCURRENT_WORK }),
  };
}

/** Listens for all of them, and ends the process after the last answer when it is asked to. */
export async function serve(services: readonly Serving[], options: ServingOptions): Promise<Served[]> {
  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  const apps = services.map(({ name, port, participant }) => {
    const logger = createServiceLogger({ service: name, level: options.LOG_LEVEL });
    const verifier = createTokenVerifier({
      jwks: options.PLATFORM_JWKS,
      issuer: options.SERVICE_TOKEN_ISSUER,
      audience: name,
    });
    const app = buildServiceServer({ participant: participant(logger), verifier, logger, metrics });
    return { name, port, app };
  });
  stopWithGrace(
    apps.map(({ app }) => app),
    createServiceLogger({ service: 'services', level: options.LOG_LEVEL }),
  );
  return Promise.all(
    apps.map(async ({ name, port, app }) => ({
      name,
      url: await app.listen({ port, host: options.SERVICE_HOST }),
    })),
  );
}

/** Requests that run are answered, new ones refused; then the pools are closed. */
function stopWithGrace(apps: readonly FastifyInstance[], log: ServiceLog): void {
  closeWithGrace({ delay: STOP_WITHIN_MS, logger: false }, async ({ err, signal }) => {
    if (err) log.error({ err }, 'The process stops after an error that nobody caught.');
    else log.info({ signal }, 'The process stops.');
    await Promise.all(apps.map((app) => app.close()));
  });
}
