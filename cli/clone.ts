/** Where `npm start` of this clone has its API, while it runs. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';

/** Only of the clone that this program is part of: another directory's file could lead a token anywhere. */
export function apiUrlOfClone(directory: string): string | undefined {
  const file = [directory, join(directory, '..')]
    .map((root) => join(root, '.lethe', 'local.env'))
    .find((path) => existsSync(path));
  return file === undefined ? undefined : parseEnv(readFileSync(file, 'utf8')).API_URL;
}
