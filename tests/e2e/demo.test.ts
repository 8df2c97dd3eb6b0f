import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { childEnvironment } from '../../config.js';
import { projectRoot, stateDirectory } from '../../local/paths.js';
import { readProcessTable } from '../../local/process-table.js';

/** From nothing, as after a clone: no server is given, and nobody watches at a terminal. */
async function demo(...options: string[]): Promise<{ status: number | null; said: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(projectRoot, 'local/demo.ts'), ...options], {
    cwd: projectRoot,
    env: childEnvironment({ CI: 'true', DATABASE_URL: undefined, TEMPORAL_ADDRESS: undefined }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const [said, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { status: await ended, said: said + errors };
}

describe('npm run demo', () => {
  it('deletes a bakery, brings another back, replays it, and leaves no process behind', async () => {
    const { status, said } = await demo('--rows', '600');
    expect(said).not.toContain('✗');
    expect(said).toMatch(/^ {2}✓ .+ deleted: completed$/m);
    expect(said).toMatch(/^ {2}✓ .+ failed and restored: compensated$/m);
    expect(said).toMatch(/^ {2}✓ .+ replayed: completed$/m);
    expect(said.match(/✓ [\d,]+ rows have left/g)).toHaveLength(2);
    expect(said.match(/finds the certificate as it was signed/g)).toHaveLength(2);
    expect(said.match(/One letter changed in it, and it says so/g)).toHaveLength(2);
    expect(status).toBe(0);
    expect(readProcessTable(join(stateDirectory, 'demo', 'processes.json'))?.processes).toEqual([]);
  }, 240_000);

  it('refuses options that it does not know with status 2, before it starts anything', async () => {
    const { status, said } = await demo('--rows', 'few');
    expect(status).toBe(2);
    expect(said).toMatch(/whole number from \d+ to/);
    expect(said).not.toContain('Starting');
  });
});
