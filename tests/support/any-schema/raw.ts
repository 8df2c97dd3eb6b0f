/** What a random schema is drawn from: independent choices, most of which are possible together; `model.ts` sees to the rest. */
import fc from 'fast-check';
import { EXTRAS } from './extras.js';

/** As often as it stands there. */
const one = fc.constantFrom;
const rarely = (of: number) => fc.nat(of - 1).map((drawn) => drawn === of - 1);

const table = fc.record({
  name: fc.nat(6),
  schema: one(0, 0, 1),
  tenancy: one('none', 'none', 'first', 'first', 'second', 'both'),
  tenantRequired: fc.boolean(),
  key: one(
    ...(['int', 'identity', 'uuid', 'text', 'composite', 'composite', 'domain'] as const),
    ...(['enum', 'numeric', 'range', 'weak', 'weak', 'unique', 'none'] as const),
  ),
  partitioned: one('no', 'no', 'no', 'no', 'once', 'twice'),
  inherits: rarely(9),
  extras: fc.array(fc.nat(EXTRAS.length - 1), { maxLength: 4 }),
  rows: one(0, 3, 5, 6, 7, 7),
  keep: rarely(24),
  constraint: one('none', 'none', 'unique', 'deferrable', 'exclude'),
  dropped: fc.boolean(),
  /** A trigger that fails where the engine lets it fire, or one that does no harm. */
  trigger: fc.nat(15).map((drawn) => (drawn === 0 ? 'suppress' : drawn === 1 ? 'fire' : 'none')),
  /** So wide that a page holds two rows. */
  wide: fc.boolean(),
  salt: fc.nat(999),
});

const key = fc.record({
  child: fc.nat(7),
  parent: fc.nat(7),
  self: rarely(8),
  shape: one(
    ...(['foreign', 'foreign', 'foreign', 'foreign', 'foreign', 'foreign', 'foreign', 'foreign'] as const),
    ...(['soft', 'soft as text', 'soft when', 'unenforced', 'reverse'] as const),
  ),
  overTenant: rarely(5),
  required: fc.boolean(),
  onDelete: one(
    ...(['no_action', 'no_action', 'no_action', 'cascade', 'cascade', 'restrict'] as const),
    ...(['set_null', 'set_default'] as const),
  ),
  deferrable: one('not', 'not', 'immediate', 'deferred'),
  full: fc.boolean(),
  indexed: fc.boolean(),
  notValid: rarely(8),
  decision: one('owns', 'reference', 'reference', 'conflict'),
  decided: rarely(8),
  stray: rarely(14),
  setColumns: fc.boolean(),
  withDefault: fc.boolean(),
  /** The child's column is of another type than the parent's. */
  crossType: rarely(4),
  salt: fc.nat(999),
});

export const rawSchema = fc.record({
  tenantType: one('uuid', 'integer', 'bigint', 'text'),
  root: fc.boolean(),
  tables: fc.array(table, { minLength: 2, maxLength: 8 }),
  keys: fc.array(key, { minLength: 1, maxLength: 12 }),
});

export type RawSchema = typeof rawSchema extends fc.Arbitrary<infer T> ? T : never;
export type RawTable = RawSchema['tables'][number];
export type RawKey = RawSchema['keys'][number];
