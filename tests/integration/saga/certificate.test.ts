import { readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CERTIFICATE_TYPE, certificate } from '../../../proof/certificate.js';
import { checkJws } from '../../../proof/jws.js';
import { retireSigningKey, writeSigningKey } from '../../../protocol/keys.js';
import { NOT_COVERED } from '../../support/certificates.js';
import { OPERATOR, openTestSaga, type TestSaga } from '../../support/saga.js';

let saga: TestSaga;
beforeAll(async () => {
  saga = await openTestSaga();
  await saga.startWorker();
});
afterEach(() => saga.settle());
afterAll(() => saga?.close());

async function certificateOf(jobId: string) {
  const stored = await saga.records.certificateOf(jobId);
  const checked = await checkJws(stored.jws, CERTIFICATE_TYPE, await saga.certificates.publicKeys());
  if (checked.fault !== null) throw new Error(checked.why);
  return { stored, said: certificate.parse(checked.payload) };
}

const keyFile = () => {
  const [name = ''] = readdirSync(saga.certificates.directory).sort().slice(-1);
  return join(saga.certificates.directory, name);
};

describe('a certificate', () => {
  it('says what was deleted, when it was found clean, what is not covered, and where the trail stood', async () => {
    const tenant = saga.tenant();
    const asked = await saga.request(tenant, { reason: 'The contract has ended.' });
    const job = await saga.untilEnded(asked);
    expect(job).toMatchObject({ status: 'completed', phase: 'ended' });
    saga.expectGone(tenant);
    expect(job.services.find(({ role }) => role === 'tenant_directory')?.orphan_users?.found).toBe(2);
    const { stored, said } = await certificateOf(job.job_id);
    expect(said).toMatchObject({
      issuer: 'lethe tests',
      key_id: stored.kid,
      tenant_id: tenant,
      job: { job_id: job.job_id, decided_at: job.decided_at },
      requested: { role: 'operator', ground: 'The contract has ended.' },
      orphan_users: { policy: 'report', found: 2, deleted: 0 },
      totals: { deleted: 6, retained: 0, anonymized: 0, kept: 0 },
      not_covered: { systems: NOT_COVERED },
    });
    // A pseudonym stands in it, and nobody's id.
    expect(
      stored.jws
        .split('.')
        .map((part) => Buffer.from(part, 'base64url').toString())
        .join(),
    ).not.toContain(OPERATOR.id);
    expect(
      said.services.map(({ service, tables }) => [service, tables.map(({ deleted }) => deleted)]),
    ).toEqual([
      ['orders', [3]],
      ['sales', [2]],
      ['tenant', expect.any(Array)],
    ]);
    for (const { verified_at: at } of said.services) {
      expect(Date.parse(at)).toBeGreaterThanOrEqual(Date.parse(said.job.decided_at));
    }
    const backups = said.not_covered.storage.find(({ what }) => what === 'backups')?.gone_by ?? '';
    const purged = Math.max(...said.services.map(({ purged_at: at }) => Date.parse(at ?? '')));
    expect(Date.parse(backups) - purged).toBe(30 * 24 * 3_600_000);

    const trail = [];
    for await (const event of saga.records.auditExport({ jobId: job.job_id })) trail.push(event);
    expect(trail[said.audit.position - 1]).toMatchObject({ hash: said.audit.hash, chain: said.audit.chain });
    expect(trail.slice(said.audit.position).map(({ action }) => action)).toEqual([
      'certificate issued',
      'job ended',
    ]);
  });

  it('waits for its key, and nothing is lost; the key that is put there signs', async () => {
    const tenant = saga.tenant();
    const file = keyFile();
    renameSync(file, `${file}.away`);
    const asked = await saga.request(tenant);
    const stuck = await saga.until(asked, ({ status }) => status === 'needs_attention');
    expect(stuck).toMatchObject({
      phase: 'certificate',
      decision: 'proceed',
      ended_at: null,
      waiting_for: { kind: 'certificate', who_can_act: 'operator' },
      outcome: expect.stringContaining('signing_key_missing'),
    });
    expect(stuck.waiting_for?.next_action).toContain('SIGNING_KEYS_DIR');
    saga.expectGone(tenant);
    expect(await saga.records.isErased(tenant)).toBe(false);
    await expect(saga.records.certificateOf(asked.job_id)).rejects.toMatchObject({
      code: 'certificate_unknown',
    });
    renameSync(`${file}.away`, file);
    await saga.wake(asked);
    expect(await saga.untilEnded(asked)).toMatchObject({ status: 'completed', waiting_for: null });
    expect(await saga.records.isErased(tenant)).toBe(true);
    expect((await certificateOf(asked.job_id)).said.tenant_id).toBe(tenant);
  });

  it('of a retired key stays checkable, and the new key signs at once', async () => {
    const before = await saga.untilEnded(await saga.request(saga.tenant()));
    const old = (await certificateOf(before.job_id)).said.key_id;
    await writeSigningKey(saga.certificates.directory, 'certificate');
    await retireSigningKey(saga.certificates.directory, 'certificate', old);
    const after = await saga.untilEnded(await saga.request(saga.tenant()));
    expect((await certificateOf(after.job_id)).said.key_id).not.toBe(old);
    expect((await certificateOf(before.job_id)).said.key_id).toBe(old);
  });

  it('is refused by the signer where a service was not found clean, whoever says that it is time', async () => {
    const tenant = saga.tenant();
    const held = saga.holdIn('verify', tenant);
    const asked = await saga.request(tenant);
    await held.reached;
    const epoch = await saga.records.beginRun(asked.job_id, 'somebody in a hurry');
    const early = saga.records.completeJob(asked.job_id, { epoch, number: 1 }, 'Done.', (facts) =>
      saga.certificates.signer.issue(facts),
    );
    await expect(early).rejects.toMatchObject({
      code: 'not_verified',
      detail: expect.stringContaining('orders was not found clean'),
    });
    expect(await saga.records.isErased(tenant)).toBe(false);
    held.release();
    expect(await saga.untilEnded(asked)).toMatchObject({ status: 'completed' });
    expect((await certificateOf(asked.job_id)).said.services).toHaveLength(3);
  });
});
