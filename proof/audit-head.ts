/** A signed head over all chains: whoever keeps it can tell later that a tail was cut, or a chain taken away. */
import { z } from 'zod';
import { byCodeUnits, canonicalHash } from './canonical.js';

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hex');

export const AUDIT_HEAD_TYPE = 'lethe-audit-head+jws';
export const AUDIT_HEAD_FORMAT = 'lethe-audit-head';
export const AUDIT_HEAD_VERSION = 1;

/** How long a chain is, and the hash of its last event. */
export const chainHead = z.strictObject({
  chain: z.string().min(1).max(300),
  length: z.int().positive(),
  hash,
});
export type ChainHead = z.infer<typeof chainHead>;

export const auditHead = z.strictObject({
  format: z.literal(AUDIT_HEAD_FORMAT),
  version: z.literal(AUDIT_HEAD_VERSION),
  issuer: z.string().min(1),
  sequence: z.int().positive(),
  signed_at: z.iso.datetime({ offset: true }),
  /** SHA-256 of the head before, as a JWS; null for the first that there is. */
  previous: hash.nullable(),
  chains: z.int().nonnegative().describe('How many chains there are'),
  root: hash.describe('Over the heads of all chains, see docs/audit-trail.md'),
  changed: z.array(chainHead).describe('Heads of the chains that have grown since the head before'),
  removed: z.array(z.string()).describe('Chains that were removed since, as older than the records are kept'),
});
export type AuditHead = z.infer<typeof auditHead>;

/** SHA-256 over the canonical JSON of `[chain, length, hash]` of every chain, sorted by chain. */
export function rootOf(heads: readonly ChainHead[]): string {
  return canonicalHash(
    heads
      .toSorted((one, other) => byCodeUnits(one.chain, other.chain))
      .map(({ chain, length, hash: last }) => [chain, length, last]),
  );
}
