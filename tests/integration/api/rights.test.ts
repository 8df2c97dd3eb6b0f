import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestApi, type TestApi } from '../../support/api.js';
import { sampleCertificate } from '../../support/certificates.js';

/** Who may do what, as docs/rights.md has it. `self` is the user whom the call is about. */
const TABLE = `
                     | owner | admin | operator | approver | auditor | member | stranger | other owner | self
preview              | yes   | yes   | yes      | yes      | yes     | no     | no       | no          | -
read the job         | yes   | yes   | yes      | yes      | yes     | no     | no       | no          | -
list the jobs        | yes   | yes   | yes      | yes      | yes     | no     | no       | no          | -
see the admins       | yes   | yes   | yes      | yes      | yes     | no     | no       | no          | -
delete               | yes   | no    | yes      | no       | no      | no     | no       | no          | -
delete with options  | yes   | no    | yes      | no       | no      | no     | no       | no          | -
cancel               | yes   | no    | yes      | no       | no      | no     | no       | no          | -
move the date        | yes   | no    | yes      | no       | no      | no     | no       | no          | -
transfer ownership   | yes   | no    | yes      | no       | no      | no     | no       | no          | -
remove memberships   | no    | no    | yes      | no       | no      | no     | no       | no          | yes
replay               | no    | no    | yes      | no       | no      | no     | no       | no          | -
replay many          | no    | no    | yes      | no       | no      | no     | no       | no          | -
see the services     | no    | no    | yes      | yes      | yes     | no     | no       | no          | -
certificate          | yes   | yes   | yes      | yes      | yes     | no     | no       | no          | -
audit trail          | no    | no    | no       | yes      | yes     | no     | no       | no          | -
export of the trail  | no    | no    | no       | yes      | yes     | no     | no       | no          | -
heads of the trail   | no    | no    | no       | yes      | yes     | no     | no       | no          | -
see what is retained | no    | no    | no       | yes      | yes     | no     | no       | no          | -
forget a person      | no    | no    | yes      | no       | no      | no     | no       | no          | -
approve              | no    | no    | yes      | yes      | no      | no     | no       | no          | -
reject               | no    | no    | yes      | yes      | no      | no     | no       | no          | -
place a hold         | no    | no    | no       | yes      | no      | no     | no       | no          | -
lift a hold          | no    | no    | no       | yes      | no      | no     | no       | no          | -
see the holds        | no    | no    | yes      | yes      | yes     | no     | no       | no          | -
halt                 | no    | no    | yes      | no       | no      | no     | no       | no          | -
see the halt         | no    | no    | yes      | no       | no      | no     | no       | no          | -
resume               | no    | no    | yes      | no       | no      | no     | no       | no          | -
waive a service      | no    | no    | yes      | no       | no      | no     | no       | no          | -
approve a waiver     | no    | no    | yes      | yes      | no      | no     | no       | no          | -
list who is erased   | no    | no    | yes      | yes      | yes     | no     | no       | no          | -
export who is erased | no    | no    | yes      | yes      | yes     | no     | no       | no          | -
see who is erased    | no    | no    | yes      | yes      | yes     | no     | no       | no          | -
check who is erased  | no    | no    | yes      | yes      | yes     | no     | no       | no          | -
import a list        | no    | no    | yes      | no       | no      | no     | no       | no          | -
erase again          | no    | no    | yes      | no       | no      | no     | no       | no          | -
ask for a release    | no    | no    | yes      | yes      | no      | no     | no       | no          | -
approve a release    | no    | no    | yes      | yes      | no      | no     | no       | no          | -
see what ran         | no    | no    | yes      | yes      | yes     | no     | no       | no          | -
fetch the export     | yes   | yes   | yes      | yes      | yes     | no     | no       | no          | -
`;

interface Scene {
  readonly tenant: string;
  /** Open, with a date ahead; where the call needs one. */
  readonly job: string;
  /** Ended compensated. */
  readonly failed: string;
  /** A user whom the records know. */
  readonly known: string;
  /** What is to be approved; where the call needs it. */
  readonly hash: string;
  /** A hold on the tenant; where the call needs one. */
  readonly hold: string;
  /** Asked for by somebody; where the call needs one. */
  readonly waiver: string;
  /** Of erased tenants, signed; where the call needs one. */
  readonly list: string;
  readonly member: string;
  readonly leaving: string;
}

type Call = (scene: Scene) => { method: 'GET' | 'POST' | 'DELETE'; path: string; body?: unknown };
const base = '/api/v1';
const CALLS: Record<string, Call> = {
  preview: ({ tenant }) => ({ method: 'GET', path: `${base}/tenants/${tenant}/deletion-preview` }),
  'read the job': ({ job }) => ({ method: 'GET', path: `${base}/deletion-jobs/${job}` }),
  'list the jobs': ({ tenant }) => ({ method: 'GET', path: `${base}/deletion-jobs?tenant_id=${tenant}` }),
  'see the admins': ({ tenant }) => ({ method: 'GET', path: `${base}/tenants/${tenant}/admins` }),
  delete: ({ tenant }) => ({ method: 'DELETE', path: `${base}/tenants/${tenant}` }),
  'delete with options': ({ tenant }) => ({
    method: 'POST',
    path: `${base}/tenants/${tenant}/deletion-jobs`,
    body: { reason: 'closing down' },
  }),
  cancel: ({ job }) => ({ method: 'POST', path: `${base}/deletion-jobs/${job}/cancel` }),
  'move the date': ({ job }) => ({
    method: 'POST',
    path: `${base}/deletion-jobs/${job}/reschedule`,
    body: { start_at: '2190-02-01T00:00:00Z' },
  }),
  'transfer ownership': ({ tenant, member }) => ({
    method: 'POST',
    path: `${base}/tenants/${tenant}/transfer-ownership`,
    body: { new_owner_user_id: member },
  }),
  'remove memberships': ({ leaving }) => ({
    method: 'DELETE',
    path: `${base}/tenants/user/${leaving}/memberships`,
  }),
  replay: ({ failed }) => ({ method: 'POST', path: `${base}/deletion-jobs/${failed}/replay` }),
  'replay many': ({ tenant }) => ({
    method: 'POST',
    path: `${base}/deletion-jobs/replay`,
    body: { tenant_id: tenant },
  }),
  'see the services': () => ({ method: 'GET', path: `${base}/services` }),
  certificate: ({ job }) => ({ method: 'GET', path: `${base}/deletion-jobs/${job}/certificate` }),
  'audit trail': () => ({ method: 'GET', path: `${base}/audit` }),
  'export of the trail': () => ({ method: 'GET', path: `${base}/audit/export` }),
  'heads of the trail': () => ({ method: 'GET', path: `${base}/audit/heads` }),
  'see what is retained': () => ({ method: 'GET', path: `${base}/retained` }),
  'forget a person': ({ known }) => ({ method: 'DELETE', path: `${base}/people/${known}` }),
  approve: ({ job, hash }) => ({
    method: 'POST',
    path: `${base}/deletion-jobs/${job}/approve`,
    body: { approval_hash: hash, reason: 'as agreed' },
  }),
  reject: ({ job, hash }) => ({
    method: 'POST',
    path: `${base}/deletion-jobs/${job}/reject`,
    body: { approval_hash: hash, reason: 'not as agreed' },
  }),
  'place a hold': ({ tenant }) => ({
    method: 'POST',
    path: `${base}/tenants/${tenant}/legal-holds`,
    body: { reason: 'a lawsuit' },
  }),
  'lift a hold': ({ hold }) => ({ method: 'DELETE', path: `${base}/legal-holds/${hold}?reason=settled` }),
  'see the holds': ({ tenant }) => ({ method: 'GET', path: `${base}/tenants/${tenant}/legal-holds` }),
  halt: () => ({ method: 'POST', path: `${base}/deletion-jobs/halt`, body: { reason: 'wait' } }),
  'see the halt': () => ({ method: 'GET', path: `${base}/deletion-jobs/halt` }),
  resume: () => ({ method: 'POST', path: `${base}/deletion-jobs/resume`, body: { reason: 'go on' } }),
  'waive a service': () => ({
    method: 'POST',
    path: `${base}/services/orders/waive`,
    body: { reason: 'it is gone' },
  }),
  'approve a waiver': ({ waiver }) => ({
    method: 'POST',
    path: `${base}/services/orders/waive/${waiver}/approve`,
  }),
  'list who is erased': () => ({ method: 'GET', path: `${base}/erased-tenants` }),
  'export who is erased': () => ({ method: 'GET', path: `${base}/erased-tenants/export` }),
  'see who is erased': ({ tenant }) => ({ method: 'GET', path: `${base}/erased-tenants/${tenant}` }),
  'check who is erased': ({ tenant }) => ({
    method: 'POST',
    path: `${base}/erased-tenants/${tenant}/check`,
  }),
  'import a list': ({ list }) => ({
    method: 'POST',
    path: `${base}/erased-tenants/import`,
    body: { list },
  }),
  'erase again': ({ tenant }) => ({
    method: 'POST',
    path: `${base}/services/orders/reapply`,
    body: { tenant_id: tenant, dry_run: true },
  }),
  'ask for a release': ({ tenant }) => ({
    method: 'POST',
    path: `${base}/tenants/${tenant}/tombstone-release`,
    body: { reason: 'somebody new' },
  }),
  'approve a release': ({ tenant }) => ({
    method: 'POST',
    path: `${base}/tenants/${tenant}/tombstone-release/approve`,
  }),
  'see what ran': () => ({ method: 'GET', path: `${base}/housekeeping` }),
  'fetch the export': ({ job }) => ({ method: 'GET', path: `${base}/deletion-jobs/${job}/export` }),
};
const NEEDS_JOB = new Set(['read the job', 'list the jobs', 'cancel', 'move the date']);
const NEEDS_ERASED_TENANT = new Set([
  'see who is erased',
  'check who is erased',
  'erase again',
  'ask for a release',
  'approve a release',
]);
const NEEDS_APPROVAL = new Set(['approve', 'reject']);
const NEEDS_FAILED_JOB = new Set(['replay', 'replay many']);

function cells() {
  const [head = '', ...lines] = TABLE.trim().split('\n');
  const who = head
    .split('|')
    .slice(1)
    .map((word) => word.trim());
  return lines.flatMap((line) => {
    const [call = '', ...answers] = line.split('|').map((word) => word.trim());
    return answers.flatMap((answer, index) =>
      answer === '-' ? [] : [{ call, who: who[index] ?? '', allowed: answer === 'yes' }],
    );
  });
}

/** Whether the call asks for something and changes nothing. */
function reads(call: string): boolean {
  return (CALLS[call] as Call)({} as Scene).method === 'GET';
}

describe('who may do what', () => {
  let api: TestApi;
  let exportDirectory: string;
  let otherTenant: string;
  let otherOwner: string;

  beforeAll(async () => {
    exportDirectory = mkdtempSync(join(tmpdir(), 'lethe-rights-'));
    api = await openTestApi({ settings: { exportDirectory } });
    otherOwner = await api.user();
    otherTenant = await api.tenant({ [otherOwner]: 'owner' });
  });
  afterAll(async () => {
    await api.close();
    rmSync(exportDirectory, { recursive: true });
  });

  it.each(cells())('$call: $who → $allowed', async ({ call, who, allowed }) => {
    const { scene, people, staff } = await (allowed && !reads(call) ? sceneOf(call) : sceneThatStays(call));
    const { tenant } = scene;
    const role = (['operator', 'approver', 'auditor'] as const).find((one) => one === who);
    // A claim in a token makes nobody an owner where there is a directory.
    const token = await api.users.token({
      userId: people[who] ?? staff,
      roles: role ? [role] : [],
      tenants: { [tenant]: who === 'stranger' ? 'owner' : 'admin' },
    });
    const { method, path, body } = (CALLS[call] as Call)(scene);
    const before = await state(tenant);
    const answer = await api.ask(method, path, token, body);

    if (allowed) {
      expect(answer).toMatchObject({ status: expect.toSatisfy((status: number) => status < 300) });
      if (call === 'list the jobs') expect(answer.body.jobs).toHaveLength(1);
      if (reads(call)) expect(await state(tenant)).toEqual(before);
    } else if (call === 'list the jobs') {
      expect(answer).toMatchObject({ status: 200, body: { jobs: [] } });
    } else {
      expect([403, 404]).toContain(answer.status);
      expect(JSON.stringify(answer.body)).not.toContain('Bakery');
      expect(await state(tenant)).toEqual(before);
    }
    const untouched = { jobs: [], roles: [{ user_id: otherOwner, role: 'owner' }], holds: [] };
    expect(await state(otherTenant)).toMatchObject(untouched);
    if (call === 'halt') {
      await api.records.resume('for the next cell', { kind: 'user', id: 'an-operator', role: 'operator' });
    }
  });

  // Who reads or is refused leaves everything as it was, which is looked at: the next one finds the same scene.
  const scenes = new Map<string, ReturnType<typeof sceneOf>>();
  function sceneThatStays(call: string) {
    const scene = scenes.get(call) ?? sceneOf(call);
    scenes.set(call, scene);
    return scene;
  }

  async function sceneOf(call: string) {
    const [owner = '', admin = '', member = '', leaving = '', staff = ''] = await Promise.all(
      [1, 2, 3, 4, 5].map(() => api.user()),
    );
    const people: Record<string, string | undefined> = {
      owner,
      admin,
      member,
      self: leaving,
      'other owner': otherOwner,
    };
    const tenant = await api.tenant({
      [owner]: 'owner',
      [admin]: 'admin',
      [member]: 'member',
      [leaving]: 'member',
    });
    const toApprove = NEEDS_APPROVAL.has(call) ? await jobToApprove(tenant, owner) : null;
    const scene: Scene = {
      tenant,
      hash: toApprove?.hash ?? '',
      hold: call === 'lift a hold' ? await holdOn(tenant) : '',
      list: call === 'import a list' ? await signedList() : '',
      waiver: call === 'approve a waiver' ? await waiverOfOrders() : '',
      member,
      leaving,
      job: toApprove?.job ?? (await jobFor(call, tenant, owner)),
      known: call === 'forget a person' ? await knownPerson() : '',
      failed: NEEDS_FAILED_JOB.has(call) ? await failedJob(tenant, owner) : '',
    };
    return { scene, people, staff };
  }

  async function jobFor(call: string, tenant: string, requester: string): Promise<string> {
    if (NEEDS_ERASED_TENANT.has(call)) {
      const job = await certifiedJob(tenant, requester);
      const asker = { kind: 'user', id: 'an-operator', role: 'operator' } as const;
      if (call === 'approve a release') await api.records.requestRelease(tenant, 'somebody new', asker);
      return job;
    }
    if (call === 'certificate') return certifiedJob(tenant, requester);
    if (call === 'fetch the export') return exportedJob(tenant, requester);
    return NEEDS_JOB.has(call) ? openJob(tenant, requester) : '';
  }

  async function certifiedJob(tenant: string, requester: string): Promise<string> {
    const jobId = await openJob(tenant, requester);
    await api.records.decideProceed(jobId);
    const epoch = await api.records.beginRun(jobId, `run-${jobId}`);
    await api.records.completeJob(jobId, { epoch, number: 1 }, 'Nothing is left.', () =>
      sampleCertificate(tenant, jobId),
    );
    return jobId;
  }

  async function exportedJob(tenant: string, requester: string): Promise<string> {
    const jobId = await openJob(tenant, requester);
    writeFileSync(join(exportDirectory, `${jobId}.zip`), 'a zip');
    const made = { bytes: 5, rows: 1, sha256: 'f'.repeat(64), expiresAt: '2190-01-01T00:00:00Z' };
    await api.records.recordExport(jobId, made);
    return jobId;
  }

  async function waiverOfOrders(): Promise<string> {
    const actor = { kind: 'user', id: 'an-operator', role: 'operator' } as const;
    const waiver = { service: 'orders', jobId: null, reason: 'it is gone', actor };
    return (await api.records.requestWaiver(waiver)).waiver_id;
  }

  async function signedList(): Promise<string> {
    const auditor = await api.users.token({ userId: await api.user(), roles: ['auditor'] });
    return (await api.ask('GET', `${base}/erased-tenants/export`, auditor)).body;
  }

  async function knownPerson(): Promise<string> {
    const id = await api.user();
    const actor = { kind: 'user', id, role: 'user' } as const;
    await api.records.audit({ jobId: null, tenantId: null, actor, action: 'was here', details: {} });
    return id;
  }

  async function openJob(tenant: string, requester: string): Promise<string> {
    const { job } = await api.records.openJob({
      tenantId: tenant,
      actor: { kind: 'user', id: requester, role: 'user' },
      options: { start_at: '2190-01-01T00:00:00Z' },
      restoreWindowMs: 0,
      readers: [requester],
    });
    return job.job_id;
  }

  async function jobToApprove(tenant: string, requester: string) {
    const { job } = await api.records.openJob({
      tenantId: tenant,
      actor: { kind: 'user', id: requester, role: 'user' },
      options: { require_approval: true },
      restoreWindowMs: 0,
      readers: [requester],
    });
    const epoch = await api.records.beginRun(job.job_id, `run-${job.job_id}`);
    const order = { epoch, number: 1 };
    await api.records.recordCheck(job.job_id, order, { plans: [], previewHash: null });
    return { job: job.job_id, hash: (await api.records.getJob(job.job_id)).approval_hash ?? '' };
  }

  async function holdOn(tenant: string): Promise<string> {
    const approver = { kind: 'user', id: 'an-approver', role: 'approver' } as const;
    return (await api.records.placeHold(tenant, 'a lawsuit', approver)).hold_id;
  }

  async function failedJob(tenant: string, requester: string): Promise<string> {
    const jobId = await openJob(tenant, requester);
    const epoch = await api.records.beginRun(jobId, `run-${jobId}`);
    await api.records.decideAbort(jobId, 'failure', { kind: 'system', id: 'lethe', role: 'saga' });
    await api.records.endJob(jobId, { epoch, number: 1 }, 'compensated', 'a service failed');
    return jobId;
  }

  async function state(tenant: string) {
    const jobs = await api.pool.query(
      'SELECT job_id, status, start_at, decision FROM lethe_records.deletion_jobs WHERE tenant_id = $1 ORDER BY 1',
      [tenant],
    );
    const roles = await api.pool.query(
      'SELECT user_id, role FROM tenant.tenant_members WHERE tenant_id = $1 ORDER BY 1',
      [tenant],
    );
    const holds = await api.records.holdsOf(tenant);
    const { halted } = await api.records.haltState();
    return { jobs: jobs.rows, roles: roles.rows, holds, halted };
  }
});
