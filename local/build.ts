/** `npm run build`: what production runs, in `dist/`. Programs, the files they read, and the workflow's bundle. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join, relative } from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';
import { projectRoot } from './paths.js';

/** Folders whose programs read files that are no TypeScript, and which. */
const ASSETS: Readonly<Record<string, readonly string[]>> = {
  prisma: ['.sql', '.toml'],
  erasure: ['.sql'],
  records: ['.sql'],
  services: ['.sql', '.json'],
};

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

function copyAssets(): number {
  let copied = 0;
  for (const [folder, endings] of Object.entries(ASSETS)) {
    for (const file of filesOf(join(projectRoot, folder))) {
      if (!endings.includes(extname(file))) continue;
      cpSync(file, join(dist, relative(projectRoot, file)));
      copied += 1;
    }
  }
  // The version that the command line and the API tell; and that these are modules.
  cpSync(join(projectRoot, 'package.json'), join(dist, 'package.json'));
  return copied + 1;
}

function filesOf(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

async function bundleWorkflows(): Promise<void> {
  const { code } = await bundleWorkflowCode({ workflowsPath: join(projectRoot, 'workflows/index.ts') });
  writeFileSync(join(dist, 'workflow-bundle.js'), code);
}

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
say('Compiling');
compile();
say(`Copied ${copyAssets()} files`);
say('Bundling the workflow');
await bundleWorkflows();
say('dist/ is ready');
