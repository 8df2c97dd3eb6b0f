/** Certificates for tests: a signer with keys of its own, and an end of a job that nobody looks at closely. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeyPair, type JSONWebKeySet } from 'jose';
import { v7 as uuidv7 } from 'uuid';
import { type CertificateSigner, createCertificateSigner } from '../../activities/certificate.js';
import { CERTIFICATE_TYPE } from '../../proof/certificate.js';
import { certify, type JobFacts } from '../../proof/certify.js';
import { signJws } from '../../proof/jws.js';
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

const HASH = 'a'.repeat(64);

/** As the records would tell of a job of one service that is all done. */
export function sampleFacts(tenantId: string, jobId: string, changes: Partial<JobFacts> = {}): JobFacts {
  const now = new Date().toISOString();
  const table = { retained: 0, anonymized: 0, kept: 0, ground: null, retain_until: null, digest: null };
  return {
    job: {
      job_id: jobId,
      replay_of: null,
      reapplies: null,
      scope: [],
      requested_at: now,
      staged_at: now,
      decided_at: now,
    },
    tenantId,
    decision: 'proceed',
    ended: false,
    requested: { id: 'a-pseudonym', role: 'owner', ground: null },
    approval: { required: false, approval_hash: null, preview_hash: HASH, approvals: [] },
    services: [
      {
        name: 'orders',
        role: 'participant',
        state: 'purged',
        reversible: true,
        planHash: HASH,
        fence: 'trigger',
        purgedAt: now,
        verifiedAt: now,
        horizon: '4711',
        tables: [{ ...table, table: 'orders.orders', deleted: 7 }],
      },
    ],
    waivers: [],
    orphanUsers: null,
    audit: { chain: `job/${jobId}`, position: 12, hash: HASH },
    ...changes,
  };
}

/** A certificate of such a job, signed with a key that nobody has. */
export async function sampleCertificate(
  tenantId: string,
  jobId: string,
  changes: Partial<JobFacts> = {},
): Promise<IssuedCertificate> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519' });
  const issue = { certificateId: uuidv7(), issuer: 'tests', keyId: 'k1', issuedAt: new Date().toISOString() };
  const coverage = { walMs: null, replicasMs: null, backupsMs: null, systems: NOT_COVERED };
  const said = certify(sampleFacts(tenantId, jobId, changes), coverage, issue);
  const jws = await signJws(said, CERTIFICATE_TYPE, { kid: 'k1', privateKey });
  return { certificateId: issue.certificateId, issuedAt: issue.issuedAt, kid: 'k1', jws };
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
