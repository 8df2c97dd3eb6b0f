/** A service that is down, slow, or answers wrongly: for a while, and for longer than anybody's patience. */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JobView } from '../../../protocol/jobs.js';
import type { RegistryEntry } from '../../../protocol/registry.js';
import {
  type Fault,
  type FaultyProxy,
  type ProxiedRequest,
  startFaultyProxy,
} from '../../support/faulty-proxy.js';
import type { TestPlatform } from '../../support/platform.js';
import { openWorld, type Victim, type World } from '../../support/world.js';

/** The real service that is reached through the proxy. */
const SERVICE = 'notification';
/** What else a service may answer: tests/integration/saga/endings.test.ts. */
const LASTING: readonly (readonly [string, Fault, code: string])[] = [
  ['does not answer in time', 'hang', 'service_unavailable'],
  ['does it, and its answers are lost', 'lost', 'service_unavailable'],
];
const AT_THE_CHECK: readonly (readonly [string, Fault, code: string])[] = [
  ['answers 401', { status: 401 }, 'unauthenticated'],
];
const OTHERS = 4;
/** The worker's, who cannot wait for minutes for a service that does not answer. */
const LESS_TIME = { GIVE_UP_AFTER: '15s', LONGEST_TRANSACTION: '10s', SLICE: '1s' };
const WITHIN_MS = 240_000;

/** Comes last on its platform: the worker reaches the service through a proxy from then on. */
export function participantsMisbehave(platformOf: () => TestPlatform): void {
  let platform: TestPlatform;
  let world: World;
  let proxy: FaultyProxy;

  type Behaviour = (request: ProxiedRequest) => Fault | null | Promise<Fault | null>;
  const behaviours = new Map<string, Behaviour>();

  beforeAll(async () => {
    platform = platformOf();
    proxy = await putProxyBefore(SERVICE);
    proxy.fault = (request) => {
      const tenantId = /^\/tenant\/([^/]+)\//.exec(request.path)?.[1] ?? '';
      return behaviours.get(tenantId)?.(request) ?? null;
    };
    world = await openWorld(platform, {
      victims: LASTING.length + AT_THE_CHECK.length + OTHERS,
      rows: 600,
    });
  });
  afterAll(async () => {
    await world?.close();
    await proxy?.close();
  });

  /** The worker reads the registry when it starts. */
  async function putProxyBefore(service: string): Promise<FaultyProxy> {
    const { servicesFile } = platform.files;
    const entries = JSON.parse(readFileSync(servicesFile, 'utf8')) as RegistryEntry[];
    const entry = entries.find(({ name }) => name === service);
    if (entry === undefined) throw new Error(`The registry has no ${service}.`);
    const before = await startFaultyProxy(entry.url);
    const changed = entries.map((one) => (one === entry ? { ...one, url: before.url } : one));
    writeFileSync(servicesFile, JSON.stringify(changed));
    await platform.process('worker').restart(LESS_TIME);
    return before;
  }

  async function begin(behaviour: Behaviour): Promise<{ victim: Victim; job: JobView }> {
    const victim = world.victim();
    behaviours.set(victim.tenantId, behaviour);
    return { victim, job: await world.callers.request(victim, {}) };
  }

  function partOf(job: JobView, service = SERVICE) {
    const part = job.services.find(({ name }) => name === service);
    if (part === undefined) throw new Error(`Job ${job.job_id} has no ${service}.`);
    return part;
  }

  const asksTo = (target: string) => (request: ProxiedRequest) => request.target === target;

  describe.concurrent('a service that', { timeout: WITHIN_MS }, () => {
    it.each(LASTING)('%s for longer than patience lasts: every row comes back', async (_, fault, code) => {
      const { victim, job } = await begin((request) => (asksTo('staged')(request) ? fault : null));
      const ended = await world.untilEnded(job);
      await world.expectEnd(victim, ended, 'compensated');
      expect(partOf(ended).last_error?.code).toBe(code);
      expect(ended.outcome).toContain(`${SERVICE}: ${code}`);
    });

    it.each(AT_THE_CHECK)(
      '%s when it is asked whether it could: nothing is touched',
      async (_, fault, code) => {
        const { victim, job } = await begin(() => fault);
        const ended = await world.untilEnded(job);
        await world.expectEnd(victim, ended, 'refused');
        expect(partOf(ended).last_error?.code).toBe(code);
        expect(ended.services.filter((one) => one.stage_requested_at !== null)).toEqual([]);
      },
    );

    it('does everything wrong for a while, and then does what it should', async () => {
      const faults: Fault[] = ['down', 'garbage', 'lost', { status: 500 }, { status: 503, retryAfter: 1 }];
      const seen = new Map<string, number>();
      const { victim, job } = await begin((request) => {
        // Each kind of request meets two faults, and all requests together each kind of fault.
        const kind = request.target ?? request.path.split('/').at(-1) ?? '';
        const times = seen.get(kind) ?? 0;
        seen.set(kind, times + 1);
        return times < 2 ? (faults[(seen.size * 2 + times) % faults.length] ?? null) : null;
      });
      const ended = await world.untilEnded(job);
      await world.expectEnd(victim, ended, 'completed');
      expect([...seen.keys()].sort()).toEqual(
        ['deletion-preview', 'staged', 'purged', 'verification', job.job_id].sort(),
      );
      expect(partOf(ended)).toMatchObject({ state: 'purged', last_error: null });
    });

    it('is slow', async () => {
      const { victim, job } = await begin(async () => {
        await sleep(2_000);
        return null;
      });
      await world.expectEnd(victim, await world.untilEnded(job), 'completed');
    });

    it('is away after the point of no return: the job waits for it, and completes', async () => {
      let away = true;
      const { victim, job } = await begin((request) => (away && asksTo('purged')(request) ? 'down' : null));
      await world.until([job], ({ status }) => status === 'needs_attention');
      const stuck = await world.callers.job(job.job_id);
      expect(stuck).toMatchObject({ decision: 'proceed', reversible: false, phase: 'purge' });
      expect(stuck.waiting_for).toMatchObject({ kind: 'service', who_can_act: 'operator' });
      expect(partOf(stuck).last_error?.code).toBe('service_unavailable');
      away = false;
      await world.expectEnd(victim, await world.untilEnded(job), 'completed');
    });

    it('is away on the way in and on the way back: the others go back, the tenant stays locked until it is there', async () => {
      let away = true;
      const { victim, job } = await begin(({ target }) => (away && target !== null ? 'down' : null));
      await world.until([job], ({ status }) => status === 'needs_attention');
      await world.callers.until(job.job_id, ({ services }) =>
        services.every(({ state }) => !['staging', 'staged', 'restoring'].includes(state)),
      );
      expect(partOf(await world.callers.job(job.job_id), 'orders').state).toBe('restored');
      expect(await world.callers.isSuspended(victim)).toBe(true);
      away = false;
      await world.expectEnd(victim, await world.untilEnded(job), 'compensated');
    });
  });

  it('leaves everybody else alone', () => world.expectOthersUntouched());
}
