import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  ConfigurationError,
  readApiConfig,
  readCliConfig,
  readLocalConfig,
  readMigrateConfig,
  readServicesConfig,
  readWorkerConfig,
  VARIABLES,
} from '../../config.js';
import { parseDuration } from '../../protocol/duration.js';

const platform = {
  RECORDS_DATABASE_URL: 'postgres://records:secret@127.0.0.1:5432/lethe',
  LETHE_SERVICES_FILE: 'services.json',
  SIGNING_KEYS_DIR: 'keys',
};
const worker = { ...platform, SCOPE_NOT_COVERED: 'the newsletter' };

function faultsOf(read: () => unknown): readonly string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults;
    throw error;
  }
  return [];
}

describe('configuration', () => {
  it('reports every fault at once, each with the name of the variable and what it should be', () => {
    const faults = faultsOf(() =>
      readApiConfig({ API_PORT: 'eighty', RESTORE_WINDOW: '72', RECORDS_DATABASE_URL: 'mysql://x' }),
    );
    expect(faults).toEqual([
      'RECORDS_DATABASE_URL should be a PostgreSQL URL: postgres://user:password@host:port/database',
      'LETHE_SERVICES_FILE is missing: it has to be set',
      'SIGNING_KEYS_DIR is missing: it has to be set',
      'API_PORT should be a port number',
      'TOKEN_ISSUERS_FILE is missing: it has to be set',
      'RESTORE_WINDOW should be a duration such as 30s, 15m, 72h or 7d',
    ]);
  });

  it('never repeats a value that may be a secret', () => {
    const faults = faultsOf(() =>
      readWorkerConfig({ ...worker, RECORDS_DATABASE_URL: 'mysql://u:hunter2@h/d' }),
    );
    expect(faults.join()).toContain('RECORDS_DATABASE_URL');
    expect(faults.join()).not.toContain('hunter2');
  });

  it('has no cap unless one is set, and allows for a tenth more rows than were approved', () => {
    const { CAP_PER_HOUR, CAP_PER_DAY, APPROVAL_ROWS_TOLERANCE } = readWorkerConfig(worker);
    expect([CAP_PER_HOUR, CAP_PER_DAY, APPROVAL_ROWS_TOLERANCE]).toEqual([undefined, undefined, 0.1]);
    expect(readWorkerConfig({ ...worker, CAP_PER_HOUR: '5' }).CAP_PER_HOUR).toBe(5);
    // A cap of none would be a halt that nobody has said.
    expect(faultsOf(() => readWorkerConfig({ ...worker, CAP_PER_DAY: '0' }))).toEqual([
      'CAP_PER_DAY should be a whole number from 1 to 1000000',
    ]);
    expect(faultsOf(() => readWorkerConfig({ ...worker, APPROVAL_ROWS_TOLERANCE: '10' }))).toEqual([
      'APPROVAL_ROWS_TOLERANCE should be a share from 0 to 1',
    ]);
  });

  it('takes several receivers, and asks for the secret that they know', () => {
    const secret = { NOTIFY_WEBHOOK_SECRET: 'a secret of many characters' };
    for (const name of ['NOTIFY_WEBHOOK_URL', 'PRE_STAGE_RECEIVERS'] as const) {
      const two = { ...worker, [name]: 'https://a.example/hook?x=1, http://b.example' };
      const read = readWorkerConfig({ ...two, ...secret });
      expect(read[name]).toEqual(['https://a.example/hook?x=1', 'http://b.example']);
      expect(faultsOf(() => readWorkerConfig(two))).toEqual([
        expect.stringContaining('NOTIFY_WEBHOOK_SECRET is missing'),
      ]);
      for (const wrong of ['https://a.example,', 'ftp://a.example', 'https://a.example,b']) {
        expect(faultsOf(() => readWorkerConfig({ ...worker, ...secret, [name]: wrong }))).toEqual([
          `${name} should be http(s) addresses, several with commas`,
        ]);
      }
    }
  });

  it('takes an empty variable as one that is not set', () => {
    expect(readWorkerConfig({ ...worker, GIVE_UP_AFTER: '' }).GIVE_UP_AFTER).toBe(15 * 60_000);
  });

  it('reads durations as people write them, into milliseconds', () => {
    const config = readWorkerConfig({ ...worker, GIVE_UP_AFTER: '10s', OLDER_TRANSACTION_LIMIT: '1.5h' });
    expect(config.GIVE_UP_AFTER).toBe(10_000);
    expect(config.OLDER_TRANSACTION_LIMIT).toBe(5_400_000);
  });

  it('asks for a database URL for each service that is served', () => {
    const environment = { SERVE: 'orders:8101,alert_processor:8102', PLATFORM_JWKS: 'jwks.json' };
    expect(faultsOf(() => readServicesConfig(environment))).toEqual([
      expect.stringContaining('ORDERS_DATABASE_URL is missing'),
      expect.stringContaining('ALERT_PROCESSOR_DATABASE_URL is missing'),
    ]);
    const databaseUrl = 'postgres://u:p@127.0.0.1/d';
    const config = readServicesConfig({
      ...environment,
      ORDERS_DATABASE_URL: databaseUrl,
      ALERT_PROCESSOR_DATABASE_URL: databaseUrl,
    });
    expect(config.services).toEqual([
      { name: 'orders', port: 8101, databaseUrl },
      { name: 'alert_processor', port: 8102, databaseUrl },
    ]);
  });
});

describe('a fault of the configuration', () => {
  it.each([
    ['API_PORT', '70000', 'should be a port number'],
    ['API_PORT', '80.5', 'should be a port number'],
    ['RATE_LIMIT_PER_MINUTE', '0', 'should be a whole number from 1 to 1000000'],
    ['LOG_LEVEL', 'loud', 'should be fatal, error, warn, info, debug, trace or silent'],
    ['RESTORE_WINDOW', '72', 'should be a duration such as 30s, 15m, 72h or 7d'],
    ['RESTORE_WINDOW', '-1h', 'should be a duration such as 30s, 15m, 72h or 7d'],
    ['REQUIRE_APPROVAL', 'yes', 'should be true or false'],
    ['TENANT_KEY_SECRET', 'short', 'should be a secret of at least 32 characters'],
  ])('names the variable and what it should be: %s=%s', (name, value, message) => {
    const environment = { ...platform, TOKEN_ISSUERS_FILE: 'issuers.json', [name]: value };
    expect(faultsOf(() => readApiConfig(environment))).toEqual([`${name} ${message}`]);
  });

  it('is found in each reader', () => {
    expect(faultsOf(() => readMigrateConfig({}))).toEqual([
      'DATABASE_URL is missing: should be a PostgreSQL URL: postgres://user:password@host:port/database',
      'RECORDS_PASSWORD is missing: it has to be set',
      'SERVICES_PASSWORD is missing: it has to be set',
    ]);
    expect(faultsOf(() => readLocalConfig({ TEMPORAL_ADDRESS: 'http://x' }))).toEqual([
      'TEMPORAL_ADDRESS should be host:port',
    ]);
    expect(faultsOf(() => readCliConfig({ API_URL: 'ftp://x' }))).toEqual([
      'API_URL should be the address of the API, e.g. http://127.0.0.1:8080',
    ]);
    expect(faultsOf(() => readServicesConfig({ SERVE: 'orders' }))).toEqual([
      'SERVE should be name:port, several with commas',
      'PLATFORM_JWKS is missing: it has to be set',
      'ORDERS_DATABASE_URL is missing: should be a PostgreSQL URL: postgres://user:password@host:port/database',
    ]);
  });
});

describe('docs/configuration.md', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8');
  const sections = new Map(
    page.split(/^## /m).map((section) => [section.split('\n')[0] ?? '', rowsOf(section)] as const),
  );
  const SECTIONS = {
    api: ['Every process', 'API and worker', 'API'],
    worker: ['Every process', 'API and worker', 'Worker'],
    services: ['Every process', 'Services'],
    local: ['Every process', 'Laptop (`npm start`, `npm run demo`, `npm test`)'],
    migrations: ['Every process', 'Migrations (`prisma/migrate-cli.ts`)'],
    cli: ['Every process', 'Command line'],
  } as const;
  const variables = Object.entries(VARIABLES).flatMap(([process, shape]) =>
    Object.entries(shape).map(([name, schema]) => ({
      process: process as keyof typeof SECTIONS,
      name,
      schema,
    })),
  );

  /** Name to default, as written; where a row has several names, to none. */
  function rowsOf(section: string): Map<string, string | null> {
    const rows = [...section.matchAll(/^\| (`.+?`) +\| (.*?) +\| .* \|$/gm)];
    return new Map(
      rows.flatMap(([, names = '', written = '']) => {
        const single = [...names.matchAll(/`([A-Z_]+)`/g)].map((match) => match[1] ?? '');
        const value = /^`([^`]+)`$/.exec(written)?.[1] ?? null;
        return single.map((name) => [name, single.length === 1 ? value : null] as const);
      }),
    );
  }

  it('is read at all', () => {
    expect(variables.length).toBeGreaterThan(40);
  });

  it.each(variables)('has $name of $process, with the default that it has', ({ process, name, schema }) => {
    const section = SECTIONS[process].find((title) => sections.get(title)?.has(name));
    expect(section, `${name} stands in none of ${SECTIONS[process].join(', ')}`).toBeDefined();
    const written = sections.get(section ?? '')?.get(name) ?? null;
    const found = schema.safeParse(undefined);
    if (written === null || name === 'API_URL') return;
    expect(found.success).toBe(true);
    expect([written, Number(written), parseDuration(written), written === 'true']).toContain(found.data);
  });

  it('has no variable that nobody reads', () => {
    const known = new Set(variables.map(({ name }) => name));
    const documented = [...sections.values()].flatMap((rows) => [...rows.keys()]);
    expect(documented.filter((name) => !known.has(name) && !name.startsWith('TEMPORAL_'))).toEqual([]);
  });
});
