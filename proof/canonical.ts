/** What is hashed or signed has one form: RFC 8785 canonical JSON. */
import { createHash } from 'node:crypto';
import canonicalizeModule from 'canonicalize';

// The package is CommonJS, and its types name a default export that Node does not give.
const canonicalize = canonicalizeModule as unknown as (value: unknown) => string | undefined;

/** The canonical text of a value that JSON can hold. */
export function canonicalText(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('JSON cannot hold this value.');
  return text;
}

/** SHA-256 in hex. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** SHA-256 in hex over the canonical text. */
export function canonicalHash(value: unknown): string {
  return sha256(canonicalText(value));
}

/** Not by the machine's language: two processes have to come to the same order. */
export function byCodeUnits(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
