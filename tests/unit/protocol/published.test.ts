import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TRANSITIONS as ENGINE_TRANSITIONS } from '../../../erasure/ledger/transitions.js';
import { generatedFiles } from '../../../local/generated-files.js';
import { CALLS, type CallName, EXPORT_PATH } from '../../../protocol/calls.js';
import { CODES_OF_CALLS, COMMON_CODES, LEVELS, openApiDocument } from '../../../protocol/openapi.js';
import { deletionTarget, ledgerState } from '../../../protocol/participant.js';
import { PROBLEMS, type ProblemCode } from '../../../protocol/problems.js';
import { TRANSITIONS, type Transition } from '../../../protocol/transitions.js';

const docs = join(import.meta.dirname, '../../../docs');
const page = readFileSync(join(docs, 'protocol.md'), 'utf8');
const names = Object.keys(CALLS) as CallName[];
const template = (path: string) => path.replace(/:(\w+)/g, '{$1}');

/** The cells of the table that follows a mark in the page. */
function tableAfter(mark: string): string[][] {
  const rest = page.split(`<!-- ${mark}:`)[1] ?? '';
  const lines = (/\n(\|[^\n]*\n)+/.exec(rest)?.[0] ?? '').trim().split('\n');
  return lines.slice(2).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

describe('the table of states', () => {
  const told = (cell: Transition) =>
    cell.answer === 'works'
      ? `works, in \`${cell.meanwhile}\``
      : cell.answer === 'done'
        ? 'done'
        : `409 \`${cell.code}\``;

  it('is the same for the wire and for the engine', () => {
    const ofEngine = Object.fromEntries(
      Object.entries(ENGINE_TRANSITIONS).map(([state, row]) => [
        state,
        Object.fromEntries(
          Object.entries(row).map(([target, answer]) => [
            target,
            typeof answer === 'object'
              ? { answer: 'works', meanwhile: answer.go }
              : answer === 'done'
                ? { answer }
                : { answer: 'refused', code: answer },
          ]),
        ),
      ]),
    );
    expect(ofEngine).toEqual(TRANSITIONS);
  });

  it('stands in the page as it is', () => {
    expect(tableAfter('transitions')).toEqual(
      ledgerState.options.map((state) => [
        `\`${state}\``,
        ...deletionTarget.options.map((target) => told(TRANSITIONS[state][target])),
      ]),
    );
  });
});

describe('the table of errors in the page', () => {
  const codes = [
    ...new Set([...COMMON_CODES, ...(CODES_OF_CALLS.advance ?? []), ...(CODES_OF_CALLS.deleteNow ?? [])]),
  ];
  const rows = tableAfter('errors');

  it('has every code that a participant may answer', () => {
    expect(rows.map(([code = '']) => code.replaceAll('`', '')).sort()).toEqual([...codes].sort());
  });

  it.each(rows)('says of %s what the platform does', (code, status, does) => {
    const problem = PROBLEMS[code.replaceAll('`', '') as ProblemCode];
    expect(Number(status)).toBe(problem.status);
    const again = problem.retry !== 'terminal';
    expect(/tries again/.test(does)).toBe(again);
    expect(/^(gives up|waits for a person)/.test(does)).toBe(!again);
  });
});

describe('the OpenAPI document', () => {
  const document = openApiDocument() as {
    paths: Record<
      string,
      Record<string, { operationId?: string; parameters?: { name: string; required: boolean }[] }>
    >;
    components: { schemas: Record<string, unknown> };
  };

  it('is the one that is published', async () => {
    const published = readFileSync(join(docs, 'protocol.openapi.json'), 'utf8');
    const file = (await generatedFiles()).find(({ path }) => path === 'docs/protocol.openapi.json');
    expect(await file?.render()).toBe(published);
  });

  it.each(names)('has the call %s', (name) => {
    const { method, path } = CALLS[name];
    expect(document.paths[template(path)]?.[method.toLowerCase()]?.operationId).toBe(name);
  });

  it('has the export, and what is asked without a token', () => {
    for (const path of [template(EXPORT_PATH), '/healthz', '/readyz', '/metrics']) {
      expect(document.paths[path]?.get).toBeDefined();
    }
  });

  it('has every schema that it refers to, and none besides', () => {
    const referred = [...JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g)].map(
      ([, id]) => id,
    );
    expect([...new Set(referred)].sort()).toEqual(Object.keys(document.components.schemas).sort());
  });

  it('says which parameters are needed', () => {
    const required = (path: string, method: string) =>
      (document.paths[path]?.[method]?.parameters ?? []).filter((one) => one.required).map((one) => one.name);
    expect(required('/tenant/{tenant_id}', 'delete')).toEqual(['tenant_id', 'job_id']);
    expect(required('/tenant/{tenant_id}/verification', 'get')).toEqual(['tenant_id']);
  });
});

describe('the page', () => {
  it.each(names)('tells of the call %s and of its action', (name) => {
    const { method, path, action } = CALLS[name];
    const address = template(path);
    const line = page
      .split('\n')
      .find((one) => new RegExp(`^\\| \`${method} ${address.replace(/[{}]/g, '\\$&')}[\`?]`).test(one));
    expect(line, `${method} ${address}`).toBeDefined();
    expect(line).toContain(action === null ? 'the target' : `\`${action}\``);
    const simple = line?.split('|')[2]?.includes('✓') ?? false;
    if (LEVELS[name] !== 'directory') expect(simple).toBe(LEVELS[name] === 'simple');
  });
});
