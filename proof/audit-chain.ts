/**
 * The audit trail as chains of events: each event carries the hash of the one before in its chain, so that none can be
 * changed, taken out, put in or moved without the hashes saying so. A cut tail is shown by a signed head.
 */
import { z } from 'zod';
import { canonicalHash } from './canonical.js';

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hex');
const time = z.iso.datetime({ offset: true });

/** An event as it is written, exported and hashed. Users are named by pseudonym. */
export const auditEntry = z.strictObject({
  chain: z.string().min(1).max(300).describe('Which chain: of a job, of a tenant’s month, of a month'),
  position: z.int().positive().describe('Its place in the chain, from 1'),
  at: time.describe('By the clock of the records; it may go back, positions do not'),
  action: z.string().min(1),
  actor: z.strictObject({
    kind: z.enum(['user', 'system']),
    id: z.string().describe('A pseudonym where it is a user'),
    role: z.string(),
  }),
  request_id: z.string().nullable(),
  job_id: z.string().nullable(),
  tenant_id: z.string().nullable(),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  previous_hash: hash.describe('Of the event before in the chain; zeros before the first'),
  hash: hash.describe('SHA-256 over the canonical JSON (RFC 8785) of all the rest'),
});
export type AuditEntry = z.infer<typeof auditEntry>;

/** What stands before the first event of a chain. */
export const GENESIS = '0'.repeat(64);

/** The hash of an event: over everything in it but the hash itself. */
export function entryHash({
  hash: _,
  ...event
}: AuditEntry | (Omit<AuditEntry, 'hash'> & { hash?: string })): string {
  return canonicalHash(event);
}

/** First line of an export: what it is, and which events were asked for. */
export const auditExportHead = z.strictObject({
  format: z.literal('lethe-audit-export'),
  version: z.literal(1),
  exported_at: time,
  filter: z.strictObject({
    job_id: z.string().nullable(),
    tenant_id: z.string().nullable(),
    from: time.nullable(),
    to: time.nullable(),
  }),
});
export type AuditExportHead = z.infer<typeof auditExportHead>;
