/** Numbers and ids that follow from a seed, a table and a row's number, so that no row has to be remembered. */
import { createHash } from 'node:crypto';

/** What the rows of one table of one tenant follow from. */
export type TableKey = readonly [number, number, number, number];

/** The same seed, tenant and table give the same key. */
export function tableKey(seed: string, tenant: number, table: string): TableKey {
  const hash = createHash('sha256').update(`${seed}\n${tenant}\n${table}`).digest();
  return [hash.readUInt32LE(0), hash.readUInt32LE(4), hash.readUInt32LE(8), hash.readUInt32LE(12)];
}

/** A number of 32 bits from the seed, for libraries that take no more. */
export function seedNumber(seed: string): number {
  return createHash('sha256').update(seed).digest().readUInt32LE(0);
}

// The finalizer of MurmurHash3: a bijection, so that two rows of a table never get the same first 32 bits.
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const HEX = Array.from({ length: 65_536 }, (_, value) => value.toString(16).padStart(4, '0'));

function hex4(value: number): string {
  return HEX[value & 0xffff] ?? '';
}

/** The id of a row: a UUID of version 4. */
export function rowId(key: TableKey, index: number): string {
  const a = mix(index ^ key[0]);
  const b = mix(a ^ key[1]);
  const c = mix(b ^ key[2]);
  const d = mix(c ^ key[3]);
  const version = hex4((b & 0x0fff) | 0x4000);
  const variant = hex4((c & 0x3fff) | 0x8000);
  return `${hex4(a >>> 16)}${hex4(a)}-${hex4(b >>> 16)}-${version}-${variant}-${hex4(c >>> 16)}${hex4(d >>> 16)}${hex4(d)}`;
}

/** A number in [0, 1) that belongs to a row; `salt` tells several of one row apart. */
export function rowDraw(key: TableKey, index: number, salt: number): number {
  return mix(mix(index ^ key[1]) ^ key[2] ^ Math.imul(salt + 1, 0x9e3779b1)) / 4_294_967_296;
}

/** A stream of numbers for one row after the other. */
export class Random {
  #state = 0;

  begin(key: TableKey, index: number): void {
    this.#state = mix(mix(index ^ key[3]) ^ key[0]);
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }
}
