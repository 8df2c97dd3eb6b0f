/** The API's process: puts the parts together, listens, and stops with grace. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import closeWithGrace from 'close-with-grace';
import type { Logger } from 'pino';
import { z } from 'zod';
import { type ApiConfig, ConfigurationError, readApiConfig } from '../config.js';
import { erasedListSigner } from '../proof/erased-list.js';
import { previewHash } from '../proof/preview-hash.js';
import { createServiceClient } from '../protocol/client.js';
import { JsonFileError, readJsonFile } from '../protocol/json-file.js';
import { readPublicKeys, readSigningKeys, SigningKeyError } from '../protocol/keys.js';
import { registry } from '../protocol/registry.js';
import { createPublicKeyOf } from '../protocol/tenant-key.js';
import { createTokenIssuer } from '../protocol/tokens.js';
import { createUserTokenVerifier, LocalIssuerError, tokenIssuers } from '../protocol/user-tokens.js';
import { createRecords } from '../records/index.js';
import { createRuns } from '../records/runs.js';
import { buildApp } from './app.js';
import type { ApiDependencies } from './dependencies.js';
import { createApiLogger } from './logging.js';
import { createPublishedKeys } from './published-keys.js';
import { createApiTokens } from './service-tokens.js';
import { createVerifyUser } from './users.js';

/** How long a stop waits for requests under way. Less than what supervisors give a process before they end it. */
const GRACE_MS = 15_000;
/** All requests share one thread: where one waits longer than this for it, further ones are told to come back. */
const OVERLOADED_AFTER_MS = 2_000;
/** Exit status of a fault in the configuration, which no restart mends. */
const EXIT_CONFIGURATION = 2;

interface Assembled {
  readonly dependencies: ApiDependencies;
  close(): Promise<void>;
}

async function assemble(config: ApiConfig, logger: Logger): Promise<Assembled> {
  const [entries, issuers, { signing }] = await Promise.all([
    readJsonFile(config.LETHE_SERVICES_FILE, registry, 'LETHE_SERVICES_FILE'),
    readJsonFile(config.TOKEN_ISSUERS_FILE, tokenIssuers, 'TOKEN_ISSUERS_FILE'),
    readSigningKeys(config.SIGNING_KEYS_DIR, 'service-token'),
  ]);
  const verifier = createUserTokenVerifier({
    issuers,
    production: config.NODE_ENV === 'production',
    keysOf: ({ jwks_uri, jwks_file = '' }) =>
      jwks_uri === undefined ? resolve(dirname(config.TOKEN_ISSUERS_FILE), jwks_file) : new URL(jwks_uri),
  });
  const tokenFor = createApiTokens(createTokenIssuer({ key: signing, issuer: config.SERVICE_TOKEN_ISSUER }));
  const services = entries.map((service) => createServiceClient({ service, tokenFor }));
  const publicKeyOf = createPublicKeyOf(config.TENANT_KEY_SECRET);
  const records = createRecords({
    databaseUrl: config.RECORDS_DATABASE_URL,
    publicKeyOf,
    gate: { approvalTtlMs: config.APPROVAL_TTL },
  });
  // Connected at the first call: Temporal may be away when this process starts, and come and go while it runs.
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
  const connection = Connection.lazy(connectionOptions);

  return {
    dependencies: {
      records,
      runs: createRuns({ connection, namespace, publicKeyOf }),
      services,
      verifyUser: createVerifyUser(verifier),
      publicKeys: createPublishedKeys(() => readSigningKeys(config.SIGNING_KEYS_DIR, 'service-token')),
      certificateKeys: createPublishedKeys(() => readPublicKeys(config.SIGNING_KEYS_DIR, 'certificate')),
      recordsKeys: createPublishedKeys(() => readPublicKeys(config.SIGNING_KEYS_DIR, 'records')),
      previewHash,
      publicKeyOf,
      erasedList: erasedListSigner(config.SERVICE_TOKEN_ISSUER, {
        signing: async () => (await readSigningKeys(config.SIGNING_KEYS_DIR, 'records')).signing,
        jwks: async () => (await readPublicKeys(config.SIGNING_KEYS_DIR, 'records')).jwks,
      }),
      settings: {
        restoreWindowMs: config.RESTORE_WINDOW,
        requireApproval: config.REQUIRE_APPROVAL,
        requireNameConfirmation: config.REQUIRE_NAME_CONFIRMATION,
        previewTimeoutMs: config.PREVIEW_TIMEOUT,
        rateLimitPerMinute: config.RATE_LIMIT_PER_MINUTE,
        overloadedAfterMs: OVERLOADED_AFTER_MS,
        ...(config.EXPORT_DIR !== undefined && { exportDirectory: config.EXPORT_DIR }),
      },
      version: await ownVersion(),
      logger,
    },
    close: async () => {
      await Promise.allSettled([...services.map((service) => service.close()), records.close()]);
      await connection.close().catch(() => undefined);
    },
  };
}

async function ownVersion(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}

async function main(): Promise<void> {
  const config = readApiConfig();
  const logger = createApiLogger(config.LOG_LEVEL);
  const parts = await assemble(config, logger);
  const app = await buildApp(parts.dependencies);
  closeWithGrace({ delay: GRACE_MS, logger }, async ({ err, signal }) => {
    if (err) logger.fatal({ err }, 'an error that nobody expected; stopping');
    else logger.info({ signal }, 'stopping: requests under way are finished first');
    await app.close();
    await parts.close();
    logger.info('stopped');
  });
  await app.listen({ host: config.API_HOST, port: config.API_PORT });
}

try {
  await main();
} catch (error) {
  const ofConfiguration = [ConfigurationError, JsonFileError, SigningKeyError, LocalIssuerError].some(
    (kind) => error instanceof kind,
  );
  process.stderr.write(
    `${error instanceof Error ? ((ofConfiguration ? null : error.stack) ?? error.message) : String(error)}\n`,
  );
  process.exit(ofConfiguration ? EXIT_CONFIGURATION : 1);
}
