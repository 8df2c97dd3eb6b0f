import { describe, expect, it } from 'vitest';
import { ConfigurationError, readApiConfig, readServicesConfig, readWorkerConfig } from '../../config.js';

const platform = {
  RECORDS_DATABASE_URL: 'postgres://records:secret@127.0.0.1:5432/lethe',
  LETHE_SERVICES_FILE: 'services.json',
  SIGNING_KEYS_DIR: 'keys',
};

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
      readWorkerConfig({ ...platform, RECORDS_DATABASE_URL: 'mysql://u:hunter2@h/d' }),
    );
    expect(faults.join()).toContain('RECORDS_DATABASE_URL');
    expect(faults.join()).not.toContain('hunter2');
  });

  it('refuses REQUIRE_APPROVAL=true, since nobody could approve', () => {
    expect(faultsOf(() => readWorkerConfig({ ...platform, REQUIRE_APPROVAL: 'true' }))).toEqual([
      'REQUIRE_APPROVAL has to be false: approval is not part of this version',
    ]);
  });

  it('takes an empty variable as one that is not set', () => {
    expect(readWorkerConfig({ ...platform, GIVE_UP_AFTER: '' }).GIVE_UP_AFTER).toBe(15 * 60_000);
  });

  it('reads durations as people write them, into milliseconds', () => {
    const config = readWorkerConfig({ ...platform, GIVE_UP_AFTER: '10s', OLDER_TRANSACTION_LIMIT: '1.5h' });
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
