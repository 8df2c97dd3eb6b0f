/** Erased tenants over the API and on the command line: the list, what came back, erasing again, and releases. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../../../cli/exit-codes.js';
import type { JobView } from '../../../protocol/jobs.js';
import { openTestApi, type TestApi } from '../../support/api.js';
import { complete } from '../../support/certificates.js';
import { lethe } from '../../support/cli.js';

const base = '/api/v1';
const ACTOR = { kind: 'user', id: 'an-operator', role: 'operator' } as const;
let api: TestApi;
let apiUrl: string;
let directory: string;
const tokens = { operator: '', approver: '' };

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'lethe-erased-'));
  api = await openTestApi({ tenantKeySecret: 's'.repeat(32) });
  apiUrl = await api.app.listen({ host: '127.0.0.1', port: 0 });
  for (const role of ['operator', 'approver'] as const) {
    tokens[role] = await api.users.token({ userId: await api.user(), roles: [role] });
  }
});
afterAll(async () => {
  await api?.close();
  rmSync(directory, { recursive: true });
});

const cli = (words: string[], token = tokens.operator) => lethe(words, { apiUrl, token });
const ask = (method: 'GET' | 'POST', path: string, body?: unknown, token = tokens.operator) =>
  api.ask(method, `${base}${path}`, token, body);

/** Somebody who is gone, as the records know it. */
async function gone(tenantId: string): Promise<JobView> {
  const { job } = await api.records.openJob({
    tenantId,
    actor: ACTOR,
    options: {},
    restoreWindowMs: 0,
    readers: [],
  });
  await api.records.decideProceed(job.job_id);
  const epoch = await api.records.beginRun(job.job_id, `run-${job.job_id}`);
  return complete(api.records, job.job_id, { epoch, number: 1 });
}

describe('rows that came back', () => {
  it('are found, shown, and erased again by a job of their own', async () => {
    const tenantId = randomUUID();
    const first = await gone(tenantId);
    expect((await cli(['erased', 'check', tenantId])).exit).toBe(EXIT.ok);
    api.orders.rows.set(tenantId, 12);

    const checked = await cli(['erased', 'check', tenantId]);
    expect(checked).toMatchObject({ exit: EXIT.failed, err: '' });
    expect(checked.out).toMatch(/orders has 12 rows of it/);
    const listed = await cli(['erased', 'list']);
    expect(listed.exit).toBe(EXIT.failed);
    expect(listed.out).toMatch(new RegExp(`${tenantId} .*12`));

    const dry = JSON.parse((await cli(['--json', 'reapply', '--service', 'orders', '--dry-run'])).out);
    expect(dry).toMatchObject({ tenants: [{ tenant: tenantId, rows: 12, job_id: null, left_out: null }] });
    expect(await api.records.openJobOf(tenantId)).toBeNull();

    const words = ['--json', 'reapply', '--service', 'orders', '--reason', 'restored from backup'];
    const { exit, out } = await cli(words);
    expect(exit).toBe(EXIT.ok);
    const [{ job_id: jobId }] = JSON.parse(out).tenants;
    expect(api.runs.told).toContainEqual({ what: 'start', jobId });
    expect((await ask('GET', `/deletion-jobs/${jobId}`)).body).toMatchObject({
      reapplies: first.job_id,
      scope: ['orders'],
      reason: 'restored from backup',
      status: 'pending',
    });
    expect((await ask('GET', `/erased-tenants/${tenantId}`)).body).toMatchObject({
      tenant: tenantId,
      job_id: first.job_id,
      reapplied_by: [jobId],
      returned: [{ service: 'orders', rows: 12, reapplied_by: jobId, cleared_at: null }],
    });
    // Nobody else may open a deletion of a tenant who is gone.
    expect((await ask('POST', `/tenants/${tenantId}/deletion-jobs`, {})).body.code).toBe('already_erased');

    // One that went back is tried again as such a job, too.
    await api.records.decideAbort(jobId, 'failure', { kind: 'system', id: 'lethe', role: 'saga' });
    const epoch = await api.records.beginRun(jobId, 'run');
    await api.records.endJob(jobId, { epoch, number: 1 }, 'compensated', 'orders was away');
    const replayed = await ask('POST', `/deletion-jobs/${jobId}/replay`);
    expect(replayed).toMatchObject({ status: 202, body: { reapplies: first.job_id, scope: ['orders'] } });
    api.orders.rows.delete(tenantId);
  });

  it('of a key that may be somebody else’s by now are erased only where it is named', async () => {
    const first = await gone('rye & co');
    api.sales.rows.set('rye & co', 3);
    const { body } = await ask('POST', '/services/sales/reapply', {});
    const [line] = body.tenants;
    expect(line).toMatchObject({ rows: 3, job_id: null, left_out: 'key_may_be_reused' });
    expect(line.tenant).toMatch(/^[0-9a-f]{64}$/);
    const named = await ask('POST', '/services/sales/reapply', { tenant_id: 'rye & co' });
    expect(named.body.tenants).toMatchObject([{ rows: 3, job_id: expect.any(String), left_out: null }]);
    expect((await ask('GET', '/erased-tenants')).body.tenants).toContainEqual({
      tenant: line.tenant,
      key: 'hashed',
      erased_at: first.ended_at,
      job_id: first.job_id,
      rows_returned: 3,
    });
    api.sales.rows.delete('rye & co');
  });

  it('are not said to be gone where a service does not answer', async () => {
    const tenantId = randomUUID();
    await gone(tenantId);
    api.sales.fault = new Error('it is broken');
    const { body } = await ask('POST', `/erased-tenants/${tenantId}/check`);
    expect(body.clean).toBe(false);
    expect(body.services).toContainEqual(
      expect.objectContaining({
        name: 'sales',
        rows: null,
        error: { code: 'internal', message: expect.any(String) },
      }),
    );
    expect((await ask('POST', '/services/sales/reapply', { tenant_id: tenantId })).body.tenants).toEqual([
      { tenant: tenantId, rows: 0, job_id: null, left_out: 'internal' },
    ]);
    api.sales.fault = null;
    expect((await ask('POST', '/services/nowhere/reapply', {})).body.code).toBe('service_unknown');
    expect((await ask('POST', `/erased-tenants/${randomUUID()}/check`)).body.code).toBe('not_erased');
  });
});

describe('the list of erased tenants', () => {
  it('survives the loss of the records, and is taken only as it was signed', async () => {
    const tenantId = randomUUID();
    const first = await gone(tenantId);
    await gone('spelt & sons');
    const file = join(directory, 'erased.jws');
    expect(await cli(['erased', 'export', '--out', file])).toMatchObject({ exit: EXIT.ok, err: '' });
    const list = readFileSync(file, 'utf8');
    expect(list).not.toContain('spelt');
    expect(Buffer.from(list.split('.')[1] ?? '', 'base64url').toString()).not.toContain('spelt');
    const raw = await api.ask('GET', `${base}/erased-tenants/export`, tokens.approver);
    expect(raw.headers['content-type']).toBe('application/jose');

    // The records are lost: it is as if nobody had ever been erased.
    await api.pool.query(`SET session_replication_role = replica;
      UPDATE lethe_records.tenant_gates SET erased_at = NULL, erased_by = NULL;
      SET session_replication_role = origin`);
    expect(await api.records.isErased(tenantId)).toBe(false);
    const forged = join(directory, 'forged.jws');
    for (const changed of [
      `${list.slice(0, 90)}${list[90] === 'A' ? 'B' : 'A'}${list.slice(91)}`,
      'not.a.list',
      list.replace(/\.[^.]*$/, '.AA'),
    ]) {
      writeFileSync(forged, changed);
      const refused = await cli(['erased', 'import', forged]);
      expect(refused).toMatchObject({ exit: EXIT.failed });
      expect(refused.err).toMatch(/^list_refused/);
    }
    expect(await api.records.isErased(tenantId)).toBe(false);

    const imported = await cli(['erased', 'import', file]);
    expect(imported.out).toMatch(/tenants marked as erased; 0 were marked already/);
    expect((await ask('GET', `/erased-tenants/${tenantId}`)).body).toMatchObject({
      job_id: first.job_id,
      erased_at: first.ended_at,
      imported_at: expect.any(String),
    });
    expect((await ask('POST', `/tenants/${tenantId}/deletion-jobs`, {})).status).toBe(410);
    // By the hash alone: nobody had to write the key down.
    expect(await api.records.isErased('spelt & sons')).toBe(true);
    expect(await api.records.isErased('spelt & daughters')).toBe(false);
  });
});

describe('a key that was given to somebody new', () => {
  it('is released by two persons', async () => {
    const tenantId = randomUUID();
    await gone(tenantId);
    const release = ['tombstone', 'release', tenantId, '--reason', 'given to somebody new'];
    expect((await cli(release)).exit).toBe(EXIT.ok);
    expect((await cli(['tombstone', 'approve', tenantId])).err).toMatch(/^approver_is_requester/);
    expect(await cli(['tombstone', 'approve', tenantId], tokens.approver)).toMatchObject({ exit: EXIT.ok });
    const { body } = await ask('GET', `/erased-tenants/${tenantId}`);
    expect(body.release).toMatchObject({ status: 'approved', services: {} });
    expect(api.runs.told).toContainEqual({ what: 'release', jobId: body.release.release_id });
  });
});

it('doctor says what ran by itself, and what failed', async () => {
  await api.records.beginHousekeeping('sweep');
  await api.records.endHousekeeping('sweep', { tenants: 2, rows: 0 }, null);
  expect((await cli(['doctor', '--quick'])).out).toMatch(/sweep +last at .*rows: 0, tenants: 2/);
  await api.records.endHousekeeping('retained', {}, 'orders: database_unavailable');
  const { exit, out } = await cli(['doctor', '--quick']);
  expect(exit).toBe(EXIT.failed);
  expect(out).toMatch(/✗ retained +failed at its last time: orders: database_unavailable/);
});
