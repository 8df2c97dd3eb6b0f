/** The workflow's bundle, made once for each state of its code: that takes seconds, and every worker wants one. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { withLock } from '../../local/lock.js';
import { projectRoot, stateDirectory } from '../../local/paths.js';

const directory = join(stateDirectory, 'tests', 'bundles');
/** Of an older state of the code; a run that still goes on may use it. */
const OLD_MS = 3_600_000;

/** Gives its file, for `WORKFLOW_BUNDLE`. */
export async function workflowBundle(): Promise<string> {
  const file = join(directory, `${stateOfCode()}.js`);
  if (existsSync(file)) return file;
  return withLock(`${file}.lock`, async () => {
    if (existsSync(file)) return file;
    // Most runs have the bundle and do without the library.
    const { bundleWorkflowCode, DefaultLogger } = await import('@temporalio/worker');
    const { code } = await bundleWorkflowCode({
      workflowsPath: join(projectRoot, 'workflows/index.ts'),
      logger: new DefaultLogger('ERROR'),
    });
    removeOld();
    const draft = `${file}.${process.pid}`;
    writeFileSync(draft, code);
    renameSync(draft, file);
    return file;
  });
}

/** Over all that the bundle is made of: the workflow, what it imports, and the libraries by their lock file. */
function stateOfCode(): string {
  const hash = createHash('sha256').update(readFileSync(join(projectRoot, 'package-lock.json')));
  for (const folder of ['workflows', 'protocol', 'activities']) {
    for (const name of readdirSync(join(projectRoot, folder), { recursive: true, encoding: 'utf8' }).sort()) {
      if (!name.endsWith('.ts')) continue;
      hash.update(`${folder}/${name}\0`).update(readFileSync(join(projectRoot, folder, name)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

function removeOld(): void {
  mkdirSync(directory, { recursive: true });
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (name.endsWith('.js') && Date.now() - statSync(path).mtimeMs > OLD_MS) rmSync(path);
  }
}
