/**
 * Makes a fresh clone ready: Node's version, the npm packages, Prisma's generated clients. Needs nothing but Node,
 * and does nothing where nothing is to be done. Runs first in npm's scripts, so it may find no package installed.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const stampFile = join(modules, '.lethe-setup');
const NODE_AT_LEAST = [20, 19];

/** Prisma's clients: where the schema is, and where its client goes. */
const clients = [
  { schema: 'prisma/lethe', output: 'records/generated' },
  { schema: 'prisma/tenant', output: 'services/tenant/generated' },
];

checkNode();
const stamp = readStamp();
installPackages();
for (const client of clients) generateClient(client);

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > NODE_AT_LEAST[0] || (major === NODE_AT_LEAST[0] && minor >= NODE_AT_LEAST[1])) return;
  fail(
    `Lethe needs Node ${NODE_AT_LEAST.join('.')} or later, and this is ${process.versions.node}. Install a newer one (https://nodejs.org), then try again.`,
  );
}

function installPackages() {
  const lock = hash([readFileSync(join(root, 'package-lock.json')), `${process.platform}-${process.arch}`]);
  if (stamp.lock === lock) return;
  if (!isInstalled()) {
    say('Installing the npm packages (npm ci)');
    // The npm that runs this script, where one does. Tests and demo need the development's packages in any NODE_ENV.
    const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
    const { npm_execpath: npm } = process.env;
    const [command, before] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
    run(
      command,
      [...before, ...args],
      {},
      'The npm packages could not be installed. Is the npm registry in reach?',
    );
  }
  stamp.lock = lock;
  // What was generated may have gone with the old packages' versions.
  stamp.clients = {};
  writeStamp();
}

/** Whether npm installed just what the lock file says: npm keeps a list of what it installed. */
function isInstalled() {
  const installedList = join(modules, '.package-lock.json');
  if (!existsSync(installedList)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedList, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || optional || installed[path]?.version === version,
  );
}

function generateClient({ schema, output }) {
  const directory = join(root, schema);
  const files = existsSync(directory) ? schemaFiles(directory) : [];
  if (files.length === 0) return;
  const wanted = hash(files.map((file) => readFileSync(file)));
  if (stamp.clients[schema] === wanted && existsSync(join(root, output))) return;
  say(`Generating Prisma's client for ${schema}`);
  const single = files.length === 1 ? relative(root, files[0]) : schema;
  run(
    process.execPath,
    [join(modules, 'prisma/build/index.js'), 'generate', `--schema=${single}`, '--no-hints'],
    {
      // `generate` would download an engine that it does not use; any program in its place stops that.
      PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      CHECKPOINT_DISABLE: '1',
    },
    `Prisma's client for ${schema} could not be generated.`,
  );
  stamp.clients[schema] = wanted;
  writeStamp();
}

function schemaFiles(directory) {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.prisma') && statSync(join(directory, name)).isFile())
    .sort()
    .map((name) => join(directory, name));
}

function run(command, args, environment, failure) {
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32' && command === 'npm',
  });
  if (result.status === 0) return;
  const said = [result.error?.message, result.stdout, result.stderr].filter(Boolean).join('\n').trim();
  fail(`${failure}\n${said}`);
}

function readStamp() {
  try {
    const { lock, clients: generated } = JSON.parse(readFileSync(stampFile, 'utf8'));
    return { lock, clients: generated ?? {} };
  } catch {
    return { lock: undefined, clients: {} };
  }
}

function writeStamp() {
  writeFileSync(stampFile, `${JSON.stringify(stamp)}\n`);
}

function hash(parts) {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part).update('\0');
  return sum.digest('hex');
}

function say(message) {
  process.stderr.write(`${message}\n`);
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
