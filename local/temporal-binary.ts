/** Temporal's program: on the PATH, from the official download, or built from its source. */
import { execFile, spawn } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { childEnvironment, readLocalConfig } from '../config.js';
import { withLock } from './lock.js';
import { cacheDirectory, projectRoot } from './paths.js';
import { type Progress, withHeartbeat } from './progress.js';

const SOURCE = 'github.com/temporalio/cli/cmd/temporal';
// The newest whose go.mod has no `replace`, which `go install` would refuse.
const SOURCE_VERSION = 'v1.5.1';
/** Without a first byte by then, the download's server counts as out of reach. */
const DOWNLOAD_BEGINS_WITHIN_MS = 15_000;
const DOWNLOAD_ENDS_WITHIN_MS = 5 * 60_000;

const suffix = process.platform === 'win32' ? '.exe' : '';

/** The path of Temporal's program; takes minutes where it has to be built, once for all clones of a user. */
export async function findTemporal(report: Progress): Promise<string> {
  const onPath = findOnPath('temporal');
  if (onPath) return onPath;
  const kept = join(cacheDirectory(), 'bin', `temporal${suffix}`);
  if (isProgram(kept)) return kept;
  return withLock(
    join(cacheDirectory(), 'temporal.lock'),
    async () => {
      // Whoever held the lock before us may have brought it.
      if (isProgram(kept)) return kept;
      const draft = join(cacheDirectory(), `draft-${process.pid}`);
      rmSync(draft, { recursive: true, force: true });
      mkdirSync(draft, { recursive: true });
      try {
        const program = (await download(draft, report)) ?? (await build(draft, report));
        chmodSync(program, 0o755);
        mkdirSync(join(cacheDirectory(), 'bin'), { recursive: true });
        renameSync(program, kept);
      } finally {
        rmSync(draft, { recursive: true, force: true });
      }
      report(`Temporal is ready (${kept})`);
      return kept;
    },
    report,
  );
}

function findOnPath(name: string): string | null {
  const folders = readLocalConfig().PATH.split(delimiter).filter(Boolean);
  return folders.map((folder) => join(folder, `${name}${suffix}`)).find(isProgram) ?? null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Through the SDK, in a process of its own: its download cannot be called off from JavaScript. */
async function download(directory: string, report: Progress): Promise<string | null> {
  report('Looking for the official download of Temporal');
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', join(import.meta.dirname, 'temporal-download.ts'), directory],
    { cwd: projectRoot, stdio: 'ignore' },
  );
  const started = Date.now();
  const watch = setInterval(() => {
    const begun = readdirSync(directory).length > 0;
    if (Date.now() - started > (begun ? DOWNLOAD_ENDS_WITHIN_MS : DOWNLOAD_BEGINS_WITHIN_MS))
      child.kill('SIGKILL');
  }, 500);
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('exit', resolve);
  });
  clearInterval(watch);
  const program = readdirSync(directory)
    .map((name) => join(directory, name))
    .find((path) => isProgram(path) && !path.endsWith('.downloading'));
  if (code === 0 && program) return program;
  report('The download of Temporal is out of reach');
  return null;
}

async function build(directory: string, report: Progress): Promise<string> {
  const go = findOnPath('go') ?? ['/usr/local/go/bin/go', '/usr/lib/go/bin/go'].find(isProgram);
  if (!go) throw new Error(withoutTemporal('Go, which could build it, is not on this machine either.'));
  const { stdout } = await promisify(execFile)(go, ['version']);
  let compiled = 0;
  const build = `Building Temporal ${SOURCE_VERSION} from its source with ${stdout.trim().split(' ')[2]}: 2 to 8 minutes, this once`;
  await withHeartbeat(report, build, () =>
    runGo(go, directory, (line) => {
      if (line.startsWith('go: ')) return;
      compiled += 1;
      if (compiled % 250 === 0) report(`Building Temporal: ${compiled} packages compiled`);
    }),
  );
  const program = join(directory, `temporal${suffix}`);
  if (!existsSync(program)) throw new Error(withoutTemporal('Its build gave no program.'));
  return program;
}

async function runGo(go: string, directory: string, onLine: (line: string) => void): Promise<void> {
  const child = spawn(go, ['install', '-v', `${SOURCE}@${SOURCE_VERSION}`], {
    cwd: directory,
    env: childEnvironment({ GOBIN: directory }),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const last: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    last.push(line);
    if (last.length > 8) last.shift();
    onLine(line);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(withoutTemporal(`Its build failed:\n${last.join('\n')}`));
}

function withoutTemporal(reason: string): string {
  return [
    `There is no Temporal server. ${reason}`,
    'Do one of these, then try again:',
    '  - install the `temporal` command: https://docs.temporal.io/cli#install',
    `  - install Go 1.25 or later (https://go.dev/dl/): it is then built from ${SOURCE}@${SOURCE_VERSION}`,
    '  - set TEMPORAL_ADDRESS to a Temporal server that runs (host:port)',
  ].join('\n');
}
