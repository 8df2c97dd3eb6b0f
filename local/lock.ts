/** A lock between processes of one machine, for work that two of them must not do at once. */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from './progress.js';
import { silent } from './progress.js';

/** Runs `work` while nobody else holds the lock at `path`. The lock of a process that died is taken over. */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  report: Progress = silent,
): Promise<T> {
  mkdirSync(dirname(path), { recursive: true });
  for (let told = false; !take(path); told = true) {
    if (!told) report(`Waiting for another process that is at it already (${holder(path) ?? 'starting'})`);
    if (isHeldByDead(path)) rmSync(path, { recursive: true, force: true });
    await sleep(100);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

/** Takes the lock if it is free, and gives what releases it; null where a living process holds it. */
export function tryLock(path: string): (() => void) | null {
  mkdirSync(dirname(path), { recursive: true });
  if (isHeldByDead(path)) rmSync(path, { recursive: true, force: true });
  if (!take(path)) return null;
  return () => rmSync(path, { recursive: true, force: true });
}

/** Whether a process with this id lives. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function take(path: string): boolean {
  try {
    mkdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  writeFileSync(join(path, 'pid'), String(process.pid));
  return true;
}

function holder(path: string): number | null {
  try {
    return Number(readFileSync(join(path, 'pid'), 'utf8')) || null;
  } catch {
    return null;
  }
}

function isHeldByDead(path: string): boolean {
  if (!existsSync(path)) return false;
  const pid = holder(path);
  if (pid !== null) return !isAlive(pid);
  try {
    // Without an owner for seconds: it died between taking the lock and signing it.
    return Date.now() - statSync(path).mtimeMs > 5_000;
  } catch {
    return false;
  }
}
