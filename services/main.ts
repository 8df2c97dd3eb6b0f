/** A process that serves the services which `SERVE` names, each on a port of its own. */
import closeWithGrace from 'close-with-grace';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { ConfigurationError, readServicesConfig, type ServicesConfig } from '../config.js';
import { createEngine } from '../erasure/engine.js';
import { createTokenVerifier } from '../protocol/tokens.js';
import { engineParticipant } from './engine-participant.js';
import { createServiceLogger } from './http/logging.js';
import type { Participant } from './http/participant.js';
import { declarations } from './registry.js';
import { buildServiceServer } from './server.js';
import { tenantParticipant } from './tenant/participant.js';

type ServedService = ServicesConfig['services'][number];
type Log = ReturnType<typeof createServiceLogger>;

// Less than what supervisors give a process before they end it.
const STOP_WITHIN_MS = 20_000;
const TENANT_SERVICE = 'tenant';

/** Throws where nobody has declared a service of that name. */
function participantFor(service: ServedService, config: ServicesConfig, logger: Log): Participant {
  const { name, databaseUrl } = service;
  const limits = { lockTimeoutMs: config.LOCK_TIMEOUT, longestTransactionMs: config.LONGEST_TRANSACTION };
  if (name === TENANT_SERVICE) {
    return tenantParticipant({
      name,
      databaseUrl,
      ...limits,
      poolSize: config.POOL_SIZE,
      onConnectionError: (error) => logger.warn({ err: error }, 'A connection to the database broke.'),
    });
  }
  const declaration = declarations.find((one) => one.name === name);
  if (declaration === undefined) {
    const known = [TENANT_SERVICE, ...declarations.map((one) => one.name)].join(', ');
    throw new ConfigurationError([`SERVE names ${name}, which nobody has declared; known are ${known}`]);
  }
  const engine = createEngine({ databaseUrl, declaration, limits, poolSize: config.POOL_SIZE, logger });
  return engineParticipant({ name, fence: declaration.fence, engine });
}

async function main(): Promise<void> {
  const config = readServicesConfig();
  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  const apps = config.services.map((service) => {
    const logger = createServiceLogger({ service: service.name, level: config.LOG_LEVEL });
    const verifier = createTokenVerifier({
      jwks: config.PLATFORM_JWKS,
      issuer: config.SERVICE_TOKEN_ISSUER,
      audience: service.name,
    });
    const participant = participantFor(service, config, logger);
    return { ...service, app: buildServiceServer({ participant, verifier, logger, metrics }) };
  });
  const log = createServiceLogger({ service: 'services', level: config.LOG_LEVEL });
  // Requests that run are answered, new ones refused; then the pools are closed.
  closeWithGrace({ delay: STOP_WITHIN_MS, logger: false }, async ({ err, signal }) => {
    if (err) log.error({ err }, 'The process stops after an error that nobody caught.');
    else log.info({ signal }, 'The process stops.');
    await Promise.all(apps.map(({ app }) => app.close()));
  });
  await Promise.all(apps.map(({ app, port }) => app.listen({ port, host: config.SERVICE_HOST })));
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(error instanceof ConfigurationError ? 2 : 1);
});
