/** A process that serves the services which `SERVE` names, each on a port of its own. */
import { ConfigurationError, readServicesConfig, type ServicesConfig } from '../config.js';
import type { Participant } from './http/participant.js';
import { declarations } from './registry.js';
import { declaredParticipant, type ServiceLog, serve } from './serve.js';
import { tenantParticipant } from './tenant/participant.js';

type ServedService = ServicesConfig['services'][number];

const TENANT_SERVICE = 'tenant';

/** Throws where nobody has declared a service of that name. */
function participantFor(service: ServedService, config: ServicesConfig, logger: ServiceLog): Participant {
  const { name, databaseUrl, retainedUrl } = service;
  if (name === TENANT_SERVICE) {
    return tenantParticipant({
      name,
      databaseUrl,
      lockTimeoutMs: config.LOCK_TIMEOUT,
      longestTransactionMs: config.LONGEST_TRANSACTION,
      poolSize: config.POOL_SIZE,
      orphanUsers: config.ORPHAN_USERS,
      onConnectionError: (error) => logger.warn({ err: error }, 'A connection to the database broke.'),
    });
  }
  const declaration = declarations.find((one) => one.name === name);
  if (declaration === undefined) {
    const known = [TENANT_SERVICE, ...declarations.map((one) => one.name)].join(', ');
    throw new ConfigurationError([`SERVE names ${name}, which nobody has declared; known are ${known}`]);
  }
  return declaredParticipant(declaration, databaseUrl, config, logger, retainedUrl);
}

async function main(): Promise<void> {
  const config = readServicesConfig();
  const services = config.services.map((service) => ({
    ...service,
    participant: (logger: ServiceLog) => participantFor(service, config, logger),
  }));
  await serve(services, config);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(error instanceof ConfigurationError ? 2 : 1);
});
