/** Exports, waivers and what was not delivered, as callers meet them. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestApi, type TestApi } from '../../support/api.js';
import { lethe } from '../../support/cli.js';

const base = '/api/v1';
const exportDirectory = mkdtempSync(join(tmpdir(), 'lethe-api-exports-'));
let api: TestApi;
let without: TestApi;
let token: Record<'operator' | 'second' | 'approver' | 'owner', string>;
let tenant: string;

beforeAll(async () => {
  [api, without] = await Promise.all([openTestApi({ settings: { exportDirectory } }), openTestApi()]);
  const owner = await api.user();
  tenant = await api.tenant({ [owner]: 'owner' });
  const staff = async (role: 'operator' | 'approver') =>
    api.users.token({ userId: await api.user(), roles: [role] });
  const [operator, second, approver] = await Promise.all([
    staff('operator'),
    staff('operator'),
    staff('approver'),
  ]);
  token = { operator, second, approver, owner: await api.users.token({ userId: owner }) };
});
afterAll(async () => {
  await Promise.all([api?.close(), without?.close()]);
  rmSync(exportDirectory, { recursive: true });
});

const made = (bytes: Buffer, expiresAt: string) => ({
  bytes: bytes.length,
  rows: 1,
  sha256: createHash('sha256').update(bytes).digest('hex'),
  expiresAt,
});

describe('an export', () => {
  it('can only be asked for where there is a place for it', async () => {
    const other = await without.tenant({ [await without.user()]: 'owner' });
    const operator = await without.users.token({ userId: await without.user(), roles: ['operator'] });
    const path = `${base}/tenants/${other}/deletion-jobs`;
    expect(await without.ask('POST', path, operator, { export: true })).toMatchObject({
      status: 422,
      body: { code: 'option_unavailable' },
    });
  });

  it('is handed out while it is kept, to those who may read the job, also by the command line', async () => {
    const asked = await api.ask('POST', `${base}/tenants/${tenant}/deletion-jobs`, token.owner, {
      export: true,
      start_at: '2190-01-01T00:00:00Z',
    });
    expect(asked).toMatchObject({ status: 202, body: { export: { state: 'asked' }, waivers: [] } });
    const { job_id: jobId } = asked.body;
    const path = `${base}/deletion-jobs/${jobId}/export`;
    const fetch = (by: string) => api.ask('GET', path, by);
    expect(await fetch(token.owner)).toMatchObject({ status: 404, body: { code: 'export_unknown' } });

    const zip = Buffer.from('PK, as far as this test is concerned');
    writeFileSync(join(exportDirectory, `${jobId}.zip`), zip);
    await api.records.recordExport(jobId, made(zip, '2190-01-01T00:00:00Z'));
    const got = await fetch(token.owner);
    expect(got).toMatchObject({ status: 200, body: zip.toString() });
    expect(got.headers).toMatchObject({
      'content-type': 'application/zip',
      'content-disposition': `attachment; filename="${jobId}.zip"`,
      'x-content-sha256': createHash('sha256').update(zip).digest('hex'),
    });
    const actions = (await api.records.auditTrail(jobId)).map(({ action }) => action);
    expect(actions).toContain('export fetched');

    await api.app.listen({ host: '127.0.0.1', port: 0 });
    const apiUrl = `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}`;
    const out = join(exportDirectory, 'fetched');
    const run = await lethe(['jobs', 'export', jobId, '--out', out], { apiUrl, token: token.owner });
    expect(run).toMatchObject({ exit: 0, out: expect.stringContaining(out) });
    const again = await lethe(['jobs', 'export', jobId, '--out', out], { apiUrl, token: token.owner });
    expect(again).toMatchObject({ exit: 2, err: expect.stringContaining('exists already') });
    writeFileSync(join(exportDirectory, `${jobId}.zip`), 'PK, as far as this test is concerneD');
    const changed = await lethe(['jobs', 'export', jobId, '--out', `${out}2`], {
      apiUrl,
      token: token.owner,
    });
    expect(changed).toMatchObject({ exit: 1, err: expect.stringContaining('digest') });

    await api.records.dropExport(jobId, 'expired');
    expect(await fetch(token.owner)).toMatchObject({
      status: 410,
      body: { code: 'export_gone', state: 'expired' },
    });
  });
});

describe('a waiver', () => {
  it('takes two people, wakes the jobs that wait for the service, and can be withdrawn', async () => {
    const other = await api.tenant({ [await api.user()]: 'owner' });
    const { job } = await api.records.openJob({
      tenantId: other,
      actor: { kind: 'user', id: 'somebody', role: 'operator' },
      options: {},
      restoreWindowMs: 0,
      readers: [],
    });
    await api.records.recordStageRequest(job.job_id, 'gone');
    await api.records.decideProceed(job.job_id);
    const epoch = await api.records.beginRun(job.job_id, 'a run');
    await api.records.updateJob(job.job_id, { epoch, number: 1 }, { status: 'needs_attention' });
    const post = (path: string, by: string, body?: unknown) => api.ask('POST', `${base}${path}`, by, body);
    expect(await post('/services/never/waive', token.operator, { reason: 'gone' })).toMatchObject({
      status: 422,
    });
    const asked = await post('/services/gone/waive', token.operator, {
      reason: 'switched off',
      job_id: job.job_id,
    });
    expect(asked).toMatchObject({ status: 201, body: { approved_by: null, job_id: job.job_id } });
    const path = `/services/gone/waive/${asked.body.waiver_id}`;
    expect(await post(`${path}/approve`, token.operator)).toMatchObject({
      status: 403,
      body: { code: 'approver_is_requester' },
    });
    expect(api.runs.told.filter(({ jobId }) => jobId === job.job_id)).toEqual([]);
    expect(await post(`${path}/approve`, token.approver)).toMatchObject({ status: 200 });
    expect(api.runs.told).toContainEqual({ what: 'replay', jobId: job.job_id });
    expect(await post(`${path}/withdraw`, token.second)).toMatchObject({
      status: 200,
      body: { withdrawn_at: expect.any(String) },
    });
    const list = await api.ask('GET', `${base}/services/gone/waive`, token.second);
    expect(list.body.waivers).toMatchObject([{ waiver_id: asked.body.waiver_id, reason: 'switched off' }]);
    const undelivered = await api.ask('GET', `${base}/notifications/undelivered`, token.second);
    expect(undelivered.body.notices).toContainEqual(
      expect.objectContaining({ type: 'deletion_job.needs_attention', job_id: job.job_id }),
    );
  });
});
