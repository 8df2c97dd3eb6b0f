/** The run's Temporal server. */
import { Client, Connection } from '@temporalio/client';
import { inject } from 'vitest';
import type {} from './provided.js';

export interface TestTemporal {
  readonly address: string;
  readonly client: Client;
  close(): Promise<void>;
}

/** A client of the run's server. Runs of other test files are there too: names must be a test's own. */
export async function connectTemporal(): Promise<TestTemporal> {
  const address = inject('temporalAddress');
  if (address === '') throw new Error('Tests under tests/unit run without Temporal: move this one out.');
  const connection = await Connection.connect({ address });
  return { address, client: new Client({ connection }), close: () => connection.close() };
}
