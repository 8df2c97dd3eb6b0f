import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { CryptoKey } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRecords } from '../../../records/index.js';
import type { Records } from '../../../records/types.js';
import { anyCertificate } from '../../support/certificates.js';
import { until } from '../../support/conditions.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import {
  OPERATOR,
  OWNER,
  open,
  openTestRecords,
  problemOf,
  request,
  SAGA,
  type TestRecords,
} from './support.js';

let test: TestRecords;
let closed: TestDatabase;
beforeAll(async () => {
  test = await openTestRecords();
  closed = await createTestDatabase({ template: 'empty' });
  await test.superuser.query(`REVOKE CONNECT ON DATABASE ${closed.name} FROM PUBLIC`);
});
afterAll(async () => {
  await closed?.drop();
  await test?.close();
});

const ID = '01990000-0000-7000-8000-000000000000';
const ORDER = { epoch: 1, number: 1 };
/** Nothing is signed with it, since the database is away. */
const certificateKey = { kid: 'x', privateKey: {} as CryptoKey };

async function listen(onSocket: (socket: Socket) => void) {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    onSocket(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port: typeof address === 'object' && address ? address.port : 0, close };
}

/** Every method, asked at once. */
function everything(records: Records): Record<string, () => Promise<unknown>> {
  return {
    openJob: () => records.openJob(request()),
    getJob: () => records.getJob(ID),
    mayRead: () => records.mayRead(ID, OWNER.id),
    openJobOf: () => records.openJobOf(ID),
    isErased: () => records.isErased(ID),
    listJobs: () => records.listJobs({ limit: 1 }),
    openJobs: () => records.openJobs(),
    replaysAskedFor: () => records.replaysAskedFor(),
    replayableJobs: () => records.replayableJobs({}),
    beginRun: () => records.beginRun(ID, 'run'),
    updateJob: () => records.updateJob(ID, ORDER, {}),
    updateService: () => records.updateService(ID, { name: 'orders' }),
    recordStageRequest: () => records.recordStageRequest(ID, 'orders'),
    decideAbort: () => records.decideAbort(ID, 'cancel', OWNER),
    decideProceed: () => records.decideProceed(ID),
    decisionOf: () => records.decisionOf(ID),
    recordCheck: () => records.recordCheck(ID, ORDER, { plans: [], previewHash: null }),
    passGate: () => records.passGate(ID, 'suspend'),
    heldBack: () => records.heldBack(ID),
    abortIfChanged: () => records.abortIfChanged(ID),
    approve: () => records.approve(ID, 'a'.repeat(64), 'x', OPERATOR),
    reject: () => records.reject(ID, 'a'.repeat(64), 'x', OPERATOR),
    placeHold: () => records.placeHold(ID, 'x', OPERATOR),
    liftHold: () => records.liftHold(ID, 'x', OPERATOR),
    holdsOf: () => records.holdsOf(ID),
    tenantsOnHold: () => records.tenantsOnHold(),
    halt: () => records.halt('x', OPERATOR),
    resume: () => records.resume('x', OPERATOR),
    haltState: () => records.haltState(),
    endJob: () => records.endJob(ID, ORDER, 'completed', 'x'),
    reschedule: () => records.reschedule(ID, '2040-01-01T00:00:00Z', OWNER),
    requestReplay: () => records.requestReplay(ID, OPERATOR),
    audit: () => records.audit({ jobId: null, tenantId: null, actor: SAGA, action: 'x', details: {} }),
    auditOnce: () =>
      records.auditOnce({ jobId: null, tenantId: null, actor: SAGA, action: 'x', details: {} }),
    auditTrail: () => records.auditTrail(ID),
    auditPage: () => records.auditPage({ limit: 1 }),
    auditExport: () => records.auditExport({})[Symbol.asyncIterator]().next(),
    auditHeads: () => records.auditHeads(0),
    signAuditHead: () => records.signAuditHead({ issuer: 'x', key: certificateKey }),
    completeJob: () => records.completeJob(ID, ORDER, 'x', anyCertificate),
    certificateOf: () => records.certificateOf(ID),
    forgetPerson: () => records.forgetPerson(OWNER.id, OPERATOR),
    removeOldRecords: () => records.removeOldRecords({ before: '2020-01-01T00:00:00Z' }),
    erasedTenants: () => records.erasedTenants({ limit: 1 }),
    erasedTenant: () => records.erasedTenant(ID),
    importErased: () => records.importErased([], OPERATOR),
    noteReturned: () => records.noteReturned(ID, [], SAGA),
    returnedRows: () => records.returnedRows(ID),
    rowsReturnedNow: () => records.rowsReturnedNow(),
    openReapply: () =>
      records.openReapply({
        tenantId: ID,
        actor: OPERATOR,
        services: ['orders'],
        reason: null,
        approveImported: false,
      }),
    requestRelease: () => records.requestRelease(ID, 'x', OPERATOR),
    approveRelease: () => records.approveRelease(ID, OPERATOR),
    releaseOf: () => records.releaseOf(ID),
    getRelease: () => records.getRelease(ID),
    releasesUnderWay: () => records.releasesUnderWay(),
    assertReleaseStands: () => records.assertReleaseStands(ID, ID),
    noteReleased: () => records.noteReleased(ID, 'orders', 1),
    completeRelease: () => records.completeRelease(ID),
    beginHousekeeping: () => records.beginHousekeeping('sweep'),
    endHousekeeping: () => records.endHousekeeping('sweep', {}, null),
    housekeeping: () => records.housekeeping(),
    jobCounts: () => records.jobCounts(),
    recordExport: () =>
      records.recordExport(ID, { bytes: 1, rows: 1, sha256: 'x', expiresAt: '2040-01-01T00:00:00Z' }),
    dropExport: () => records.dropExport(ID, 'removed'),
    expiredExports: () => records.expiredExports(),
    requestWaiver: () =>
      records.requestWaiver({ service: 'orders', jobId: null, reason: 'x', actor: OPERATOR }),
    approveWaiver: () => records.approveWaiver('orders', ID, OPERATOR),
    withdrawWaiver: () => records.withdrawWaiver('orders', ID, OPERATOR),
    listWaivers: () => records.listWaivers('orders'),
    waivedFor: () => records.waivedFor(ID, ['orders']),
    useWaiver: () => records.useWaiver(ID, 'orders', 'purge'),
    waiversOf: () => records.waiversOf(ID),
    tell: () => records.tell({ kind: 'tenant.rows_came_back', jobId: null, tenantId: ID, facts: {} }),
    dueNotices: () => records.dueNotices(1, 1),
    noticeDelivered: () => records.noticeDelivered(1n),
    noticeFailed: () => records.noticeFailed(1n, 'x', null),
    undeliveredNotices: () => records.undeliveredNotices(1),
    forgetNotices: () => records.forgetNotices(1),
    withAdvisoryLock: () => records.withAdvisoryLock('x', async () => 1),
    ready: () => records.ready(),
  };
}

describe('records away', () => {
  it.each([
    'nobody listens',
    'whoever listens hangs up',
    'whoever listens is silent',
    'the database is not there',
    'the password is wrong',
    'the role is not let in',
  ])('%s: every method says so, and when to come back', async (how) => {
    const url = new URL(test.database.urlFor('lethe_records'));
    const server = await listen((socket) => {
      if (how === 'whoever listens hangs up') socket.destroy();
    });
    if (how === 'the database is not there') url.pathname = '/no_such_database';
    else if (how === 'the role is not let in') url.pathname = `/${closed.name}`;
    else if (how === 'the password is wrong') url.password = 'wrong';
    else url.host = `127.0.0.1:${server.port}`;
    if (how === 'nobody listens') server.close();
    const records = createRecords({ databaseUrl: url.href, patienceMs: 1_000 });
    try {
      const methods = everything(records);
      const all = Object.keys(records).filter((name) => name !== 'close');
      expect(Object.keys(methods).toSorted()).toEqual(all.toSorted());
      const problems = await Promise.all(Object.values(methods).map((ask) => problemOf(ask())));
      expect(problems.map(({ code }) => code)).toEqual(problems.map(() => 'records_unavailable'));
      for (const { retryAfterSeconds, detail } of problems) {
        expect(retryAfterSeconds).toBeGreaterThan(0);
        expect(detail).not.toMatch(/lethe_records|127\.0\.0\.1|wrong/);
      }
    } finally {
      await records.close();
      server.close();
    }
  });

  it('falls silent in the middle, and comes back: told in time, and then all is well', async () => {
    const url = new URL(test.database.urlFor('lethe_records'));
    const target = { host: url.hostname, port: Number(url.port) };
    const ends: Socket[] = [];
    let silent = false;
    const proxy = await listen((socket) => {
      if (silent) return;
      const upstream = connect(target);
      for (const end of [socket, upstream]) {
        end.on('error', () => undefined);
        ends.push(end);
      }
      socket.pipe(upstream).pipe(socket);
    });
    url.host = `127.0.0.1:${proxy.port}`;
    const records = createRecords({ databaseUrl: url.href, patienceMs: 1_000, poolSize: 2 });
    try {
      const job = await open(test.records);
      // On a busy machine the first answer may take longer than its patience.
      await until(() => records.getJob(job.job_id).catch(() => false));
      silent = true;
      for (const end of ends) end.pause();
      for (const ask of [() => records.decideProceed(job.job_id), () => records.getJob(job.job_id)]) {
        expect((await problemOf(ask())).code).toBe('records_unavailable');
      }
      silent = false;
      for (const end of ends) end.resume();
      const found = await until(() => records.decideProceed(job.job_id));
      // It may have been decided while nobody heard of it; either way once.
      expect(await test.records.decisionOf(job.job_id)).toEqual(found);
      const decided = (await records.auditTrail(job.job_id)).filter(({ action }) =>
        action.startsWith('decided'),
      );
      expect(decided).toHaveLength(1);
    } finally {
      for (const end of ends) end.destroy();
      await records.close();
      proxy.close();
    }
  });

  it('connections cut again and again: nothing is lost, nothing done twice, and it recovers by itself', async () => {
    const { records } = test;
    const job = await open(records);
    const epoch = await records.beginRun(job.job_id, 'run');
    let done = false;
    const cutting = (async () => {
      while (!done) {
        await test.superuser.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND usename = 'lethe_records'`,
        );
        await new Promise((resolve) => setTimeout(resolve, 15));
      }
    })();
    const asked: string[] = [];
    const refusals = new Set<string>();
    for (let number = 1; number <= 60; number += 1) {
      const write = records
        .updateJob(job.job_id, { epoch, number }, { rowsTotal: number })
        .then(() => records.updateService(job.job_id, { name: 'orders', rowsDone: number }));
      const opened = records.openJob(request());
      for (const result of await Promise.allSettled([write, opened])) {
        if (result.status === 'rejected') refusals.add(String(result.reason.code ?? result.reason));
        else if (result.value) asked.push(result.value.job.job_id);
      }
    }
    done = true;
    await cutting;
    expect([...refusals]).toEqual(['records_unavailable']);
    // What was told to be written is there, and the next request works.
    await until(() => records.ready().then(() => true));
    for (const id of asked) expect((await records.getJob(id)).status).toBe('pending');
    expect(await records.updateJob(job.job_id, { epoch, number: 99 }, { phase: 'check' })).toBe(true);
  });
});

describe('a lock by name', () => {
  it('held by one: the others are turned away, and the next gets it', async () => {
    const { records, other } = test;
    const bell = new EventEmitter();
    const inside = once(bell, 'inside');
    const first = records.withAdvisoryLock('reconcile', async () => {
      bell.emit('inside');
      await once(bell, 'release');
      return 'first';
    });
    await inside;
    expect(await other.withAdvisoryLock('reconcile', async () => 'second')).toBeNull();
    expect(await records.withAdvisoryLock('reconcile', async () => 'third')).toBeNull();
    expect(await other.withAdvisoryLock('another name', async () => 'fourth')).toBe('fourth');
    bell.emit('release');
    expect(await first).toBe('first');
    expect(await other.withAdvisoryLock('reconcile', async () => 'fifth')).toBe('fifth');
  });

  it('is given back where the work fails', async () => {
    const work = test.records.withAdvisoryLock('failing', async () => {
      throw new Error('the work failed');
    });
    await expect(work).rejects.toThrow('the work failed');
    expect(await test.other.withAdvisoryLock('failing', async () => 1)).toBe(1);
  });

  it('is given back where its holder is killed', async () => {
    const program = `
      import { createRecords } from './records/index.js';
      const records = createRecords({ databaseUrl: process.argv[1] });
      await records.withAdvisoryLock('killed', () => { console.log('held'); return new Promise(() => setInterval(() => undefined, 1000)); });
    `;
    const holder: ChildProcess = spawn(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', program, test.database.urlFor('lethe_records')],
      { cwd: new URL('../../..', import.meta.url), stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      if (holder.stdout) await once(holder.stdout, 'data');
      expect(await test.records.withAdvisoryLock('killed', async () => 1)).toBeNull();
      holder.kill('SIGKILL');
      await until(() => test.records.withAdvisoryLock('killed', async () => 1));
    } finally {
      holder.kill('SIGKILL');
    }
  });
});
