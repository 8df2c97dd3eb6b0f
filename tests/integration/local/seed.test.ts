import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectRoot } from '../../../local/paths.js';

function seed(...options: string[]) {
  return spawnSync(process.execPath, ['--import', 'tsx', join(projectRoot, 'local/seed.ts'), ...options], {
    cwd: projectRoot,
    encoding: 'utf8',
  });
}

describe('npm run seed', () => {
  it.each([
    ['a word for a number', ['--rows', 'many'], 'whole number from 1 to'],
    ['none at all', ['--tenants', '0'], 'whole number from 1 to'],
    ['a misspelt option', ['--tenant', '1'], '--tenants'],
  ])('refuses %s with status 2, says what it should be, and prints no JSON', (_, options, said) => {
    const { status, stdout, stderr } = seed(...options);
    expect(status).toBe(2);
    expect(stderr).toContain(said);
    expect(stdout).toBe('');
  });
});
