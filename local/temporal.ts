/** Temporal's dev server: how it is started, and whether it answers. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { SEARCH_ATTRIBUTES } from '../protocol/workflow.js';
import { ensureSearchAttributes } from '../records/search-attributes.js';
import type { ProcessSpec } from './processes.js';
import type { Progress } from './progress.js';
import { findTemporal } from './temporal-binary.js';

export interface TemporalOptions {
  readonly port: number;
  /** Without it there is no UI. */
  readonly uiPort?: number;
  /** Keeps the runs over restarts; in memory without it. */
  readonly databaseFile?: string;
  readonly report: Progress;
}

const GRPC_NOT_FOUND = 5;

/** Finds or builds Temporal, and says how to start it. */
export async function prepareTemporal(options: TemporalOptions): Promise<ProcessSpec> {
  const program = await findTemporal(options.report);
  if (options.databaseFile) mkdirSync(dirname(options.databaseFile), { recursive: true });
  const address = `127.0.0.1:${options.port}`;
  return {
    name: 'temporal',
    command: program,
    args: [
      ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(options.port)],
      ...(options.uiPort === undefined ? ['--headless'] : ['--ui-port', String(options.uiPort)]),
      ...(options.databaseFile ? ['--db-filename', options.databaseFile] : []),
      ...['--log-level', 'error'],
      ...Object.entries(SEARCH_ATTRIBUTES).flatMap(([name, type]) => [
        '--search-attribute',
        `${name}=${type}`,
      ]),
    ],
    ready: () => temporalAnswers(address),
  };
}

/** Whether Temporal and a namespace of it answer at this address. */
export async function temporalAnswers(address: string, namespace = 'default'): Promise<boolean> {
  let connection: Connection | undefined;
  try {
    connection = await Connection.connect({ address, connectTimeout: 2_000 });
    await connection.workflowService.describeNamespace({ namespace });
    return true;
  } catch {
    return false;
  } finally {
    await connection?.close();
  }
}

/** A server given by TEMPORAL_ADDRESS has to answer, and gets the namespace and the search attributes that it lacks. */
export async function checkGivenTemporal(address: string, namespace = 'default'): Promise<void> {
  let connection: Connection;
  try {
    connection = await Connection.connect({ address, connectTimeout: 5_000 });
  } catch (error) {
    throw new Error(
      `Temporal does not answer at TEMPORAL_ADDRESS (${address}): ${error instanceof Error ? error.message : String(error)}. Start it, or unset the variable: then Lethe brings its own.`,
      { cause: error },
    );
  }
  try {
    await ensureNamespace(connection, namespace);
    await ensureSearchAttributes(connection, namespace);
  } finally {
    await connection.close();
  }
}

async function ensureNamespace(connection: Connection, namespace: string): Promise<void> {
  try {
    await connection.workflowService.describeNamespace({ namespace });
    return;
  } catch (error) {
    if ((error as { code?: number }).code !== GRPC_NOT_FOUND) throw error;
  }
  await connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: msToTs('24h'),
  });
}
