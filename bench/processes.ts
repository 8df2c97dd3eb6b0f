/** What processes use, as Linux tells it. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** From now on: what a process needed to start is more than what it needs to work. */
export function forgetMostMemory(pid: number): void {
  try {
    for (const one of [pid, ...below(pid)]) writeFileSync(`/proc/${one}/clear_refs`, '5');
  } catch {
    // Then the start counts, for each size alike.
  }
}

/** The most memory that a process and those below it have held, in MiB; null where /proc is not there. */
export function mostMemoryMiB(pid: number): number | null {
  try {
    const peaks = [pid, ...below(pid)].map((one) => peakOf(one));
    return peaks.reduce((sum, peak) => sum + peak, 0);
  } catch {
    return null;
  }
}

function peakOf(pid: number): number {
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(peak ?? 0) / 1024;
}

function below(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return children.flatMap((child) => [child, ...below(child)]);
}

/** How busy the machine is with everything. */
export function loadAverage(): string {
  try {
    return readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' ');
  } catch {
    return 'unknown';
  }
}
