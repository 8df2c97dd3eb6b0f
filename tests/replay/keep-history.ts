/** Writes a run's history down, for the replay tests. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { expect } from 'vitest';

const directory = join(import.meta.dirname, 'histories');

export async function keepHistory(name: string, handle: WorkflowHandle): Promise<void> {
  const json = JSON.stringify(await handle.fetchHistory());
  // Where it was recorded is nobody's business.
  const plain = json
    .replaceAll(/"identity":"[^"]*"/g, '"identity":"recorded"')
    .replaceAll(/"stackTrace":"(?:[^"\\]|\\.)*"/g, '"stackTrace":""')
    .replaceAll(/\d+@[\w.-]+/g, 'recorded')
    .replaceAll(hostname(), 'recorded');
  const history = JSON.parse(plain) as { events: unknown[] };
  expect(history.events.length).toBeGreaterThan(5);
  mkdirSync(directory, { recursive: true });
  const file = { workflowId: handle.workflowId, history };
  writeFileSync(join(directory, `${name}.json`), `${JSON.stringify(file)}\n`);
}
