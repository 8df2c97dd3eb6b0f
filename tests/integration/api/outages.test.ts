import { randomUUID } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createRecords } from '../../../records/index.js';
import { openTestApi, type TestApi } from '../../support/api.js';
import { until } from '../../support/conditions.js';

/** Between the API and its database, so that a test can take the database away. */
class Cable {
  private server: Server | null = null;
  private readonly sockets = new Set<Socket>();
  private port = 0;

  constructor(private readonly target: URL) {}

  async plugIn(): Promise<void> {
    const server = createServer((near) => {
      const far = connect(Number(this.target.port), this.target.hostname);
      for (const socket of [near, far]) {
        this.sockets.add(socket);
        socket.on('error', () => socket.destroy());
        socket.on('close', () => this.sockets.delete(socket));
      }
      near.pipe(far).pipe(near);
    });
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as { port: number }).port;
    this.server = server;
  }

  async pullOut(): Promise<void> {
    const closed = new Promise((resolve) => this.server?.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  url(databaseUrl: string): string {
    const through = new URL(databaseUrl);
    through.hostname = '127.0.0.1';
    through.port = String(this.port);
    return through.href;
  }
}

describe('what is away', () => {
  let api: TestApi;
  let cable: Cable;
  let operator: string;
  let tenant: string;

  beforeAll(async () => {
    cable = new Cable(new URL(inject('postgresUrl')));
    await cable.plugIn();
    api = await openTestApi({
      records: (database) => createRecords({ databaseUrl: cable.url(database.urlFor('lethe_records')) }),
    });
    operator = await api.users.token({ userId: await api.user(), roles: ['operator'] });
  });
  afterAll(async () => {
    await api.close();
    await cable.pullOut();
  });

  const fresh = async () => {
    tenant = await api.tenant({ [await api.user()]: 'owner' });
    return tenant;
  };

  describe('Temporal', () => {
    it('that is away keeps no request, cancel or replay from being answered from the record', async () => {
      api.runs.mood = 'away';
      const asked = await api.ask('DELETE', `/api/v1/tenants/${await fresh()}`, operator);
      expect(asked).toMatchObject({ status: 202, body: { status: 'pending' } });
      const jobId = asked.body.job_id;
      expect(await api.ask('POST', `/api/v1/deletion-jobs/${jobId}/cancel`, operator)).toMatchObject({
        status: 200,
        body: { decision: 'abort' },
      });
      const failing = (await api.ask('DELETE', `/api/v1/tenants/${await fresh()}`, operator)).body.job_id;
      const epoch = await api.records.beginRun(failing, 'run');
      await api.records.decideProceed(failing);
      await api.records.updateJob(failing, { epoch, number: 1 }, { status: 'needs_attention' });
      expect(await api.ask('POST', `/api/v1/deletion-jobs/${failing}/replay`, operator)).toMatchObject({
        status: 200,
        body: { job_id: failing },
      });
      expect(await api.ask('GET', '/readyz', null)).toMatchObject({
        status: 200,
        body: { ready: true, checks: { records: { ok: true }, temporal: { ok: false } } },
      });
      expect(api.log.filter((line) => line.includes('Temporal was not told'))).toHaveLength(4);
      api.runs.mood = 'here';
    });

    it('that does not say a word is waited for no longer than a person would', async () => {
      api.runs.mood = 'silent';
      const began = performance.now();
      const asked = await api.ask('DELETE', `/api/v1/tenants/${await fresh()}`, operator);
      api.runs.mood = 'here';
      expect(asked).toMatchObject({ status: 202, body: { status: 'pending' } });
      expect(performance.now() - began).toBeLessThan(20_000);
    });
  });

  describe('the records', () => {
    it('are answered with 503 and Retry-After everywhere, and with the job again when they are back', async () => {
      const jobId = (await api.ask('DELETE', `/api/v1/tenants/${await fresh()}`, operator)).body.job_id;
      const job = `/api/v1/deletion-jobs/${jobId}`;
      expect(await api.ask('GET', job, operator)).toMatchObject({ status: 200 });
      const owner = await api.user();
      const other = await api.tenant({ [owner]: 'owner' });
      await cable.pullOut();

      for (const [method, path, body] of [
        ['DELETE', `/api/v1/tenants/${other}`, undefined],
        ['POST', `/api/v1/tenants/${other}/deletion-jobs`, { reason: 'closing down' }],
        ['GET', job, undefined],
        ['GET', '/api/v1/deletion-jobs', undefined],
        ['POST', `${job}/cancel`, {}],
        ['POST', `${job}/reschedule`, { start_at: '2190-01-01T00:00:00Z' }],
        ['POST', `${job}/replay`, {}],
        ['POST', '/api/v1/deletion-jobs/replay', { tenant_id: other }],
        ['POST', `/api/v1/tenants/${other}/transfer-ownership`, { new_owner_user_id: randomUUID() }],
        ['DELETE', `/api/v1/tenants/user/${owner}/memberships`, undefined],
      ] as const) {
        const answer = await api.ask(method, path, operator, body);
        expect({ method, path, status: answer.status, code: answer.body.code }).toEqual({
          method,
          path,
          status: 503,
          code: 'records_unavailable',
        });
        expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      }
      const ready = await api.ask('GET', '/readyz', null);
      expect(ready).toMatchObject({
        status: 503,
        body: { ready: false, checks: { records: { ok: false } } },
      });
      expect(ready.headers['retry-after']).toBeDefined();
      expect(await api.ask('GET', '/healthz', null)).toMatchObject({ status: 200 });
      // A preview needs no record, and a refusal is one, whether it can be written down or not.
      expect(await api.ask('GET', `/api/v1/tenants/${other}/deletion-preview`, operator)).toMatchObject({
        status: 200,
      });
      const auditor = await api.users.token({ userId: owner, roles: ['auditor'] });
      expect(await api.ask('POST', `${job}/replay`, auditor)).toMatchObject({ status: 403 });

      await cable.plugIn();
      const found = await until(
        async () => {
          const answer = await api.ask('GET', job, operator);
          return answer.status === 200 && answer;
        },
        { what: 'the API to find its records again' },
      );
      expect(found.body).toMatchObject({ job_id: jobId, status: 'pending' });
      expect(await api.ask('GET', '/readyz', null)).toMatchObject({ status: 200 });
      expect(await api.ask('DELETE', `/api/v1/tenants/${other}`, operator)).toMatchObject({ status: 202 });
    });
  });

  describe('the directory', () => {
    it('makes an owner wait and never a stranger an owner; what it says of the platform is no fault of the caller', async () => {
      const user = await api.user();
      const owner = await api.users.token({ userId: user, tenants: {} });
      const id = await api.tenant({ [user]: 'owner' });
      await api.pool.query('ALTER TABLE tenant.tenant_members RENAME TO gone');
      const answer = await api.ask('DELETE', `/api/v1/tenants/${id}`, owner);
      await api.pool.query('ALTER TABLE tenant.gone RENAME TO tenant_members');
      expect(answer).toMatchObject({ status: 503, body: { code: 'service_unavailable', service: 'tenant' } });
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      expect(await api.ask('DELETE', `/api/v1/tenants/${id}`, owner)).toMatchObject({ status: 202 });
    });
  });
});
