/**
 * `npm run generate`: writes every generated file of this repository anew. With `--check` it writes nothing, and
 * fails where a file is not what would be written.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { generatedFiles } from './generated-files.js';
import { projectRoot } from './paths.js';

const checkOnly = process.argv.includes('--check');
const stale: string[] = [];

for (const { path, render } of await generatedFiles()) {
  const file = join(projectRoot, path);
  const wanted = await render();
  if (existsSync(file) && readFileSync(file, 'utf8') === wanted) continue;
  stale.push(path);
  if (checkOnly) continue;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, wanted);
  process.stdout.write(`wrote ${path}\n`);
}

if (stale.length === 0) process.stdout.write('Every generated file is current.\n');
if (checkOnly && stale.length > 0) {
  process.stderr.write(
    `These files are not what \`npm run generate\` writes; run it and commit them:\n${stale.map((path) => `  - ${path}`).join('\n')}\n`,
  );
  process.exitCode = 1;
}
