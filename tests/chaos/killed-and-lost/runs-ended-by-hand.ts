/** Runs that are terminated, reset or lost in Temporal: the record decides, and the reconciler makes up for the rest. */
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { JobView } from '../../../protocol/jobs.js';
import { workflowIdOf } from '../../../protocol/workflow.js';
import { until } from '../../support/conditions.js';
import type { TestPlatform } from '../../support/platform.js';
import { cancel, restoreByHand, SCENE_PHASES, type Scene, setScene, untilHeld } from '../../support/scene.js';
import { openWorld, type Victim, type World } from '../../support/world.js';

const WITHIN_MS = 300_000;

/** Wants a Temporal of its own, whose database it takes away. */
export function runsEndedByHand(platformOf: () => TestPlatform): void {
  let world: World;

  beforeAll(async () => {
    world = await openWorld(platformOf(), { victims: SCENE_PHASES.length + 3, rows: 600 });
  });
  afterEach(() => world?.holds.releaseAll());
  afterAll(() => world?.close());

  /** Each job has had so many runs, and the last one stands where the first one stood. */
  async function untilTakenUp({ held }: Scene, runs: number): Promise<void> {
    const ids = [...held.values()].map(({ job }) => job.job_id);
    await until(
      async () => {
        const rows = await world.callers.sql<{ job_id: string }>(
          `SELECT job_id::text FROM lethe_records.deletion_job_runs WHERE job_id = ANY ($1::uuid[])
         GROUP BY job_id HAVING count(*) >= $2`,
          [ids, runs],
        );
        return rows.length === ids.length;
      },
      { timeoutMs: 60_000, what: 'a new run of each job' },
    );
    await untilHeld(world, held);
  }

  describe('every phase at once', () => {
    it(
      "goes on where runs are terminated, then reset to their first task, then lost with Temporal's database",
      async () => {
        const scene = await setScene(world, { goesBack: 'compensated' });
        const victims = [...scene.held.values()].map(({ victim }) => victim);
        await Promise.all(victims.map((victim) => world.callers.run(victim).terminate('by hand')));
        await untilTakenUp(scene, 2);
        for (const victim of victims) {
          const { runId, first } = await tasksOf(victim);
          await reset(victim, runId, first);
        }
        await untilTakenUp(scene, 3);
        await loseTemporalsDatabase();
        await untilTakenUp(scene, 4);
        await scene.letGo();
        await scene.expectEnds();
      },
      WITHIN_MS,
    );
  });

  async function loseTemporalsDatabase(): Promise<void> {
    const temporal = world.platform.process('temporal');
    await temporal.kill('SIGKILL');
    for (const suffix of ['', '-wal', '-shm']) {
      rmSync(join(dirname(world.platform.files.servicesFile), `temporal.db${suffix}`), { force: true });
    }
    await temporal.restart();
  }

  /** To every one of them: tests/integration/saga/recovery.test.ts, where a run costs less. */
  describe('a run that is reset to one after the other of its workflow tasks', () => {
    it(
      'leaves a job that has ended as it is, and goes on with one that waits',
      async () => {
        const [completed, compensated, waiting] = [world.victim(), world.victim(), world.victim()];
        await Promise.all([
          resetOneThatCompleted(completed),
          resetOneThatWentBack(compensated),
          resetOneThatWaits(waiting),
        ]);
        await world.expectOthersUntouched();
      },
      WITHIN_MS,
    );
  });

  async function resetOneThatCompleted(victim: Victim): Promise<void> {
    const job = await world.callers.request(victim, {});
    const ended = await world.untilEnded(job);
    await expectToStay(victim, ended, 'COMPLETED');
    await world.expectEnd(victim, ended, 'completed');
  }

  async function resetOneThatWentBack(victim: Victim): Promise<void> {
    const job = await world.callers.request(victim, { restore_window: '5s' });
    await world.until([job], ({ staged_at }) => staged_at !== null);
    await restoreByHand(world, { victim, job, end: 'compensated' }, 'recipes');
    const ended = await world.untilEnded(job);
    await expectToStay(victim, ended, 'FAILED');
    await world.expectEnd(victim, ended, 'compensated');
  }

  /** Each reset run closes as the first one did, and the job is as it was. */
  async function expectToStay(victim: Victim, ended: JobView, runStatus: string): Promise<void> {
    await resetEverywhere(victim, async () => {
      await expectClosed(victim, runStatus);
      expect(await world.callers.job(ended.job_id)).toEqual(ended);
    });
  }

  async function resetOneThatWaits(victim: Victim): Promise<void> {
    const job = await world.callers.request(victim, { restore_window: '1h' });
    const waits = ({ phase }: { phase: string }) => phase === 'window';
    await world.until([job], waits);
    await resetEverywhere(victim, async () => {
      await until(async () => waits(await world.callers.run(victim).query<JobView>('status')), {
        timeoutMs: 60_000,
        what: 'the run to wait again',
      });
      // Only then is the next reset: a run that ends before it has written where it stands leaves nobody who will.
      await world.until([job], waits);
    });
    expect(await world.callers.job(job.job_id)).toMatchObject({ status: 'waiting', decision: null });
    await cancel(world, job);
    await world.expectEnd(victim, await world.untilEnded(job), 'cancelled');
  }

  async function expectClosed(victim: Victim, status: string): Promise<void> {
    const closed = await until(
      async () => {
        const run = await world.callers.run(victim).describe();
        return run.status.name !== 'RUNNING' && run;
      },
      { timeoutMs: 60_000, what: 'the run to close' },
    );
    expect(closed.status.name).toBe(status);
  }

  const RESETS = 4;

  /** Resets the run to some of its workflow tasks, one after the other, the first and the last among them. */
  async function resetEverywhere(victim: Victim, expectation: () => Promise<void>): Promise<void> {
    const { runId, tasks } = await tasksOf(victim);
    expect(tasks.length).toBeGreaterThan(RESETS);
    const places = Array.from({ length: RESETS }, (_, n) =>
      Math.round((n * (tasks.length - 1)) / (RESETS - 1)),
    );
    for (const task of places.map((place) => tasks[place] as Task)) {
      await reset(victim, runId, task);
      await expectation();
    }
  }

  type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;
  type Task = NonNullable<NonNullable<History['events']>[number]['eventId']>;

  /** The latest run of the tenant, and the events at which it can be reset. */
  function tasksOf(victim: Victim): Promise<{ runId: string; tasks: Task[]; first: Task }> {
    const run = world.callers.run(victim);
    // What a run writes into the record it may write within its first task, before that is completed.
    return until(
      async () => {
        const { runId } = await run.describe();
        const { events } = await run.fetchHistory();
        const tasks = (events ?? []).flatMap(
          ({ eventId, workflowTaskCompletedEventAttributes: completed }) =>
            eventId && completed ? [eventId] : [],
        );
        const [first] = tasks;
        return first === undefined ? null : { runId, tasks, first };
      },
      { timeoutMs: 60_000, what: 'a task to which the run can be reset' },
    );
  }

  async function reset(victim: Victim, runId: string, task: Task): Promise<void> {
    const { workflowService } = world.callers.temporal;
    const { runId: next } = await workflowService.resetWorkflowExecution({
      namespace: world.platform.temporalNamespace,
      workflowExecution: { workflowId: workflowIdOf(victim.tenantId), runId },
      workflowTaskFinishEventId: task,
      requestId: randomUUID(),
      reason: 'by hand',
    });
    expect((await world.callers.run(victim).describe()).runId).toBe(next);
  }
}
