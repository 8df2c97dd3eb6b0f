import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ApiRefusal } from '../../../cli/api-client.js';
import { apiUrlOfClone } from '../../../cli/clone.js';
import { EXIT } from '../../../cli/exit-codes.js';
import { failureOf } from '../../../cli/failures.js';
import { toProblemDocument } from '../../../protocol/problem-document.js';
import { Problem } from '../../../protocol/problems.js';
import { lethe } from '../../support/cli.js';

const NOWHERE = 'http://127.0.0.1:1';
const refusal = (problem: Problem) =>
  new ApiRefusal(problem.status, problem.code, problem.detail, toProblemDocument(problem));

describe('what went wrong', () => {
  it.each([
    [
      'without a token',
      new Problem('unauthenticated', 'Send a token.'),
      false,
      /^unauthenticated: Send a token.\nSet LETHE_TOKEN[\s\S]*npm run --silent token/,
    ],
    [
      'with an expired token',
      new Problem('unauthenticated', 'The token has expired.'),
      true,
      /expired.\nGet a new token/,
    ],
    ['without the right', new Problem('forbidden', 'That takes: operator.'), true, /docs\/rights\.md/],
    ['with a job open', new Problem('job_open', 'Another one.', { job_id: 'J' }), true, /lethe jobs watch J/],
    ['with another preview', new Problem('preview_changed', 'It is X.'), true, /lethe preview/],
    ['with the records away', new Problem('records_unavailable', 'Away.'), true, /Try again in a moment/],
  ])('says what to do: %s', (_, problem, hasToken, text) => {
    const failure = failureOf(refusal(problem), hasToken);
    expect(failure.exit).toBe(EXIT.failed);
    expect(failure.text).toMatch(text);
    expect(failure.document).toMatchObject({ code: problem.code, status: problem.status });
  });

  it('is told on standard error, as JSON where JSON is wanted', async () => {
    const forPeople = await lethe(['doctor'], { apiUrl: NOWHERE });
    expect(forPeople).toMatchObject({ exit: EXIT.unreachable, out: '' });
    expect(forPeople.err).toContain(`The API at ${NOWHERE} does not answer (ECONNREFUSED)`);
    expect(forPeople.err).toContain('npm start');
    const forScripts = await lethe(['--json', 'doctor'], { apiUrl: NOWHERE });
    expect(forScripts).toMatchObject({ exit: EXIT.unreachable, out: '' });
    expect(JSON.parse(forScripts.err)).toMatchObject({ code: 'unreachable' });
  });

  it.each([
    [['jobs', 'replay'], 'a replay of everything is not offered'],
    [['jobs', 'list', '--status', 'done'], 'Allowed choices are'],
    [['delete'], "missing required argument 'tenant'"],
    [['dele', 'x'], 'unknown command'],
    [['--api-url', 'ftp://x', 'doctor'], 'is no address of an API'],
    [['--token', 'two tokens', 'doctor'], 'LETHE_TOKEN should hold one token'],
  ])('is the command line itself: %j', async (words, message) => {
    const run = await lethe(words, { apiUrl: NOWHERE });
    expect(run.exit).toBe(EXIT.usage);
    expect(run.err).toContain(message);
  });

  it('never repeats the token', async () => {
    const run = await lethe(['doctor'], { apiUrl: NOWHERE, token: 'secret.secret.secret' });
    expect(run.out + run.err).not.toContain('secret');
  });
});

describe('the API of a clone', () => {
  it('is the one that npm start wrote down, and none where nothing runs', () => {
    const clone = mkdtempSync(join(tmpdir(), 'lethe-clone-'));
    try {
      expect(apiUrlOfClone(clone)).toBeUndefined();
      mkdirSync(join(clone, '.lethe'));
      writeFileSync(join(clone, '.lethe/local.env'), "DATABASE_URL='x'\nAPI_URL=http://127.0.0.1:8090\n");
      expect(apiUrlOfClone(clone)).toBe('http://127.0.0.1:8090');
      // As built: the program lies one folder deeper.
      expect(apiUrlOfClone(join(clone, 'dist'))).toBe('http://127.0.0.1:8090');
    } finally {
      rmSync(clone, { recursive: true });
    }
  });
});

describe('docs/cli.md', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/cli.md'), 'utf8');

  it('explains every exit status, and none that does not exist', () => {
    const explained = [...page.matchAll(/^\| (\d) +\|/gm)].map((match) => Number(match[1]));
    expect(explained).toEqual(Object.values(EXIT));
  });

  it('knows every command and option that the program has, and no other', async () => {
    const commands = [
      'delete',
      'preview',
      'jobs list',
      'jobs show',
      'jobs watch',
      'jobs cancel',
      'jobs replay',
      'jobs approve',
      'jobs reject',
      'jobs halt',
      'jobs resume',
      'jobs export',
      'waivers ask',
      'waivers approve',
      'waivers withdraw',
      'waivers list',
      'holds place',
      'holds list',
      'holds lift',
      'certificate show',
      'certificate download',
      'certificate verify',
      'audit export',
      'audit heads',
      'audit verify',
      'people forget',
      'keys list',
      'keys add',
      'keys retire',
      'doctor',
      'init',
      'plan',
      'grants',
      'fence install',
      'fence list',
      'fence remove',
      'serve',
      'engine stage',
      'engine restore',
      'engine purge',
      'engine verify',
    ];
    const offered = new Set<string>();
    for (const command of ['', ...commands]) {
      const { exit, out } = await lethe([...command.split(' ').filter(Boolean), '--help'], {
        apiUrl: NOWHERE,
      });
      expect(exit).toBe(EXIT.ok);
      for (const [option] of out.matchAll(/--[a-z][a-z-]+/g)) offered.add(option);
      if (command) expect(page).toContain(`\`lethe ${command}`);
    }
    for (const common of ['--help', '--version']) offered.delete(common);
    const documented = new Set([...page.matchAll(/`(--[a-z][a-z-]+)`/g)].map(([, option]) => option));
    expect([...documented].sort()).toEqual([...offered].sort());
  });
});
