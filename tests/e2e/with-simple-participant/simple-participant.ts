/** A platform with one participant more, which can only count and delete. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { totalRows } from '../../../local/checksums.js';
import { leavingRows } from '../../../local/leaving.js';
import type { JobView } from '../../../protocol/jobs.js';
import type { SeededTenant } from '../../../services/sample-data/load.js';
import { type Callers, createCallers } from '../../support/callers.js';
import type { TestPlatform } from '../../support/platform.js';
import { FEW_SERVICES } from '../../support/world.js';
import type { Loyalty } from './loyalty.js';

const CARDS = 7;

/** Wants the participant among the platform's, and a job that needs attention to try again within seconds. */
export function simpleParticipant(
  of: () => { readonly platform: TestPlatform; readonly loyalty: Loyalty },
): void {
  let platform: TestPlatform;
  let loyalty: Loyalty;
  let callers: Callers;
  let tenants: SeededTenant[];

  beforeAll(async () => {
    ({ platform, loyalty } = of());
    callers = await createCallers(platform);
    tenants = await callers.seed(3, 600);
    for (const { tenantId } of tenants) await loyalty.insertCards(tenantId, CARDS);
  });
  afterAll(() => callers?.close());

  function tenant(place: number): SeededTenant {
    const found = tenants[place];
    if (found === undefined) throw new Error(`There is no tenant ${place}.`);
    return found;
  }
  const partOf = (job: JobView) => job.services.find(({ name }) => name === loyalty.name);

  it('is shown in the preview as the part that is final once called', async () => {
    const owner = await callers.owner(tenant(0));
    const { status, body } = await owner.ask('GET', `/tenants/${tenant(0).tenantId}/deletion-preview`);
    expect(status).toBe(200);
    expect(body).toMatchObject({ reversible: false, total_rows: leavingRows(tenant(0)) + CARDS });
    const parts: { name: string; role: string; preview: { reversible: boolean; total_rows: number } }[] =
      body.services;
    expect(parts).toHaveLength(FEW_SERVICES.length + 1);
    const participants = parts.filter(({ role }) => role === 'participant');
    expect(participants.filter((one) => !one.preview.reversible).map(({ name }) => name)).toEqual([
      loyalty.name,
    ]);
    expect(parts.find(({ name }) => name === loyalty.name)?.preview.total_rows).toBe(CARDS);
  });

  it('is not called while there is a way back, and keeps its rows where that is taken', async () => {
    const asked = await callers.request(tenant(0), { restore_window: '1h' });
    const waiting = await callers.until(asked.job_id, ({ phase }) => phase === 'window');
    expect(partOf(waiting)).toMatchObject({ state: 'absent', reversible: false, stage_requested_at: null });
    expect(waiting).toMatchObject({ reversible: true });
    expect(await loyalty.countCards(tenant(0).tenantId)).toBe(CARDS);
    await callers.operator.ask('POST', `/deletion-jobs/${asked.job_id}/cancel`);
    expect(await callers.untilEnded(asked.job_id)).toMatchObject({ status: 'cancelled' });
    expect(await loyalty.countCards(tenant(0).tenantId)).toBe(CARDS);
    expect(totalRows(await callers.checksums({ only: tenant(0).tenantId }))).toBe(tenant(0).rows);
  });

  it('loses its rows after the pivot, and is counted with the others', async () => {
    const job = await callers.untilEnded((await callers.delete(tenant(0))).job_id);
    expect(job).toMatchObject({ status: 'completed', rows_deleted: leavingRows(tenant(0)) + CARDS });
    expect(partOf(job)).toMatchObject({
      state: 'purged',
      counts: [{ table: 'loyalty.cards', rows: CARDS }],
      verified_at: expect.any(String),
    });
    expect(await loyalty.countCards(tenant(0).tenantId)).toBe(0);
    expect(await loyalty.countCards(tenant(1).tenantId)).toBe(CARDS);
  });

  it('keeps a deletion from being given up when it is away after the pivot: somebody is told, and it ends when it is back', async () => {
    const asked = await callers.request(tenant(1), { restore_window: '5s' });
    await callers.until(asked.job_id, ({ phase }) => phase === 'window');
    await loyalty.leave();
    const stuck = await callers.until(asked.job_id, ({ status }) => status === 'needs_attention');
    expect(stuck).toMatchObject({
      decision: 'proceed',
      reversible: false,
      waiting_for: {
        kind: 'service',
        who_can_act: 'operator',
        next_action: expect.stringContaining(loyalty.name),
      },
    });
    expect(partOf(stuck)?.last_error).toMatchObject({ code: 'service_unavailable' });
    const others = stuck.services.filter(({ name }) => ![loyalty.name, 'tenant'].includes(name));
    expect(others.filter(({ state }) => state !== 'purged')).toEqual([]);
    // Its owner can still see what goes on: the directory is the last to let go.
    expect(await callers.isSuspended(tenant(1))).toBe(true);
    const owner = await callers.owner(tenant(1));
    expect(await owner.ask('POST', `/deletion-jobs/${asked.job_id}/cancel`)).toMatchObject({
      status: 409,
      body: { code: 'past_pivot' },
    });

    await loyalty.comeBack();
    const ended = await callers.untilEnded(asked.job_id);
    expect(ended).toMatchObject({ status: 'completed', rows_deleted: leavingRows(tenant(1)) + CARDS });
    expect(await loyalty.countCards(tenant(1).tenantId)).toBe(0);
    expect(await loyalty.countCards(tenant(2).tenantId)).toBe(CARDS);
    expect(totalRows(await callers.checksums({ only: tenant(2).tenantId }))).toBe(tenant(2).rows);
  });

  it('keeps a deletion from beginning when it is away before: nothing is touched', async () => {
    const before = await callers.checksums();
    await loyalty.leave();
    const job = await callers.untilEnded((await callers.delete(tenant(2))).job_id);
    await loyalty.comeBack();
    expect(job).toMatchObject({ status: 'refused', outcome: expect.stringContaining(loyalty.name) });
    expect(await callers.checksums()).toEqual(before);
    expect(await loyalty.countCards(tenant(2).tenantId)).toBe(CARDS);
  });
}
