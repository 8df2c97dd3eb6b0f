import { describe, expect, it } from 'vitest';
import { engineError, repetitionOf } from '../../../erasure/errors.js';

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

describe('a failure of PostgreSQL', () => {
  it.each([
    ['40001', 'could not serialize access due to concurrent update', 'slice'],
    ['40P01', 'deadlock detected', 'slice'],
    ['57P01', 'terminating connection due to administrator command', 'slice'],
    ['08006', 'connection failure', 'slice'],
    ['53100', 'could not extend file: No space left on device', 'caller'],
    ['53200', 'out of shared memory', 'caller'],
    ['53300', 'too many connections for role', 'caller'],
    ['55P03', 'canceling statement due to lock timeout', 'caller'],
    ['57014', 'canceling statement due to user request', 'caller'],
    ['57P03', 'the database system is starting up', 'caller'],
    // A standby that the connection was led to, before and after it has taken over.
    ['25006', 'cannot execute INSERT in a read-only transaction', 'caller'],
    ['0A000', 'cannot set transaction read-write mode during recovery', 'caller'],
    ['55000', 'database "x" is not currently accepting connections', 'caller'],
    ['0A000', 'cross-database references are not implemented', 'never'],
    ['55000', 'cannot delete from table "x" because it does not have a replica identity', 'never'],
    ['42501', 'permission denied for table x', 'never'],
    ['23505', 'duplicate key value violates unique constraint', 'never'],
    ['42P01', 'relation "x" does not exist', 'never'],
  ] as const)('%s (%s) is tried again by: %s', (code, message, by) => {
    expect(repetitionOf(failure(code, message))).toBe(by);
  });

  it('that may pass is told as such', () => {
    for (const code of ['25006', '57P03'])
      expect(engineError(failure(code, 'x'))).toMatchObject({ code: 'database_unavailable' });
    expect(engineError(failure('53200', 'out of shared memory'))).toMatchObject({ code: 'database_busy' });
    expect(engineError(failure('42P01', 'relation "x" does not exist'))).toMatchObject({
      code: 'database_error',
    });
  });

  it('repeats no values of rows', () => {
    const told = engineError(failure('22P02', 'invalid input syntax for type uuid: "someone@example.org"'));
    expect(String(told)).not.toContain('someone');
  });
});
