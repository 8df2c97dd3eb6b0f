/** What the records promise about the audit trail, certificates, and the end of the records themselves. */
import type { AuditEntry } from '../proof/audit-chain.js';
import type { JobFacts } from '../proof/certify.js';
import type { SigningKey } from '../proof/jws.js';
import type { JobView } from '../protocol/jobs.js';
import type { Actor, WriteOrder } from './types.js';

export interface AuditFilter {
  readonly jobId?: string;
  readonly tenantId?: string;
  readonly from?: string;
  readonly to?: string;
}

export interface AuditPage {
  readonly events: readonly AuditEntry[];
  /** Users behind the pseudonyms in these events, as far as they are known. */
  readonly people: Readonly<Record<string, string>>;
  readonly nextCursor: string | null;
}

export interface SignedHead {
  readonly sequence: number;
  readonly signed_at: string;
  readonly jws: string;
}

export interface IssuedCertificate {
  readonly certificateId: string;
  readonly issuedAt: string;
  readonly kid: string;
  readonly jws: string;
}

export interface StoredCertificate extends IssuedCertificate {
  readonly jobId: string;
  readonly tenantId: string;
}

export interface ProofRecords {
  /**
   * Ends the job `completed`, marks the tenant as erased and stores the certificate, all in one transaction: `issue`
   * is given what the records hold of the job under its lock, and what it throws leaves everything as it was. Where
   * the job has ended already, or the write is an older run's, nothing is issued, as the view then tells.
   */
  completeJob(
    jobId: string,
    order: WriteOrder,
    outcome: string,
    issue: (facts: JobFacts) => Promise<IssuedCertificate>,
  ): Promise<JobView>;
  /** Throws `certificate_unknown`. */
  certificateOf(jobId: string): Promise<StoredCertificate>;

  /** Oldest first. */
  auditPage(filter: AuditFilter & { readonly limit: number; readonly cursor?: string }): Promise<AuditPage>;
  /** Every event that fits, chain by chain; pages are read as they are asked for. */
  auditExport(filter: AuditFilter): AsyncIterable<AuditEntry>;
  /** At most a hundred, after this number. */
  auditHeads(after: number): Promise<SignedHead[]>;
  /** Once a calendar day (UTC), or at once; null where today's is there. */
  signAuditHead(options: {
    readonly issuer: string;
    readonly key: SigningKey;
    readonly atOnce?: boolean;
  }): Promise<SignedHead | null>;

  /**
   * Forgets who the user is; the trail, jobs and certificates keep the pseudonym, which it gives. Throws
   * `user_unknown`, or `deletion_open` while something that the user asked for is open.
   */
  forgetPerson(userId: string, actor: Actor): Promise<string>;
  /**
   * Removes jobs that ended, and chains whose last event was written, before then; what is younger than 32 days is
   * refused. Certificates go only where a time is given for them.
   */
  removeOldRecords(options: {
    readonly before: string;
    readonly certificatesBefore?: string | null;
  }): Promise<{ readonly jobs: number; readonly events: number; readonly certificates: number }>;
}
