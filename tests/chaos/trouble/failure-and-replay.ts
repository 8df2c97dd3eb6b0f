/** Deletions that cannot go through, on a running platform: nothing is lost, it is said why, and a replay mends it. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { differingTables, totalRows } from '../../../local/checksums.js';
import { leavingRows } from '../../../local/leaving.js';
import type { JobView } from '../../../protocol/jobs.js';
import type { SeededTenant } from '../../../services/sample-data/load.js';
import type { Callers } from '../../support/callers.js';
import { until } from '../../support/conditions.js';
import { faultsOfLogs, personalWords } from '../../support/logs.js';
import type { TestPlatform } from '../../support/platform.js';
import { openWorld, type Victim, type World } from '../../support/world.js';

const ROWS = 1_500;
const LOCKED = 'notification.notifications';
const DENIED = 'suppliers.supplier_payments';

/** Wants suppliers among the services. */
export function failureAndReplay(platformOf: () => TestPlatform): void {
  let world: World;
  let callers: Callers;
  let locked: Victim;
  let denied: [Victim, Victim];
  let bystander: SeededTenant;
  let personal: string[];

  beforeAll(async () => {
    world = await openWorld(platformOf(), { victims: 3, rows: ROWS });
    ({ callers, bystander } = world);
    locked = world.victim();
    denied = [world.victim(), world.victim()];
    personal = await personalWords(callers);
  });
  afterAll(() => world?.close());

  async function replayed(job: JobView): Promise<JobView> {
    const answer = await callers.operator.ask('POST', `/deletion-jobs/${job.job_id}/replay`);
    expect(answer).toMatchObject({ status: 202, body: { replay_of: job.job_id } });
    expect(answer.headers.get('location')).toBe(`/api/v1/deletion-jobs/${answer.body.job_id}`);
    return callers.untilEnded(answer.body.job_id);
  }

  describe('since a table is locked for longer than anybody waits', () => {
    let failed: JobView;

    it('ends compensated, names the service and the reason of PostgreSQL, and has every row back', async () => {
      const before = await callers.checksums();
      const hold = await world.holds.table(LOCKED, 'SHARE');
      failed = await callers.untilEnded((await callers.delete(locked)).job_id);
      await hold.release();

      expect(failed).toMatchObject({ status: 'compensated', decision: 'abort', abort_cause: 'failure' });
      await world.expectEnd(locked, failed, 'compensated');
      expect(failed.outcome).toContain(`notification: database_busy (55P03 on ${LOCKED})`);
      const stuck = failed.services.find(({ name }) => name === 'notification');
      expect(stuck?.last_error).toMatchObject({ code: 'database_busy', sqlstate: '55P03', table: LOCKED });
      expect(stuck?.last_error?.message).toContain('canceling statement due to lock timeout');
      expect(stuck?.last_error?.message).toContain(`pid ${hold.pid}`);
      const others = failed.services.filter(({ name }) => !['notification', 'tenant'].includes(name));
      expect(others.filter(({ state }) => state !== 'restored')).toEqual([]);
      expect(others.filter(({ last_error: error }) => error !== null)).toEqual([]);

      expect(differingTables(before, await callers.checksums())).toEqual([]);
      expect(await callers.archives()).toEqual([]);
      expect(totalRows(await callers.checksums({ only: locked.tenantId }))).toBe(locked.rows);
    });

    it('lets the tenant go on: not suspended, rows are taken, the owner can act', async () => {
      expect(await callers.isSuspended(locked)).toBe(false);
      const owner = await callers.owner(locked);
      const preview = await owner.ask('GET', `/tenants/${locked.tenantId}/deletion-preview`);
      expect(preview).toMatchObject({ status: 200, body: { total_rows: leavingRows(locked) } });
      const [fence] = await callers.sql<{ marks: number }>(
        'SELECT count(*)::int AS marks FROM lethe_notification.tenant_tombstones WHERE tenant_id = $1',
        [locked.tenantId],
      );
      expect(fence?.marks).toBe(0);
      const write = `UPDATE orders.customers SET name = name || '' WHERE tenant_id = $1`;
      await callers.sql(write, [locked.tenantId]);

      const [member] = await callers.sql<{ user_id: string }>(
        `SELECT user_id FROM tenant.tenant_members WHERE tenant_id = $1 AND role = 'member' LIMIT 1`,
        [locked.tenantId],
      );
      const transfer = await owner.ask('POST', `/tenants/${locked.tenantId}/transfer-ownership`, {
        new_owner_user_id: member?.user_id,
      });
      expect(transfer.status).toBe(200);
      // Who was the owner when it was asked for still reads how it went.
      expect(await owner.ask('GET', `/deletion-jobs/${failed.job_id}`)).toMatchObject({
        status: 200,
        body: { status: 'compensated' },
      });
    });

    it('closes its run as failed, so that Temporal lists it by service and status', async () => {
      const failed = `FailedServices = "notification" AND ExecutionStatus = "Failed"`;
      const query = `TenantId = "${locked.tenantId}" AND ${failed}`;
      await until(
        async () => {
          for await (const found of callers.temporal.workflow.list({ query })) return found;
          return null;
        },
        { what: 'the run to be listed' },
      );
      await expect(callers.run(locked).result()).rejects.toMatchObject({ cause: { type: 'Compensated' } });
    });

    it('completes by a replay once the lock is gone', async () => {
      const others = await callers.checksums({ except: locked.tenantId });
      await world.expectEnd(locked, await replayed(failed), 'completed');
      expect(await callers.archives()).toEqual([]);
      expect(differingTables(others, await callers.checksums({ except: locked.tenantId }))).toEqual([]);
      const again = await callers.operator.ask('POST', `/deletion-jobs/${failed.job_id}/replay`);
      expect([again.status, again.body.code]).toEqual([409, 'not_replayable']);
    });
  });

  describe('since a privilege is missing', () => {
    let refused: JobView[];

    it('ends refused, names service, table and privilege, and touches nothing', async () => {
      await callers.sql(`REVOKE DELETE ON ${DENIED} FROM lethe_suppliers`);
      const before = await callers.checksums();
      const asked = await Promise.all(denied.map((tenant) => callers.delete(tenant)));
      refused = await Promise.all(asked.map(({ job_id }) => callers.untilEnded(job_id)));
      for (const job of refused) {
        expect(job).toMatchObject({ status: 'refused', decision: 'abort', abort_cause: 'refusal' });
        for (const word of ['suppliers: privilege_missing (DELETE', DENIED])
          expect(job.outcome).toContain(word);
        const suppliers = job.services.find(({ name }) => name === 'suppliers');
        expect(suppliers?.last_error).toMatchObject({
          code: 'privilege_missing',
          table: DENIED,
          privilege: 'DELETE',
        });
        expect(job.services.filter((one) => one.state !== 'absent' || one.stage_requested_at)).toEqual([]);
      }
      expect(differingTables(before, await callers.checksums())).toEqual([]);
      for (const [place, tenant] of denied.entries()) {
        await world.expectEnd(tenant, refused[place] as JobView, 'refused');
      }
      expect(await callers.isSuspended(denied[0])).toBe(false);
      const ledgers = await callers.sql(
        'SELECT FROM lethe_orders.deletion_ledger WHERE tenant_id = ANY ($1)',
        [denied.map(({ tenantId }) => tenantId)],
      );
      expect(ledgers).toHaveLength(0);
    });

    it('lists by a dry run what a replay would do, and starts nothing', async () => {
      await callers.sql(`GRANT DELETE ON ${DENIED} TO lethe_suppliers`);
      const replay = (filter: object) => callers.operator.ask('POST', '/deletion-jobs/replay', filter);
      const listed = await replay({ status: 'refused', service: 'suppliers', dry_run: true });
      expect(listed.status).toBe(200);
      expect(listed.body.jobs.map((job: { job_id: string }) => job.job_id).sort()).toEqual(
        refused.map(({ job_id }) => job_id).sort(),
      );
      expect(await replay({ service: 'orders', dry_run: true })).toMatchObject({ body: { jobs: [] } });
      expect(await replay({ status: 'compensated', dry_run: true })).toMatchObject({ body: { jobs: [] } });
      expect(await replay({ dry_run: true })).toMatchObject({ status: 422 });
      const jobs = await callers.operator.ask('GET', `/deletion-jobs?tenant_id=${denied[0].tenantId}`);
      expect(jobs.body.jobs).toHaveLength(1);
    });

    it('completes every one that a filter names by one replay, and no other', async () => {
      const others = await callers.checksums({ only: bystander.tenantId });
      const filter = { status: 'refused', service: 'suppliers' };
      const { status, body } = await callers.operator.ask('POST', '/deletion-jobs/replay', filter);
      expect(status).toBe(200);
      const jobs: { job_id: string; tenant_id: string; replay_of: string }[] = body.jobs;
      expect(jobs.map((job) => job.replay_of).sort()).toEqual(refused.map(({ job_id }) => job_id).sort());
      for (const tenant of denied) {
        const id = jobs.find((job) => job.tenant_id === tenant.tenantId)?.job_id ?? '';
        const job = await callers.untilEnded(id);
        await world.expectEnd(tenant, job, 'completed');
      }
      for (const tenant of denied) {
        expect(totalRows(await callers.checksums({ only: tenant.tenantId }))).toBe(0);
      }
      expect(await callers.archives()).toEqual([]);
      expect(await callers.checksums({ only: bystander.tenantId })).toEqual(others);
      expect(totalRows(others)).toBe(bystander.rows);
    });
  });

  it('puts nothing of a person and no secret into any log, whatever failed', () => {
    expect(/"code":"database_busy"/.test(platformOf().logOf('worker'))).toBe(true);
    expect(faultsOfLogs(platformOf(), personal)).toEqual([]);
  });

  it('leaves an operator alone the right to replay', async () => {
    const owner = await callers.owner(bystander);
    const answer = await owner.ask('POST', '/deletion-jobs/replay', { status: 'refused' });
    expect([answer.status, answer.body.code]).toEqual([403, 'forbidden']);
  });
}
