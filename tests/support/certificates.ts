/** Certificates for tests: a signer with keys of its own, and an end of a job that nobody looks at closely. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JSONWebKeySet } from 'jose';
import { v7 as uuidv7 } from 'uuid';
import { type CertificateSigner, createCertificateSigner } from '../../activities/certificate.js';
import type { EndedStatus, JobView } from '../../protocol/jobs.js';
import { readPublicKeys, readSigningKeys, writeSigningKey } from '../../protocol/keys.js';
import type { IssuedCertificate } from '../../records/proof-types.js';
import type { Records, WriteOrder } from '../../records/types.js';

export interface TestCertificates {
  readonly signer: CertificateSigner;
  /** `SIGNING_KEYS_DIR`. */
  readonly directory: string;
  publicKeys(): Promise<JSONWebKeySet>;
  remove(): void;
}

export const NOT_COVERED = ['The newsletter', 'Paper'];

export async function testCertificates(): Promise<TestCertificates> {
  const directory = mkdtempSync(join(tmpdir(), 'lethe-certificates-'));
  await writeSigningKey(directory, 'certificate');
  return {
    signer: createCertificateSigner({
      issuer: 'lethe tests',
      readKeys: () => readSigningKeys(directory, 'certificate'),
      coverage: { systems: NOT_COVERED, backupsMs: 30 * 24 * 3_600_000, walMs: null, replicasMs: 0 },
    }),
    directory,
    publicKeys: async () => (await readPublicKeys(directory, 'certificate')).jwks,
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** What stands where a test is not about certificates. */
export async function anyCertificate(): Promise<IssuedCertificate> {
  return { certificateId: uuidv7(), issuedAt: new Date().toISOString(), kid: 'of a test', jws: 'of.a.test' };
}

/** Ends a job so, as a run would. */
export function endAs(
  records: Pick<Records, 'completeJob' | 'endJob'>,
  jobId: string,
  order: WriteOrder,
  status: EndedStatus,
  outcome: string,
): Promise<JobView> {
  return status === 'completed'
    ? complete(records, jobId, order, outcome)
    : records.endJob(jobId, order, status, outcome);
}

/** Ends a job `completed` whose services nobody looks at. */
export function complete(
  records: Pick<Records, 'completeJob'>,
  jobId: string,
  order: WriteOrder,
  outcome = 'Nothing is left.',
): Promise<JobView> {
  return records.completeJob(jobId, order, outcome, anyCertificate);
}
