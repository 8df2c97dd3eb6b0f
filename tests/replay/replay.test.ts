/** Runs that wait meet newer code: each recorded history has to be one that today's workflow would have made. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporal } from '@temporalio/proto';
import { Worker } from '@temporalio/worker';
import { expect, it } from 'vitest';
import { quietRuntime } from '../support/temporal-runtime.js';
import { workflowBundle as bundleFile } from '../support/workflow-bundle.js';

const directory = join(import.meta.dirname, 'histories');

// The SDK's own historyFromJSON meets another copy of protobufjs than the one it was made for, and throws.
const { History } = temporal.api.history.v1;

// With those of releases before, in folders of their own: their runs may still wait.
const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.replace(/\.json$/, ''));

function read(name: string) {
  const recorded = JSON.parse(readFileSync(join(directory, `${name}.json`), 'utf8')) as {
    workflowId: string;
    history: Record<string, unknown>;
  };
  return { workflowId: recorded.workflowId, history: History.fromObject(recorded.history) };
}

quietRuntime();
const workflowBundle = { codePath: await bundleFile() };

it('has a history of every way a run can end or wait', () => {
  for (const start of ['completed', 'refused', 'compensated', 'cancelled', 'waits', 'needs-attention']) {
    expect(
      names.some((name) => name.startsWith(start)),
      start,
    ).toBe(true);
  }
});

it('replays every recorded run', async () => {
  const failed: string[] = [];
  let replayed = 0;
  const results = Worker.runReplayHistories({ workflowBundle, replayName: 'recorded' }, names.map(read));
  for await (const { error } of results) {
    if (error) failed.push(`${names[replayed]}: ${error.message}`);
    replayed += 1;
  }
  expect(failed).toEqual([]);
  expect(replayed).toBe(names.length);
});

it('notices a history that this workflow would not have made', async () => {
  const { history } = read('completed');
  const scheduled = history.events.flatMap((event) => event.activityTaskScheduledEventAttributes ?? []);
  const second = scheduled[1];
  if (!second) throw new Error('The history has no second step.');
  second.activityType = { name: 'anotherStep' };
  await expect(Worker.runReplayHistory({ workflowBundle }, history)).rejects.toThrow();
});
