import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/findings.md'), 'utf8');

/** Where findings are made. */
const sources = ['erasure/plan', 'erasure/preview', 'services/tenant'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('generated'))
    .map((name) => ({ file: join(folder, name), text: readFileSync(join(root, folder, name), 'utf8') })),
);

// `finding('warning', { code: 'x', …` and `{ code: 'x', severity: 'warning', …`: both may choose between several.
const MADE = /\bfinding\(\s*([^,{}]+),\s*\{\s*code: ([^,]+),|\bcode: ([^,\n]+),\s*severity: ([^,\n]+),/g;
const literals = (text: string) => [...text.matchAll(/'(\w+)'/g)].map((match) => match[1] ?? '');

const severities = new Map<string, Set<string>>();
for (const { text } of sources) {
  for (const [, first = '', second = '', third = '', fourth = ''] of text.matchAll(MADE)) {
    for (const code of literals(second || third)) {
      const known = severities.get(code) ?? new Set();
      severities.set(code, new Set([...known, ...literals(first || fourth)]));
    }
  }
}

const rows = [
  ...page.matchAll(/^\| `(\w+)` +\| ((?:info|warning|refusal)[a-z, ]*?) +\| (.+?) +\| (.+?) +\|$/gm),
].map(([, code = '', severity = '', meaning = '', remedy = '']) => ({ code, severity, meaning, remedy }));

describe('the page of findings', () => {
  it('is held to every place that makes one', () => {
    for (const { file, text } of sources) {
      const made = [...text.matchAll(MADE)].length;
      const written = [...text.matchAll(/\bcode: (?:'|\w+ \? ')/g)].length;
      expect(made, `${file} makes findings in a form that this test does not read`).toBe(written);
    }
    expect(severities.size).toBeGreaterThan(30);
  });

  it('explains every code once, and none that does not exist', () => {
    expect(rows.map(({ code }) => code).sort()).toEqual([...severities.keys()].sort());
  });

  it.each(rows)('says how severe $code is, and what a person does', ({ code, severity, meaning, remedy }) => {
    expect(severity.split(', ').sort()).toEqual([...(severities.get(code) ?? [])].sort());
    expect(meaning.length).toBeGreaterThan(20);
    expect(remedy.length).toBeGreaterThan(5);
  });
});
