/** The certificate of an erasure: what the platform states about one job, in a form that is versioned and signed. */
import { z } from 'zod';

export const CERTIFICATE_TYPE = 'lethe-certificate+jws';
export const CERTIFICATE_FORMAT = 'lethe-certificate';
export const CERTIFICATE_VERSION = 1;

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hex');
const time = z.iso.datetime({ offset: true });
const rows = z.int().nonnegative();

/** A person or the system itself, as the audit trail knows them. */
const actor = z.strictObject({
  id: z.string().describe('A pseudonym where it is a user; the records may still know whose'),
  role: z.string(),
});

const certifiedTable = z.strictObject({
  table: z.string(),
  deleted: rows,
  retained: rows.describe('Kept elsewhere until their date'),
  anonymized: rows.describe("Still there, and no longer the tenant's"),
  kept: rows.describe('Still there as they were, by policy'),
  ground: z.string().nullable().describe('Of what is retained: the legal ground'),
  retain_until: time.nullable(),
  digest: z
    .strictObject({ rows, digest: hash, exported: hash.nullable() })
    .nullable()
    .describe(
      'Over the rows of the archive before it was dropped (docs/protocol.md); null where none was taken',
    ),
});
export type CertifiedTable = z.infer<typeof certifiedTable>;

const certifiedService = z.strictObject({
  service: z.string(),
  role: z.enum(['participant', 'tenant_directory']),
  reversible: z.boolean().describe('Whether its rows could be brought back until the point of no return'),
  plan_hash: z.string().nullable(),
  fence: z.string().nullable().describe('What keeps late writes out there'),
  purged_at: time.nullable(),
  verified_at: time.describe('When it was counted that nothing is left outside of what the policy keeps'),
  horizon: z.string().nullable().describe('Every writer from before the fence was older, and gone by then'),
  tables: z.array(certifiedTable),
});
export type CertifiedService = z.infer<typeof certifiedService>;

const waiver = z.strictObject({
  service: z.string(),
  waiver_id: z.string(),
  reason: z.string(),
  requested_by: z.string(),
  approved_by: z.string(),
  phase: z.string().describe('The step that was left out first'),
  at: time,
});
export type CertifiedWaiver = z.infer<typeof waiver>;

const notCovered = z.strictObject({
  /** Copies of the rows that a DELETE does not reach, and when each is gone. */
  storage: z.array(
    z.strictObject({
      what: z.enum(['dead_tuples', 'write_ahead_log', 'replicas', 'backups']),
      explanation: z.string(),
      gone_by: time.nullable().describe('Null where nobody can say: see the explanation'),
    }),
  ),
  /** Systems outside of what the registry names. */
  systems: z.array(z.string().min(1)).min(1),
});

export const certificate = z.strictObject({
  format: z.literal(CERTIFICATE_FORMAT),
  version: z.literal(CERTIFICATE_VERSION),
  certificate_id: z.uuid(),
  issuer: z.string().min(1),
  key_id: z.string().min(1),
  issued_at: time,
  tenant_id: z.string().min(1),
  job: z.strictObject({
    job_id: z.uuid(),
    replay_of: z.uuid().nullable(),
    reapplies: z.uuid().nullable().describe('The job that erased the tenant first, where rows had come back'),
    scope: z.array(z.string()).describe('Only these services were asked; empty: all of them'),
    requested_at: time,
    staged_at: time.nullable(),
    decided_at: time.describe('The point of no return'),
  }),
  requested: actor.extend({ ground: z.string().nullable() }),
  approval: z.strictObject({
    required: z.boolean(),
    approval_hash: hash.nullable().describe('Over the job and the preview that it rests on'),
    preview_hash: hash.nullable(),
    approvals: z.array(actor.extend({ at: time, ground: z.string(), approval_hash: hash })),
  }),
  services: z.array(certifiedService),
  waivers: z.array(waiver).describe('Services that were not asked, as two persons have decided'),
  orphan_users: z
    .strictObject({ policy: z.string(), found: rows, deleted: rows })
    .nullable()
    .describe('Users whose only tenant this was'),
  totals: z.strictObject({ deleted: rows, retained: rows, anonymized: rows, kept: rows }),
  not_covered: notCovered,
  audit: z.strictObject({
    chain: z.string(),
    position: z.int().positive(),
    hash,
  }),
});
export type Certificate = z.infer<typeof certificate>;
export type NotCovered = z.infer<typeof notCovered>;
