import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PROBLEM_CODES, PROBLEMS, type ProblemCode, type Retry } from '../../protocol/problems.js';

const page = readFileSync(join(import.meta.dirname, '../../docs/errors.md'), 'utf8');
const rows = [...page.matchAll(/^\| `(\w+)` +\| (\d{3}) +\| (no|yes|keys) +\| (.+?) +\|$/gm)].map(
  ([, code = '', status = '', again = '', meaning = '']) => ({
    code,
    status: Number(status),
    again,
    meaning,
  }),
);
const AGAIN: Record<Retry, string> = { terminal: 'no', retryable: 'yes', credentials: 'keys' };

describe('the page of error codes', () => {
  it('explains every code once, and none that does not exist', () => {
    expect(rows.map((row) => row.code).sort()).toEqual([...PROBLEM_CODES].sort());
  });

  it.each(rows)('says of $code what the program does', ({ code, status, again, meaning }) => {
    const problem = PROBLEMS[code as ProblemCode];
    expect({ status, again }).toEqual({ status: problem.status, again: AGAIN[problem.retry] });
    expect(meaning.length).toBeGreaterThan(10);
  });
});
