/** `npm run build`: what production runs, in `dist/`. Programs, the files they read, and the workflow's bundle. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';
import { projectRoot } from './paths.js';
import { copyAssets } from './programs.js';

const dist = join(projectRoot, 'dist');
const say = (message: string): void => void process.stdout.write(`${message}\n`);

function compile(): void {
  const require = createRequire(import.meta.url);
  const compiler = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc');
  const result = spawnSync(process.execPath, [compiler, '-p', 'local/tsconfig.build.json'], {
    cwd: projectRoot,
    stdio: 'inherit',
  });
  if (result.status !== 0)
    throw new Error('The TypeScript compiler reported errors; nothing usable was built.');
}

async function bundleWorkflows(): Promise<void> {
  const { code } = await bundleWorkflowCode({ workflowsPath: join(projectRoot, 'workflows/index.ts') });
  writeFileSync(join(dist, 'workflow-bundle.js'), code);
}

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
say('Compiling');
compile();
say(`Copied ${copyAssets(dist)} files`);
say('Bundling the workflow');
await bundleWorkflows();
say('dist/ is ready');
