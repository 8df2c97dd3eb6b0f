/** The last step: the certificate over what was verified, and with it the job's end. */

import { v7 as uuidv7 } from 'uuid';
import { CERTIFICATE_TYPE } from '../proof/certificate.js';
import { type Coverage, certify, type JobFacts, NotVerified } from '../proof/certify.js';
import { signJws } from '../proof/jws.js';
import type { SigningKeyError, SigningKeys } from '../protocol/keys.js';
import { Problem } from '../protocol/problems.js';
import type { IssuedCertificate } from '../records/proof-types.js';
import type { Parts } from './dependencies.js';
import { endWith, stateOfJob } from './record.js';
import type { CompleteInput, JobState } from './types.js';

/** Signs what the records hold of a job, or says why not. */
export interface CertificateSigner {
  issue(facts: JobFacts): Promise<IssuedCertificate>;
}

export interface CertificateSignerOptions {
  readonly issuer: string;
  /** Read at each certificate: a key that has been put there meanwhile signs at once. */
  readonly readKeys: () => Promise<SigningKeys>;
  readonly coverage: Coverage;
}

export function createCertificateSigner(options: CertificateSignerOptions): CertificateSigner {
  return {
    async issue(facts) {
      const { signing } = await options.readKeys().catch((error: unknown) => {
        throw missing(error);
      });
      const issue = {
        certificateId: uuidv7(),
        issuer: options.issuer,
        keyId: signing.kid,
        issuedAt: new Date().toISOString(),
      };
      const jws = await signJws(certified(facts, options.coverage, issue), CERTIFICATE_TYPE, signing);
      return { certificateId: issue.certificateId, issuedAt: issue.issuedAt, kid: signing.kid, jws };
    },
  };
}

function certified(...[facts, coverage, issue]: Parameters<typeof certify>) {
  try {
    return certify(facts, coverage, issue);
  } catch (error) {
    if (error instanceof NotVerified) throw new Problem('not_verified', error.message);
    throw error;
  }
}

function missing(error: unknown): unknown {
  if ((error as Partial<SigningKeyError> | null)?.name !== 'SigningKeyError') return error;
  const problem = new Problem(
    'signing_key_missing',
    'There is no certificate key in SIGNING_KEYS_DIR that can sign. Put one there (docs/certificate.md); then replay the job.',
  );
  problem.cause = error;
  return problem;
}

export function certificateSteps(parts: Parts) {
  return {
    /** Certificate, erased tenant and end in one transaction. An end is never left: where there is one, it is answered. */
    async completeJob({ jobId, number, outcome }: CompleteInput): Promise<JobState> {
      const { records, certificates } = parts;
      const job = await endWith(parts, jobId, async () =>
        records.completeJob(jobId, await parts.order(jobId, number), outcome, (facts) =>
          certificates.issue(facts),
        ),
      );
      return stateOfJob(parts, job);
    },
  };
}
