import { expect, it } from 'vitest';
import { statementNames } from '../../../records/statement-names.js';

it('gives a text one name, which PostgreSQL takes whole, and further texts than may be kept none', () => {
  const nameOf = statementNames(2);
  const first = nameOf({ sql: 'SELECT 1' });
  const second = nameOf({ sql: 'SELECT 2' });
  expect([first, second].every((name) => /^[\x21-\x7e]{1,63}$/.test(name))).toBe(true);
  expect(second).not.toBe(first);
  expect(nameOf({ sql: 'SELECT 3' })).toBe('');
  expect(nameOf({ sql: 'SELECT 1' })).toBe(first);
});
