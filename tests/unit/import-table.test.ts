import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/** Who may import whom, besides libraries; drawn in docs/architecture.md. `config` is config.ts. */
const ALLOWED: Record<string, readonly string[]> = {
  protocol: [],
  proof: [],
  erasure: [],
  services: ['erasure', 'protocol'],
  records: ['protocol', 'proof'],
  workflows: ['protocol', 'activities'],
  activities: ['protocol', 'records', 'proof'],
  api: ['protocol', 'records', 'proof', 'workflows'],
  cli: ['protocol', 'erasure', 'proof', 'services'],
  prisma: [],
};

/** Libraries that only some folders may know. */
const LIBRARIES: readonly { library: RegExp; only: readonly string[] }[] = [
  { library: /^@prisma\//, only: ['records', 'services/tenant', 'prisma'] },
  { library: /^pg($|-)/, only: ['erasure', 'records', 'services', 'prisma'] },
  { library: /^fastify|^@fastify\//, only: ['api', 'services'] },
  { library: /^@temporalio\/(?!common)/, only: ['records', 'workflows', 'activities', 'api'] },
];

/** Entry points that put the parts together: they read the configuration and may import every part. */
const ENTRY_POINTS = [
  'api/server.ts',
  'services/main.ts',
  'cli/lethe.ts',
  'worker.ts',
  'prisma/migrate-cli.ts',
];

interface Import {
  readonly from: string;
  readonly specifier: string;
  readonly typeOnly: boolean;
}

function sources(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder)).flatMap((name) => {
    const path = join(folder, name);
    if (name === 'generated' || name === 'node_modules') return [];
    if (statSync(join(root, path)).isDirectory()) return sources(path);
    return /\.(ts|mjs)$/.test(name) ? [path] : [];
  });
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g,
  );
  return [...found].map((match) => ({
    from: file,
    specifier: match[2] ?? match[3] ?? '',
    typeOnly: match[1] !== undefined,
  }));
}

function targetOf({ from, specifier }: Import): string | null {
  if (!specifier.startsWith('.')) return null;
  return relative(root, resolve(root, dirname(from), specifier));
}

const folders = Object.keys(ALLOWED);
const files = folders.flatMap(sources);
const imports = files.flatMap(importsOf);

describe('the house', () => {
  it('is read at all', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(imports.length).toBeGreaterThan(200);
  });

  it.each(folders)('%s imports only what the table allows', (folder) => {
    const faults = imports
      .filter(({ from }) => from.startsWith(`${folder}/`) && !ENTRY_POINTS.includes(from))
      .flatMap((one) => {
        const target = targetOf(one);
        if (target === null) return [];
        const owner = target.split('/')[0] ?? '';
        return owner === folder || ALLOWED[folder]?.includes(owner) ? [] : [`${one.from} → ${target}`];
      });
    expect(faults).toEqual([]);
  });

  it('is drawn in docs/architecture.md as the table has it', () => {
    const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
    const picture = /## Who may import whom[\s\S]*?```mermaid\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
    const drawn = Object.fromEntries(folders.map((folder) => [folder, [] as string[]]));
    for (const [, from = '', to = ''] of picture.matchAll(/^ *(\w+) (?:-->|-\. types \.->) (.+)$/gm)) {
      drawn[from]?.push(...to.split(' & '));
    }
    const sorted = (table: Record<string, readonly string[]>) =>
      Object.fromEntries(Object.entries(table).map(([from, to]) => [from, [...to].sort()]));
    expect(sorted(drawn)).toEqual(sorted(ALLOWED));
    const described = [...page.matchAll(/^\| `([a-z]+)\/` +\|/gm)].map((match) => match[1] ?? '');
    expect(described.filter((folder) => !existsSync(join(root, folder)))).toEqual([]);
    expect(described).toEqual(expect.arrayContaining([...folders, 'local', 'tests']));
  });

  it('keeps each library in the folders that need it', () => {
    const faults = imports
      .filter(({ from }) => !ENTRY_POINTS.includes(from))
      .flatMap((one) =>
        LIBRARIES.filter(({ library, only }) => {
          const place = only.some((path) => one.from.startsWith(`${path}/`));
          return library.test(one.specifier) && !place && !one.typeOnly;
        }).map(() => `${one.from} → ${one.specifier}`),
      );
    expect(faults).toEqual([]);
  });

  it('gives the workflow nothing of Node, and only types of the activities', () => {
    const workflow = imports.filter(({ from }) => from.startsWith('workflows/'));
    const faults = workflow.filter((one) => {
      const library = !one.specifier.startsWith('.');
      if (library)
        return !['@temporalio/workflow', '@temporalio/common'].includes(one.specifier) && !one.typeOnly;
      return targetOf(one)?.startsWith('activities/') && !one.typeOnly;
    });
    expect(faults).toEqual([]);
  });

  it('reads the environment in config.ts alone', () => {
    const readers = [...files, 'worker.ts', ...sources('local'), ...sources('bench')].filter(
      (file) => file !== 'local/setup.mjs' && /process\.env\b/.test(readFileSync(join(root, file), 'utf8')),
    );
    expect(readers).toEqual([]);
  });

  it('names no table of any service in the engine', () => {
    const names = sources('services')
      .filter((file) => file.endsWith('/declaration.ts'))
      .flatMap((file) => [...readFileSync(join(root, file), 'utf8').matchAll(/'([a-z_]+\.[A-Za-z_]+)'/g)])
      .map((match) => match[1] ?? '');
    expect(names.length).toBeGreaterThan(40);
    const text = sources('erasure')
      .map((file) => readFileSync(join(root, file), 'utf8'))
      .join('\n');
    expect([...new Set(names)].filter((name) => text.includes(name))).toEqual([]);
  });
});
