/** What a running platform tells the other commands of the clone: `.lethe/local.env`. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { databaseUrlName } from '../config.js';
import { stateDirectory } from './paths.js';
import type { Platform } from './platform.js';

const file = join(stateDirectory, 'local.env');

/** Writes every address and file of the platform, in a form that a shell can `source`. */
export function writeLocalEnvironment(platform: Platform): string {
  const { files } = platform;
  const values: Record<string, string | null> = {
    DATABASE_URL: platform.databaseUrl,
    TEMPORAL_ADDRESS: platform.temporalAddress,
    TEMPORAL_NAMESPACE: platform.temporalNamespace,
    TEMPORAL_UI_URL: platform.temporalUiUrl,
    API_URL: platform.apiUrl,
    RECORDS_DATABASE_URL: platform.recordsDatabaseUrl,
    LETHE_SERVICES_FILE: files.servicesFile,
    SIGNING_KEYS_DIR: files.signingKeysDirectory,
    TOKEN_ISSUERS_FILE: files.tokenIssuersFile,
    PLATFORM_JWKS: files.platformJwks,
  };
  for (const { name, url, databaseUrl } of platform.services) {
    const ownDatabase = databaseUrlName(name);
    values[ownDatabase.replace(/_DATABASE_URL$/, '_URL')] = url;
    values[ownDatabase] = databaseUrl;
  }
  const lines = Object.entries(values).flatMap(([name, value]) =>
    value === null ? [] : [`${name}=${/^[\w./:@-]*$/.test(value) ? value : `'${value}'`}`],
  );
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
  return file;
}

export function removeLocalEnvironment(): void {
  rmSync(file, { force: true });
}

/** The running platform's value; says what to do where none runs. */
export function readLocalEnvironment(): (name: string) => string {
  if (!existsSync(file)) {
    throw new Error(
      'Nothing is running here: .lethe/local.env does not exist. Run `npm start` first, in another terminal.',
    );
  }
  const values = parseEnv(readFileSync(file, 'utf8'));
  return (name) => {
    const value = values[name];
    if (value === undefined)
      throw new Error(`${file} has no ${name}: stop \`npm start\`, and start it again.`);
    return value;
  };
}
