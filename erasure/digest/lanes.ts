/**
 * A digest of many rows in which their order does not matter and equal rows do not cancel: the keyed SHA-256 of each
 * row, cut into four lanes of 64 bits, each added up modulo 2^64. Sums of parts add up to the sum of the whole.
 */
import { createHash } from 'node:crypto';
import type { Archive } from '../ledger/record.js';
import type { ArchiveDigest, Digests, Lanes, TableDigest } from './types.js';

export const ZERO: Lanes = ['0', '0', '0', '0'];

/** Sums as PostgreSQL gives them, signed and beyond 64 bits, are the same numbers modulo 2^64. */
export function addLanes(one: Lanes, other: Lanes): Lanes {
  const lane = (place: 0 | 1 | 2 | 3) =>
    String(BigInt.asUintN(64, BigInt(one[place]) + BigInt(other[place])));
  return [lane(0), lane(1), lane(2), lane(3)];
}

export function hexOf(lanes: Lanes): string {
  return lanes.map((lane) => BigInt(lane).toString(16).padStart(16, '0')).join('');
}

/** One secret, a key for each purpose: who is given the one for exports cannot try out columns that were left out. */
export function keyFor(secret: string, purpose: 'archive' | 'export'): Buffer {
  return createHash('sha256').update(Buffer.from(secret, 'hex')).update(purpose).digest();
}

/** Whether everything archived was digested, for an export too where that is wanted. */
export function isDigested(
  digests: Digests | null,
  archives: readonly Archive[],
  exported: boolean,
): digests is Digests {
  return (
    digests !== null &&
    archives.every((archive) => isDone(digests.archives[archive.archive], archive, exported))
  );
}

/** Names of archives that were dropped may come again: what was digested of them is kept under another. */
export function withDropped(digests: Digests, names: ReadonlySet<string>): Digests {
  const taken = Object.keys(digests.archives);
  const nameOf = (name: string) => {
    if (!names.has(name)) return name;
    const before = taken.filter((one) => one.startsWith(`${name} dropped`)).length;
    return `${name} dropped ${before + 1}`;
  };
  const archives = Object.entries(digests.archives).map(([name, digest]) => [nameOf(name), digest] as const);
  return { ...digests, archives: Object.fromEntries(archives) };
}

export function isDone(
  digest: ArchiveDigest | undefined,
  { rows }: Pick<Archive, 'rows'>,
  exported: boolean,
): boolean {
  return digest?.next === null && digest.of === rows && !(exported && digest.exported === null);
}

/** By table; undefined where there are none, or not all of them yet. */
export function tableDigests(
  digests: Digests | null,
  archives: readonly Archive[],
): TableDigest[] | undefined {
  if (!isDigested(digests, archives, false)) return undefined;
  const tables = new Map<string, Omit<ArchiveDigest, 'next' | 'of'>>();
  for (const one of Object.values(digests.archives)) {
    const { table, rows, lanes, exported } = tables.get(one.table) ?? { ...one, rows: 0, lanes: ZERO };
    const first = !tables.has(one.table);
    const both = first ? one.exported : exported && one.exported && addLanes(exported, one.exported);
    tables.set(table, {
      table,
      rows: rows + one.rows,
      lanes: addLanes(lanes, one.lanes),
      exported: both,
    });
  }
  return [...tables.values()].map(({ table, rows, lanes, exported }) => ({
    table,
    rows,
    digest: hexOf(lanes),
    ...(exported && { exported: hexOf(exported) }),
  }));
}
