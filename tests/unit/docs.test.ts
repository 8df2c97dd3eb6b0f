import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const inDocs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => join('docs', name));
const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...inDocs].map((file) => ({
  file,
  text: readFileSync(join(root, file), 'utf8'),
}));
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

/** As GitHub makes them: lower case, without marks, with hyphens. */
function anchorsOf(text: string): string[] {
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map((match) => match[1] ?? '');
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** Folders that paths in the pages begin with. */
const SOURCES =
  /`((?:activities|api|cli|deploy|docs|erasure|local|prisma|proof|protocol|records|services|tests|workflows)\/[\w./-]*)`/g;

// What a reader is told to make, and what only begins with the name of a folder.
const EXAMPLES = /loyalty|token-issuers\.json/;

describe.each(pages)('$file', ({ file, text }) => {
  it('links to pages and headings that exist', () => {
    const broken = [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = '']) => {
      if (/^https?:/.test(target)) return [];
      const [path = '', anchor] = target.split('#');
      const page = path === '' ? join(root, file) : resolve(root, dirname(file), path);
      if (!existsSync(page)) return [target];
      return anchor && !anchorsOf(readFileSync(page, 'utf8')).includes(anchor) ? [target] : [];
    });
    expect(broken).toEqual([]);
  });

  it('names files and scripts that exist', () => {
    const paths = [...text.matchAll(SOURCES)].map((match) => match[1] ?? '');
    const missing = paths.filter((path) => !EXAMPLES.test(path) && !existsSync(join(root, path)));
    const commands = [...text.matchAll(/\bnpm run (?:--silent )?([a-z][\w:-]*)/g)].map(
      (match) => match[1] ?? '',
    );
    expect([...missing, ...commands.filter((name) => !(name in scripts))]).toEqual([]);
  });
});

describe('the documentation', () => {
  it('is found from its index, or from that of the decisions', () => {
    const linked = new Set(
      pages
        .filter(({ file }) => file.endsWith('README.md'))
        .flatMap(({ file, text }) =>
          [...text.matchAll(/\]\(([^)#\s]+)/g)].map(([, target = '']) =>
            relative(root, resolve(root, dirname(file), target)),
          ),
        ),
    );
    expect(inDocs.filter((file) => !linked.has(file) && file !== 'docs/README.md')).toEqual([]);
  });

  it('names metrics that the processes have', () => {
    const named = pages.flatMap(({ text }) =>
      [...text.matchAll(/`(lethe_(?:api|service|worker|jobs|returned|housekeeping)\w*)`/g)].map(
        (match) => match[1] ?? '',
      ),
    );
    const sources = ['api/metrics.ts', 'services/http/operations.ts', 'worker-health.ts']
      .map((file) => readFileSync(join(root, file), 'utf8'))
      .join('\n');
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter((name) => !sources.includes(`'${name}'`))).toEqual([]);
  });
});
