/** Which processes were started from a directory, so that the next start can end what a crash left running. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from './lock.js';

/** One process, as the table keeps it. */
export interface RunningProcess {
  readonly name: string;
  readonly pid: number;
  /** Tells it from a stranger who got the same number later. */
  readonly commandLine: string;
  readonly stopSignal: NodeJS.Signals;
}

export interface ProcessTable {
  /** The process that started the others. */
  readonly supervisor: { readonly pid: number; readonly commandLine: string };
  readonly processes: readonly RunningProcess[];
}

export function readProcessTable(file: string): ProcessTable | null {
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessTable;
  } catch {
    // Half of a file is what a crash of the machine leaves.
    return null;
  }
}

export function writeProcessTable(file: string, processes: readonly RunningProcess[]): void {
  mkdirSync(dirname(file), { recursive: true });
  const table: ProcessTable = {
    supervisor: { pid: process.pid, commandLine: commandLineOf(process.pid) ?? '' },
    processes,
  };
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(table, null, 2)}\n`);
  renameSync(draft, file);
}

/** Whether this very process still runs. */
export function stillRuns(one: { readonly pid: number; readonly commandLine: string }): boolean {
  return isAlive(one.pid) && commandLineOf(one.pid) === one.commandLine;
}

/** The command line of a running process; null where there is none. */
export function commandLineOf(pid: number): string | null {
  try {
    if (existsSync('/proc/self/cmdline')) {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    }
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
}

/** Ends what a supervisor that is gone left running. Gives the names of what it ended. */
export async function endLeftovers(file: string): Promise<string[]> {
  const table = readProcessTable(file);
  if (table === null || stillRuns(table.supervisor)) return [];
  const left = table.processes.filter(stillRuns);
  // Clients first: a database that is stopped under its clients makes them report errors.
  for (const one of [...left].reverse()) await endProcess(one);
  return left.map((one) => one.name);
}

/** Asks a process to stop, and ends it where it does not. */
export async function endProcess(one: RunningProcess, graceMs = 15_000): Promise<void> {
  if (!stillRuns(one)) return;
  process.kill(one.pid, one.stopSignal);
  for (const deadline = Date.now() + graceMs; stillRuns(one); await sleep(50)) {
    if (Date.now() > deadline) {
      process.kill(one.pid, 'SIGKILL');
      return;
    }
  }
}
