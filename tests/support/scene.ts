/** Deletions of several tenants at once, each held in the middle of a phase of its own, so that one strike meets all. */
import { expect } from 'vitest';
import { SERVICE_TOKEN_ISSUER } from '../../local/platform-processes.js';
import type { EndedStatus, JobView } from '../../protocol/jobs.js';
import { readSigningKeys } from '../../protocol/keys.js';
import { createTokenIssuer } from '../../protocol/tokens.js';
import type { Hold } from './holds.js';
import type { Victim, World } from './world.js';

export const SCENE_PHASES = ['date', 'window', 'stage', 'restore', 'attention', 'pivot', 'purge'] as const;
export type ScenePhase = (typeof SCENE_PHASES)[number];

export interface Held {
  readonly victim: Victim;
  readonly job: JobView;
  /** How it ends once it is let go. */
  readonly end: EndedStatus;
}

export interface Scene {
  readonly held: ReadonlyMap<ScenePhase, Held>;
  /** After a strike: new sessions of the jobs that are held in a service wait as the old ones did. */
  untilReachedAgain(): Promise<void>;
  /** Lets everything go on; what waits for a time is cancelled. */
  letGo(): Promise<void>;
  /** Waits for the ends that the decisions fix, and for everything to agree with them. */
  expectEnds(): Promise<void>;
}

export interface SceneOptions {
  /** A victim each; all of them by default. */
  readonly phases?: readonly ScenePhase[];
  /** Why the one that goes back does so: a person cancelled, or a service has lost its staging. */
  readonly goesBack: 'cancelled' | 'compensated';
}

/** The service in which stage, restore and purge are held. */
export const HELD_SERVICE = 'notification';
const STAGED_TABLE = 'notification.notifications';
/** Long enough to take hold of what the step after it needs. */
const SHORT_WINDOW = '5s';
const LONG_WINDOW = '1h';

/** Holds deletions in these phases, everything else of the platform being at rest. */
export async function setScene(
  world: World,
  { phases = SCENE_PHASES, goesBack }: SceneOptions,
): Promise<Scene> {
  const { callers, holds } = world;
  const held = new Map<ScenePhase, Held>();
  const taken: Hold[] = [];
  const inService = phases.filter((phase) => ['stage', 'restore', 'purge'].includes(phase));
  let makeRoom = async () => {};

  const begin = async (phase: ScenePhase, options: object, end: EndedStatus): Promise<Held> => {
    const victim = world.victim();
    const one = { victim, job: await callers.request(victim, options), end };
    held.set(phase, one);
    return one;
  };
  const holdArchive = async ({ job }: Held) => {
    const hold = await holds.archive(HELD_SERVICE, job.job_id);
    taken.push(hold);
    return hold;
  };

  const setting: Readonly<Record<ScenePhase, () => Promise<void>>> = {
    async date() {
      await begin('date', { start_at: inAnHour() }, 'cancelled');
    },
    async window() {
      await begin('window', { restore_window: LONG_WINDOW }, 'cancelled');
    },
    async restore() {
      const window = goesBack === 'cancelled' ? LONG_WINDOW : SHORT_WINDOW;
      const one = await begin('restore', { restore_window: window }, goesBack);
      await untilStaged(world, one.job);
      const hold = await holdArchive(one);
      await (goesBack === 'cancelled' ? cancel(world, one.job) : restoreByHand(world, one, 'orders'));
      await hold.waitedFor(one.job.job_id);
    },
    async attention() {
      const one = await begin('attention', { restore_window: LONG_WINDOW }, 'cancelled');
      await untilStaged(world, one.job);
      makeRoom = await takeItsPlace(world, one.victim);
      await cancel(world, one.job);
    },
    async purge() {
      const one = await begin('purge', { restore_window: SHORT_WINDOW }, 'completed');
      await untilStaged(world, one.job);
      await (await holdArchive(one)).waitedFor(one.job.job_id);
    },
    async pivot() {
      const one = await begin('pivot', { restore_window: SHORT_WINDOW }, 'completed');
      await untilStaged(world, one.job);
      const hold = await holds.gate(one.victim.tenantId);
      taken.push(hold);
      await hold.waitedFor();
    },
    async stage() {
      const hold = await holds.table(STAGED_TABLE, 'SHARE');
      taken.push(hold);
      const job = held.get('stage')?.job;
      if (job === undefined) throw new Error('The job has not been requested.');
      await startNow(world, job);
      await hold.waitedFor(job.job_id);
    },
  };
  const chosen = (...some: ScenePhase[]) => some.filter((phase) => phases.includes(phase));
  const set = (...some: ScenePhase[]) => Promise.all(chosen(...some).map((phase) => setting[phase]()));
  await set('date', 'window', 'restore', 'attention', 'purge');
  await untilHeld(world, held);
  if (phases.includes('stage')) await begin('stage', { start_at: inAnHour() }, 'completed');
  await set('pivot');
  await set('stage');
  await untilHeld(world, held);

  let setAt = new Date();
  return {
    held,
    async untilReachedAgain() {
      const ids = inService.flatMap((phase) => held.get(phase)?.job.job_id ?? []);
      await Promise.all(ids.map((jobId) => holds.untilReached(jobId, setAt)));
      setAt = new Date();
    },
    async letGo() {
      await Promise.all(taken.map((hold) => hold.release()));
      await makeRoom();
      for (const phase of chosen('date', 'window')) {
        const waiting = held.get(phase);
        if (waiting) await cancel(world, waiting.job);
      }
    },
    async expectEnds() {
      const all = [...held.values()];
      const ended = await Promise.all(all.map(({ job }) => world.untilEnded(job)));
      const found = [...held.keys()].map((phase, index) => [phase, ended[index]?.status]);
      expect(found).toEqual([...held].map(([phase, { end }]) => [phase, end]));
      for (const [index, { victim, end }] of all.entries()) {
        await world.expectEnd(victim, ended[index] as JobView, end);
      }
      await world.expectOthersUntouched();
    },
  };
}

function inAnHour(): string {
  return new Date(Date.now() + 3_600_000).toISOString();
}

async function startNow({ callers }: World, { job_id }: JobView): Promise<void> {
  const body = { start_at: new Date().toISOString() };
  const { status } = await callers.operator.ask('POST', `/deletion-jobs/${job_id}/reschedule`, body);
  if (status > 299) throw new Error(`Not rescheduled, but ${status}.`);
}

/** All rows are in the archives. */
export function untilStaged(world: World, job: JobView): Promise<void> {
  return world.until([job], ({ staged_at }) => staged_at !== null);
}

/** As an operator; it has to be in time. */
export async function cancel({ callers }: World, { job_id }: JobView): Promise<void> {
  const { status, body } = await callers.operator.ask('POST', `/deletion-jobs/${job_id}/cancel`);
  if (status > 299) throw new Error(`Not cancelled, but ${status}: ${JSON.stringify(body)}`);
}

/** A row of somebody else gets an identity that is archived, so the archive cannot come back. Gives what mends it. */
async function takeItsPlace(
  { callers, bystander }: World,
  { tenantId }: Victim,
): Promise<() => Promise<void>> {
  const [archive] = await callers.sql<{ name: string; column: string }>(
    `SELECT a->>'archive' AS name, c->>'stored' AS column
     FROM lethe_orders.deletion_ledger, jsonb_array_elements(archives) a, jsonb_array_elements(a->'columns') c
     WHERE tenant_id = $1 AND a->'table'->>'name' = 'customers' AND c->>'name' = 'id'`,
    [tenantId],
  );
  if (archive === undefined) throw new Error(`No customers of ${tenantId} are archived.`);
  await callers.sql(
    `INSERT INTO orders.customers (id, tenant_id, customer_number, name)
     SELECT ${archive.column}, $1, 'in the way', 'Somebody new' FROM lethe_orders."${archive.name}" LIMIT 1`,
    [bystander.tenantId],
  );
  return async () => {
    await callers.sql(
      `DELETE FROM orders.customers WHERE tenant_id = $1 AND customer_number = 'in the way'`,
      [bystander.tenantId],
    );
  };
}

/** As after somebody's mistake: a service that has gone back, although nobody decided that. */
export async function restoreByHand(
  { platform }: World,
  { victim: { tenantId }, job }: Held,
  service: string,
): Promise<void> {
  const keys = await readSigningKeys(platform.files.signingKeysDirectory, 'service-token');
  const issuer = createTokenIssuer({ key: keys.signing, issuer: SERVICE_TOKEN_ISSUER });
  const token = await issuer.issue({ audience: service, action: 'restored', tenantId, jobId: job.job_id });
  const url = platform.services.find(({ name }) => name === service)?.url;
  const answer = await fetch(`${url}/tenant/${tenantId}/deletions/${job.job_id}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ target: 'restored', time_budget_ms: 5_000 }),
  });
  if (answer.status !== 200) throw new Error(`${service} answers ${answer.status}: ${await answer.text()}`);
}

const HELD_IN: Readonly<Record<ScenePhase, Partial<JobView>>> = {
  date: { phase: 'date', status: 'waiting', decision: null },
  window: { phase: 'window', status: 'waiting', decision: null },
  // It may also say that it waits: for somebody's transaction that is older, in whatever database.
  stage: { phase: 'stage', decision: null },
  restore: { phase: 'restore', status: 'compensating', decision: 'abort' },
  attention: { phase: 'restore', status: 'needs_attention', decision: 'abort' },
  pivot: { phase: 'pivot', status: 'in_progress', decision: null },
  purge: { phase: 'purge', status: 'in_progress', decision: 'proceed' },
};

/** Throws where a job has gone on, or never gets there. */
export async function untilHeld(world: World, held: ReadonlyMap<ScenePhase, Held>): Promise<void> {
  for (const [phase, { job }] of held) {
    const wanted = Object.entries(HELD_IN[phase]);
    await world.until([job], (found) =>
      wanted.every(([member, value]) => found[member as keyof typeof found] === value),
    );
  }
}
