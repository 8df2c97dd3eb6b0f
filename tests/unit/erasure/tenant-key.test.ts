import { describe, expect, it } from 'vitest';
import { tenantKey } from '../../../erasure/tenant-key.js';

describe('a tenant’s key', () => {
  it.each([
    ['integer', '7'],
    ['integer', '0'],
    ['integer', '-2147483648'],
    ['bigint', '9223372036854775807'],
    ['text', ' 007 '],
    ['uuid', '1a000000-0000-4000-8000-00000000000f'],
  ] as const)('of type %s is taken as it is: %s', (type, key) => {
    expect(tenantKey(key, type)).toBe(key);
  });

  it('that is a UUID is one key, however it is written', () => {
    expect(tenantKey('1A000000-0000-4000-8000-00000000000F', 'uuid')).toBe(
      '1a000000-0000-4000-8000-00000000000f',
    );
  });

  // PostgreSQL reads each of these as a number that is written in another way.
  it.each(['01', '-0', '00', '+1', ' 1', '1 ', '1.0', '1e2', '0x1', '1_000', '', '2147483648', '١'])(
    'that is a number is written in one way: not as %j',
    (key) => {
      expect(() => tenantKey(key, 'integer')).toThrow(/not a valid integer/);
    },
  );

  it.each(['', 'a\0b'])('that is text has to be some: not %j', (key) => {
    expect(() => tenantKey(key, 'text')).toThrow(/not a valid text/);
  });

  it('is not repeated where it is refused', () => {
    expect(() => tenantKey('someone@example.org', 'bigint')).toThrow(/^(?!.*someone)/);
  });
});
