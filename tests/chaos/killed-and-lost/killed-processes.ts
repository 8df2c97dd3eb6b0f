/**
 * `kill -9` of each process, and the end of each connection to the database, while deletions are in the middle of
 * stage, restore, pivot and purge. What is held stays held, so one scene is struck again once it has recovered.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../support/conditions.js';
import type { TestPlatform } from '../../support/platform.js';
import { HELD_SERVICE, type Scene, type ScenePhase, setScene } from '../../support/scene.js';
import { openWorld, type World } from '../../support/world.js';

const PHASES: readonly ScenePhase[] = ['stage', 'restore', 'pivot', 'purge'];
const WITHIN_MS = 300_000;

/** Wants `HELD_SERVICE` in a process of its own, and a Temporal of its own. */
export function killedProcesses(platformOf: () => TestPlatform): void {
  let world: World;

  beforeAll(async () => {
    world = await openWorld(platformOf(), { victims: 2 * PHASES.length, rows: 600 });
  });
  afterEach(() => world?.holds.releaseAll());
  afterAll(() => world?.close());

  async function kill(name: string): Promise<void> {
    await world.platform.process(name).kill('SIGKILL');
    await world.platform.process(name).restart();
  }

  describe('in the middle of stage, restore, pivot and purge', () => {
    it(
      'database connections are ended, then the API and the worker killed: every job ends as its decision says',
      async () => {
        const scene = await setScene(world, { phases: PHASES, goesBack: 'cancelled' });
        await endConnections(scene);
        await scene.untilReachedAgain();
        await kill('api');
        await kill('worker');
        await scene.letGo();
        await scene.expectEnds();
      },
      WITHIN_MS,
    );

    it(
      'a service is killed, then Temporal: every job ends as its decision says',
      async () => {
        const scene = await setScene(world, { phases: PHASES, goesBack: 'compensated' });
        await kill(`service-${HELD_SERVICE}`);
        await scene.untilReachedAgain();
        await kill('temporal');
        await scene.letGo();
        await scene.expectEnds();
      },
      WITHIN_MS,
    );
  });

  /** Of each job, the one that waits in the middle of a transaction. */
  async function endConnections({ held }: Scene): Promise<void> {
    for (const [phase, { job }] of held) {
      const name = phase === 'pivot' ? 'lethe records' : `lethe ${job.job_id}%`;
      await until(
        async () => {
          const ended = await world.callers.sql<{ ended: boolean }>(
            `SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity
           WHERE datname = current_database() AND application_name LIKE $1 AND wait_event_type = 'Lock'`,
            [name],
          );
          return ended.length > 0;
        },
        { timeoutMs: 60_000, what: `a connection to end in ${phase}` },
      );
    }
    expect(held.size).toBe(PHASES.length);
  }
}
