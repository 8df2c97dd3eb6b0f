/** The programs of this repository as JavaScript, and the files that they read beside it. */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { build } from 'esbuild';
import { projectRoot } from './paths.js';

/** Folders that programs run from, with the kinds of files in them that they read and that are no TypeScript. */
const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  activities: [],
  api: [],
  cli: [],
  erasure: ['.sql'],
  prisma: ['.sql', '.toml'],
  proof: [],
  protocol: [],
  records: ['.sql'],
  services: ['.sql', '.json'],
  workflows: [],
};

/**
 * Compiles them into a directory below the clone, which is made anew; types are not looked at. A process that compiles
 * what it imports as it starts takes three times as long to start.
 */
export async function compilePrograms(directory: string): Promise<void> {
  if (relative(projectRoot, directory).startsWith('..')) {
    throw new Error(
      `Programs in ${directory} would not find their libraries: compile them below ${projectRoot}.`,
    );
  }
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const inFolders = Object.keys(FOLDERS).flatMap((folder) => filesOf(join(projectRoot, folder)));
  const inRoot = readdirSync(projectRoot)
    .filter((name) => name.endsWith('.ts') && name !== 'vitest.config.ts')
    .map((name) => join(projectRoot, name));
  await build({
    entryPoints: [...inFolders, ...inRoot].filter((file) => file.endsWith('.ts')),
    outdir: directory,
    outbase: projectRoot,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'linked',
    sourcesContent: false,
    logLevel: 'warning',
  });
  copyAssets(directory);
}

/** Puts what the programs read beside them; gives how many files. */
export function copyAssets(directory: string): number {
  let copied = 0;
  for (const [folder, endings] of Object.entries(FOLDERS)) {
    for (const file of filesOf(join(projectRoot, folder))) {
      if (!endings.includes(extname(file))) continue;
      cpSync(file, join(directory, relative(projectRoot, file)));
      copied += 1;
    }
  }
  // The version that the command line and the API tell; and that these are modules.
  cpSync(join(projectRoot, 'package.json'), join(directory, 'package.json'));
  return copied + 1;
}

/** Where a program is, by its path in the repository without its ending. */
export function programIn(directory: string, entry: string): string {
  return join(directory, `${entry}.js`);
}

function filesOf(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
