/** Columns of every kind that carry values and decide nothing. */

export interface Extra {
  readonly type: string;
  /** In turn; null among them. Empty: PostgreSQL fills it. */
  readonly values: readonly (string | null)[];
  /** What stands after the type. */
  readonly more?: string;
}

/** Names of schemas: the second has to be quoted. */
export const SCHEMAS = ['any', 'Any "2"'] as const;

export const TYPES_SQL = `
CREATE TYPE "any".label AS ENUM ('e0', 'e1', 'e2', 'e3', 'e4', 'e5', 'e6', 'e7', 'e900');
CREATE DOMAIN "any"."Odd Key" AS text CHECK (VALUE <> '');
CREATE DOMAIN "any".narrow AS "any"."Odd Key" CHECK (length(VALUE) < 9);
CREATE TYPE "any"."Size" AS (width numeric, unit "any".label);
CREATE TYPE "any".floats AS RANGE (subtype = float8);`;

export const EXTRAS: readonly Extra[] = [
  { type: 'int[]', values: ['{{1,2},{3,NULL}}', '{}', null] },
  { type: 'text[]', values: ['{"a\\"b",NULL,"","ü,{}"}', '[2:3]={x,NULL}'] },
  { type: 'text', values: [`it's "so"\\`, '', null], more: "DEFAULT 'x'" },
  { type: '"any".label', values: ['e1', null, 'e7'] },
  { type: '"any".label[]', values: ['{e1,NULL}', null] },
  { type: '"any".narrow', values: ['ABC1', 'ü', null] },
  { type: '"any"."Odd Key"[]', values: ['{a,"b,c"}', '{}'] },
  { type: '"any"."Size"', values: ['(1.50,e2)', '(,)', null] },
  { type: '"any".floats', values: ['[0.1,1e300)', 'empty', null] },
  { type: 'tstzrange', values: ['["2026-01-01 00:00:00+00",)', 'empty', null] },
  { type: 'int4multirange', values: ['{[1,3),[7,9)}', '{}'] },
  { type: 'numeric', values: ['1.50', '1.5', 'NaN', '-Infinity', '123456789012345678901234567890.123'] },
  { type: 'numeric(12,2)', values: ['0.10', null] },
  { type: 'float8', values: ['0.1', 'NaN', '-0', '1e-300', '3.141592653589793'] },
  { type: 'real', values: ['0.1', '16777217', null] },
  { type: 'timestamptz', values: ['2026-03-29 01:59:59.999999+00', 'infinity', null] },
  { type: 'timestamp', values: ['0044-03-15 12:00:00 BC', '294276-12-31 23:59:59.999999'] },
  { type: 'date', values: ['-infinity', '2026-02-28'] },
  { type: 'time with time zone', values: ['24:00:00+02', '00:00:00.000001-15:59'] },
  { type: 'interval', values: ['1 mon -2 days 03:04:05.678', '-178000000 years', null] },
  { type: 'jsonb', values: ['{"a": [1, null, 1.50], "ü": "\\u0001"}', 'null', null] },
  { type: 'json', values: ['{"b":1,  "a":2, "a":3}', null] },
  { type: 'bytea', values: ['\\x00ff27', '\\x', null] },
  { type: 'inet', values: ['10.0.0.1/8', '::1'] },
  { type: 'money', values: ['$1.23', null] },
  { type: 'xml', values: ['<a b="c">ü</a>', null] },
  { type: 'tsvector', values: ["'cat':3A 'fat':2", ''] },
  { type: 'point', values: ['(1.5,-2)', null] },
  { type: 'bit varying(9)', values: ['101', ''] },
  { type: 'char(5)', values: ['ab   ', null] },
  { type: '"char"', values: ['x', null] },
  { type: 'boolean', values: ['t', 'f'], more: 'NOT NULL DEFAULT true' },
  { type: 'int', values: [], more: 'GENERATED ALWAYS AS (20 + 3) STORED' },
  { type: 'int', values: [], more: 'GENERATED ALWAYS AS (length($$four$$)) VIRTUAL' },
  { type: 'bigint', values: ['1', '77', '-5'], more: 'DEFAULT 99' },
];
